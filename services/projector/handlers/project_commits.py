"""Projects commits: each batch in one transaction, fenced by the position before it."""

import asyncio

import structlog
from prometheus_client import Counter, Gauge
from sqlalchemy import Connection

import read_models
from adapters.database import DatabaseUnavailable
from adapters.event_log import Entry
from contracts import announcement
from contracts.announcement import Announcement, ChangedRow
from contracts.codec import Undecodable
from contracts.commit import Recorded
from contracts.subjects import CHANGES
from read_models import positions
from services.projector.dependencies import Projector

logger = structlog.get_logger()

RETRY_SECONDS = 0.5
DEGRADED_RETRY_SECONDS = 5.0
POSITION = Gauge("darkroom_projected_position", "Sequence of the last projected commit")
PROJECTED = Counter("darkroom_projected_commits_total", "Commits projected")


async def project_commits(projector: Projector) -> None:
    """Follow the log for ever. On any failure start again from the committed position."""
    while True:
        try:
            projector.position = await _open(projector)
            await _follow(projector)
        except (DatabaseUnavailable, positions.Fenced) as error:
            logger.warning("projection_waits", position=projector.position, reason=repr(error))
            await asyncio.sleep(RETRY_SECONDS)
        except Exception as error:  # noqa: BLE001 - never skip a commit: stand still and say so.
            projector.degraded = f"{type(error).__name__}: {error}"[:500]
            logger.error(  # noqa: TRY400 - one line; the reason is in it.
                "projection_degraded", position=projector.position, reason=projector.degraded
            )
            await asyncio.sleep(DEGRADED_RETRY_SECONDS)


async def _open(projector: Projector) -> int:
    epoch = projector.log.epoch
    return await projector.database.write(lambda connection: positions.create(connection, epoch))


async def _follow(projector: Projector) -> None:
    await _announce(projector, projector.position, ())
    async for entries in projector.log.follow(projector.position):
        batch = _decoded(entries)
        previous, position = projector.position, entries[-1].sequence
        changed = await _commit(projector, batch, previous, position)
        projector.position = position
        projector.degraded = ""
        PROJECTED.inc(len(batch))
        POSITION.set(position)
        await _announce(projector, previous, changed)


def _decoded(entries: list[Entry]) -> list[Recorded]:
    batch = []
    for entry in entries:
        try:
            batch.append(entry.recorded())
        except Undecodable as error:
            msg = f"commit {entry.sequence} on {entry.subject}: {error}"
            raise Undecodable(msg) from error
    return batch


async def _commit(
    projector: Projector, batch: list[Recorded], previous: int, position: int
) -> tuple[ChangedRow, ...]:
    """Rows and position go in one transaction, so each commit is applied exactly once."""

    def work(connection: Connection) -> tuple[ChangedRow, ...]:
        positions.advance(connection, previous, position)
        return read_models.apply(connection, batch)

    return await projector.database.write(work)


async def _announce(projector: Projector, previous: int, rows: tuple[ChangedRow, ...]) -> None:
    if projector.client is None:
        return
    told = Announcement(projector.log.epoch, previous, projector.position, rows)
    try:
        await projector.client.publish(CHANGES, announcement.encode(told))
    except Exception as error:  # noqa: BLE001 - an announcement may be lost, the rows may not.
        logger.warning("announcement_lost", position=projector.position, reason=repr(error))
