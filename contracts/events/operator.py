"""Facts about what operators did: `before` and `after` are what they changed."""

from typing import Any

from msgspec import field

from contracts.events.base import Event


class OperatorActed(Event, frozen=True, kw_only=True, tag="operator.acted.v1"):
    operator: str
    action: str
    why: str
    before: dict[str, Any] = field(default_factory=dict)
    after: dict[str, Any] = field(default_factory=dict)
