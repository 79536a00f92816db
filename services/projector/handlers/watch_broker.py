"""Watches the broker: how full the log is, and whether dead letters wait."""

import structlog
from nats import errors
from prometheus_client import Gauge

from adapters.dead_letters import DeadLetters
from adapters.event_log.jetstream import ALARM_SHARE, JetStreamLog
from application.event_log import LogUnavailable
from services.projector.dependencies import Projector
from services.projector.handlers.project_commits import look_at_end

logger = structlog.get_logger()

WATCH_SECONDS = 5.0
LOG_BYTES = Gauge("darkroom_log_bytes", "Size of the log")
LOG_BYTES_MAX = Gauge("darkroom_log_bytes_max", "Limit of the log's size, -1 for none")
DEAD_LETTERS = Gauge("darkroom_dead_letters_now", "Commits that a handler gave up on")


async def watch_broker(projector: Projector, log: JetStreamLog, dead_letters: DeadLetters) -> None:
    """Look once. A trouble is logged when it begins, and stays in the health answer."""
    try:
        found = await _look(log, dead_letters)
        await look_at_end(projector)
    except (LogUnavailable, errors.Error, OSError):
        return  # The projection itself reports that the broker is away.
    for alarm in set(found) - set(projector.watched):
        logger.error("alarm", alarm=alarm)
    projector.watched = found


async def _look(log: JetStreamLog, dead_letters: DeadLetters) -> tuple[str, ...]:
    size, limit = await log.fill()
    waiting = await dead_letters.count()
    LOG_BYTES.set(size)
    LOG_BYTES_MAX.set(limit)
    DEAD_LETTERS.set(waiting)
    alarms = []
    if limit > 0 and size >= ALARM_SHARE * limit:
        alarms.append(f"the log is over {ALARM_SHARE:.0%} full: raise LOG_MAX_BYTES")
    if waiting:
        alarms.append("commits are parked: see `darkroom parked list`")
    return tuple(alarms)
