"""Watches the broker: how full the log is, and whether anything is parked."""

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
PARKED = Gauge("darkroom_dead_letters_now", "Commits that are parked")


async def watch_broker(projector: Projector, log: JetStreamLog, parking: DeadLetters) -> None:
    """Look once; what is wrong is told when it begins, and in the health answer."""
    try:
        found = await _look(log, parking)
        await look_at_end(projector)
    except (LogUnavailable, errors.Error, OSError):
        return  # Whoever needs the broker says that it is away.
    for alarm in set(found) - set(projector.watched):
        logger.error("alarm", alarm=alarm)
    projector.watched = found


async def _look(log: JetStreamLog, parking: DeadLetters) -> tuple[str, ...]:
    size, limit = await log.fill()
    parked = await parking.count()
    LOG_BYTES.set(size)
    LOG_BYTES_MAX.set(limit)
    PARKED.set(parked)
    alarms = []
    if limit > 0 and size >= ALARM_SHARE * limit:
        alarms.append(f"the log is over {ALARM_SHARE:.0%} full: raise LOG_MAX_BYTES")
    if parked:
        alarms.append("commits are parked: see `darkroom parked list`")
    return tuple(alarms)
