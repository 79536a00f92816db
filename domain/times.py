"""Times: rows hold microseconds since 1970, documents RFC 3339 texts; both are UTC."""

from datetime import UTC, datetime


def micros_of(at: datetime) -> int:
    return int(at.timestamp() * 1_000_000)


def time_of(micros: int) -> datetime:
    return datetime.fromtimestamp(micros / 1_000_000, UTC)


def text_of(at: datetime | int) -> str:
    """Return a UTC time, or one in microseconds, as documents show it: RFC 3339, milliseconds."""
    time = at if isinstance(at, datetime) else time_of(at)
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")
