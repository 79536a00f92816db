"""A client of Darkroom: async, typed, on httpx and msgspec."""

from darkroom_client import models
from darkroom_client.calls import Patience
from darkroom_client.client import Darkroom
from darkroom_client.errors import (
    BadAnswer,
    DarkroomError,
    NotFromDarkroom,
    Problem,
    Unreachable,
)
from darkroom_client.watching import Change, Pace, Watch
from darkroom_client.webhooks import verify

__all__ = [
    "BadAnswer",
    "Change",
    "Darkroom",
    "DarkroomError",
    "NotFromDarkroom",
    "Pace",
    "Patience",
    "Problem",
    "Unreachable",
    "Watch",
    "models",
    "verify",
]
