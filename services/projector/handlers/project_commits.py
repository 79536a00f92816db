"""Projects commits: each batch in one transaction, guarded by the position before it."""

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
REBUILD_CHECK_SECONDS = 2.0
REASON_CHARACTERS_MAX = 500
POSITION = Gauge("darkroom_projected_position", "Sequence of the last projected commit")
BEHIND = Gauge("darkroom_projection_behind", "Commits that the read models do not show yet")
STUCK = Gauge("darkroom_projection_stuck", "1 while nothing can be projected")
PROJECTED = Counter("darkroom_projected_commits_total", "Commits projected")
# Failures that may be over at the next try. Any other needs an operator, and is tried less often.
_PASSING = (DatabaseUnavailable, LogUnavailable)


async def project_commits(projector: Projector) -> None:
    """Follow the log for ever. After any failure, say so and start again from the position that
    the rows are committed at: a commit is never skipped.
    """
    while True:
        try:
            await _open(projector)
            await _run_until_one_ends(_follow(projector), _watch_for_rebuild(projector))
        except positions.Fenced:
            # Another projector has moved the position, or a rebuild was asked for: no trouble.
            logger.info("position_was_moved", position=projector.position)
            _clear_trouble(projector)
            await asyncio.sleep(RETRY_SECONDS)
        except Exception as error:  # noqa: BLE001 - whatever it is: stand still and say so.
            _note_trouble(projector, error)
            is_passing = isinstance(error, _PASSING) and not isinstance(error, LogSetBack)
            await asyncio.sleep(RETRY_SECONDS if is_passing else STUCK_RETRY_SECONDS)


def _note_trouble(projector: Projector, error: Exception) -> None:
    reason = f"{type(error).__name__}: {error}"[:REASON_CHARACTERS_MAX]
    log = logger.warning if projector.trouble else logger.error
    log("projection_stands_still", position=projector.position, reason=reason)
    projector.trouble = reason
    STUCK.set(1)


def _clear_trouble(projector: Projector) -> None:
    projector.trouble = ""
    STUCK.set(0)


async def _open(projector: Projector) -> None:
    """Find the position of the rows, and have the log checked against it."""
    mark = await projector.database.write(positions.create, projector.log.epoch)
    if mark.sequence < projector.position:
        logger.warning("read_models_are_made_anew", was=projector.position, now=mark.sequence)
        projector.has_caught_up = False
    projector.position = mark.sequence
    if projector.target is not None and mark.sequence >= projector.target:
        projector.has_caught_up = True  # Another projector has brought the rows to the target.
    projector.log.expect(mark)
    await look_at_end(projector)
    _note_progress(projector)


async def look_at_end(projector: Projector) -> None:
    """Note where the log ends; raise LogSetBack or LogUnavailable. Whether the rows have caught up
    is decided elsewhere: with an empty log, position 0 may be that of rows not built yet.
    """
    projector.target = await projector.log.end()
    BEHIND.set(projector.behind or 0)


def _note_progress(projector: Projector) -> None:
    if projector.target is not None and projector.position >= projector.target:
        projector.has_caught_up = True
        _clear_trouble(projector)
    POSITION.set(projector.position)
    BEHIND.set(projector.behind or 0)


async def _follow(projector: Projector) -> None:
    await _announce(projector, projector.position, ())
    async for messages in projector.log.follow(projector.position):
        batch = _decoded(messages)
        previous, position = projector.position, messages[-1].sequence
        changed = await _commit(projector, batch, previous, position)
        projector.position = position
        _clear_trouble(projector)
        PROJECTED.inc(len(batch))
        projector.log.saw(Mark(projector.log.epoch, position, batch[-1].commit.id))
        _note_progress(projector)
        await _announce(projector, previous, changed)


async def _watch_for_rebuild(projector: Projector) -> None:
    """Raise Fenced once the rows are gone, as `darkroom projections rebuild` leaves them. The next
    batch would find it out too, but services that wait for the rows may write no commit.
    """
    while True:
        await asyncio.sleep(REBUILD_CHECK_SECONDS)
        if await projector.database.read(positions.read) < projector.position:
            raise positions.Fenced


async def _run_until_one_ends(*work: Coroutine[Any, Any, None]) -> None:
    """Run all side by side until the first one ends; cancel the others and raise its error."""
    tasks = [asyncio.create_task(each) for each in work]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _decoded(messages: list[LogMessage]) -> list[Recorded]:
    batch = []
    for message in messages:
        try:
            batch.append(message.recorded())
        except Undecodable as error:
            raise Undecodable(f"commit {message.sequence} on {message.subject}: {error}") from error
    return batch


async def _commit(
    projector: Projector, batch: list[Recorded], previous: int, position: int
) -> tuple[ChangedRow, ...]:
    """Commit rows and position in one transaction, so each commit is applied exactly once."""

    def work(connection: Connection) -> tuple[ChangedRow, ...]:
        positions.advance(connection, previous, position, batch[-1].commit.id)
        return read_models.apply(connection, batch)

    return await projector.database.write(work)


async def _announce(projector: Projector, previous: int, rows: tuple[ChangedRow, ...]) -> None:
    if projector.client is None:
        return
    announced = Announcement(projector.log.epoch, previous, projector.position, rows)
    try:
        await projector.client.publish(CHANGES, announcement.encode(announced))
    except Exception as error:  # noqa: BLE001 - an announcement may be lost, the rows may not.
        logger.warning("announcement_lost", position=projector.position, reason=repr(error))
