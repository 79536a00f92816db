"""Reads what fal writes (ids, addresses, log lines, headers): only what can be stored is kept."""

import math
from collections.abc import Mapping
from typing import Any

import httpx

from domain.text import clean_line, is_line

TEXT_LENGTH_MAX = 2048
REQUEST_ID_LENGTH_MAX = 200
PLACES_MAX = 1_000_000_000
LINES_MAX = 50
LINE_CHARACTERS_MAX = 300


def is_request_id(text: Any) -> bool:
    """Tell whether it can be stored: rows are found by it, and an index bounds a key's length."""
    return is_line(text) and len(text) <= REQUEST_ID_LENGTH_MAX


def is_address(text: Any) -> bool:
    return is_line(text) and len(text) <= TEXT_LENGTH_MAX


def text_of(response: httpx.Response) -> str:
    """Read the body as UTF-8, whatever charset its header names: with some of them, decoding gives
    text that cannot be encoded again.
    """
    return response.content.decode(errors="replace")


def retry_after_of(headers: Mapping[str, str]) -> float | None:
    try:
        seconds = float(headers.get("retry-after", ""))
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) else None


def place_of(position: Any) -> int | None:
    """Read a `queue_position`."""
    return position if isinstance(position, int) and 0 <= position < PLACES_MAX else None


def lines_of(logs: Any) -> tuple[str, ...]:
    """Read `[{"message", "timestamp"}]`; the provider's words, cut to size."""
    items = logs if isinstance(logs, list) else []
    said = [item.get("message") for item in items if isinstance(item, dict)]
    kept = [clean_line(line, LINE_CHARACTERS_MAX) for line in said if isinstance(line, str)]
    return tuple(kept[-LINES_MAX:])
