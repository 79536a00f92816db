"""Times as rows have them: microseconds since 1970, UTC."""

from datetime import UTC, datetime


def micros_of(at: datetime) -> int:
    return int(at.timestamp() * 1_000_000)


def time_of(micros: int) -> datetime:
    return datetime.fromtimestamp(micros / 1_000_000, UTC)
