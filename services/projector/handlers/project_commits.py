"""Projects commits: each batch in one transaction, fenced by the position before it."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import structlog
from prometheus_client import Counter, Gauge
from sqlalchemy import Connection

import read_models
from adapters.database import DatabaseUnavailable
from application.event_log import LogMessage, LogSetBack, LogUnavailable
from contracts import announcement
from contracts.announcement import Announcement, ChangedRow
from contracts.codec import Undecodable
from contracts.commit import Mark, Recorded
from contracts.subjects import CHANGES
from read_models import positions
from services.projector.dependencies import Projector

logger = structlog.get_logger()

RETRY_SECONDS = 0.5
STUCK_RETRY_SECONDS = 2.0
LOOK_SECONDS = 2.0
REASON_CHARACTERS_MAX = 500
POSITION = Gauge("darkroom_projected_position", "Sequence of the last projected commit")
BEHIND = Gauge("darkroom_projection_behind", "Commits that the read models do not show yet")
STUCK = Gauge("darkroom_projection_stuck", "1 while nothing can be projected")
PROJECTED = Counter("darkroom_projected_commits_total", "Commits projected")
# What may be over at the next try. Anything else needs somebody's hand, and is tried less often.
_PASSING = (DatabaseUnavailable, LogUnavailable)


async def project_commits(projector: Projector) -> None:
    """Follow the log for ever. On any failure say so, and start again from the committed position:
    a commit is never skipped.
    """
    while True:
        try:
            await _open(projector)
            await _first_of(_follow(projector), _until_rows_are_gone(projector))
        except positions.Fenced:
            # Another projector has moved the rows, or somebody wants them made anew: no trouble.
            logger.info("position_was_moved", position=projector.position)
            projector.trouble = ""
            STUCK.set(0)
            await asyncio.sleep(RETRY_SECONDS)
        except Exception as error:  # noqa: BLE001 - whatever it is: stand still and say so.
            reason = f"{type(error).__name__}: {error}"[:REASON_CHARACTERS_MAX]
            log = logger.warning if projector.trouble else logger.error
            log("projection_stands_still", position=projector.position, reason=reason)
            projector.trouble = reason
            STUCK.set(1)
            passing = isinstance(error, _PASSING) and not isinstance(error, LogSetBack)
            await asyncio.sleep(RETRY_SECONDS if passing else STUCK_RETRY_SECONDS)


async def _open(projector: Projector) -> None:
    """Find where the rows are, and that they are rows of this very log."""
    epoch = projector.log.epoch
    mark = await projector.database.write(positions.create, epoch)
    if mark.sequence < projector.position:
        logger.warning("read_models_are_made_anew", was=projector.position, now=mark.sequence)
        projector.has_caught_up = False
    projector.position = mark.sequence
    if projector.target is not None and mark.sequence >= projector.target:
        projector.has_caught_up = True  # With what was the end before: another one got it there.
    projector.log.expect(mark)
    await look_at_end(projector)
    _note_progress(projector)


async def look_at_end(projector: Projector) -> None:
    """Note how far the log is; raise LogSetBack or LogUnavailable.

    It says nothing of the rows: beside an empty log, a position of 0 may be of rows not yet made.
    """
    projector.target = await projector.log.end()
    BEHIND.set(projector.behind or 0)


def _note_progress(projector: Projector) -> None:
    if projector.target is not None and projector.position >= projector.target:
        projector.has_caught_up = True
        projector.trouble = ""
        STUCK.set(0)
    POSITION.set(projector.position)
    BEHIND.set(projector.behind or 0)


async def _follow(projector: Projector) -> None:
    await _announce(projector, projector.position, ())
    async for entries in projector.log.follow(projector.position):
        batch = _decoded(entries)
        previous, position = projector.position, entries[-1].sequence
        changed = await _commit(projector, batch, previous, position)
        projector.position = position
        projector.trouble = ""
        STUCK.set(0)
        PROJECTED.inc(len(batch))
        projector.log.saw(Mark(projector.log.epoch, position, batch[-1].commit.id))
        _note_progress(projector)
        await _announce(projector, previous, changed)


async def _until_rows_are_gone(projector: Projector) -> None:
    """Raise Fenced once somebody has let the rows be made anew. The next commit would tell, but
    without rows nobody writes one.
    """
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        if await projector.database.read(positions.read) < projector.position:
            raise positions.Fenced


async def _first_of(*work: Coroutine[Any, Any, None]) -> None:
    """Do all of it side by side until one of them ends, and end as that one does."""
    tasks = [asyncio.create_task(each) for each in work]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _decoded(entries: list[LogMessage]) -> list[Recorded]:
    batch = []
    for entry in entries:
        try:
            batch.append(entry.recorded())
        except Undecodable as error:
            raise Undecodable(f"commit {entry.sequence} on {entry.subject}: {error}") from error
    return batch


async def _commit(
    projector: Projector, batch: list[Recorded], previous: int, position: int
) -> tuple[ChangedRow, ...]:
    """Rows and position go in one transaction, so each commit is applied exactly once."""

    def work(connection: Connection) -> tuple[ChangedRow, ...]:
        positions.advance(connection, previous, position, batch[-1].commit.id)
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
