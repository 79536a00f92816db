"""`darkroom events`: what the log says, event by event."""

import re
import typing
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import Any

import click
import msgspec

from application.event_log import LogMessage
from cli.connection import Connection, connected
from cli.output import NOT_FOUND, USAGE, data_dir_option, json_option, runs, show_all, stop_with
from contracts.codec import Undecodable
from contracts.commit import Recorded
from contracts.cursor import BadCursor, parse_cursor
from contracts.events import JOB_ENDS, AnyEvent, Event
from contracts.ids import JobId, account_id, job_id, run_id
from contracts.sealed import Sealed
from contracts.subjects import Subject, account_subject, boundary_of, job_subject, run_subject
from domain.times import micros_of
from read_models import commit_index, job_commits
from read_models.unit_of_work import At

Row = dict[str, Any]
PAGE = 500
TYPES = frozenset(each.__name__ for each in typing.get_args(AnyEvent))
CAUGHT_UP_SECONDS = 5.0


@click.group()
def events() -> None:
    """List, show and follow what the log says. Sealed values stay sealed."""


@events.command("list")
@click.option("--job", help="All that was written about a job, wherever.")
@click.option("--boundary", type=click.Choice(["account", "job", "run"]), help="With --id.")
@click.option("--id", "boundary_id", help="The account, job or run whose own commits are wanted.")
@click.option("--type", "type_", help="An event's name, like JobRequested.")
@click.option("--account", help="An account's events.")
@click.option("--after", help="A cursor, or a sequence.")
@click.option("--since", help="A time, RFC 3339; UTC unless it says otherwise.")
@click.option("--limit", default=100, show_default=True, type=click.IntRange(1, 100_000))
@data_dir_option
@json_option
@runs
async def list_events(data_dir: str, limit: int, *, as_json: bool, **wanted: str | None) -> None:
    """List events, oldest first."""
    _check(wanted)
    rows: list[Row] = []
    async with connected(Path(data_dir)) as connection:
        start = after_of(wanted.pop("after"))
        if since := wanted.pop("since"):
            start = max(start, await position_at(connection, _time(since)))
        async for recorded in _chosen(connection, wanted, start):
            rows += [row for row in rows_of(recorded) if _matches(row, wanted)]
            if len(rows) >= limit:
                break
    show_all(rows[:limit], as_json=as_json)


@events.command("show")
@click.argument("sequence", type=int)
@data_dir_option
@json_option
@runs
async def show_events(data_dir: str, sequence: int, *, as_json: bool) -> None:
    """Show the events of one commit."""
    async with connected(Path(data_dir)) as connection:
        recorded = await connection.log.read(sequence)
    if recorded is None:
        stop_with(NOT_FOUND, f"the log has no commit {sequence}")
    show_all(rows_of(recorded), as_json=as_json)


@events.command("tail")
@click.option("--after", help="A cursor, or a sequence. Default: the log's end.")
@data_dir_option
@json_option
@runs
async def tail_events(data_dir: str, after: str | None, *, as_json: bool) -> None:
    """Follow the log until Ctrl-C."""
    async with connected(Path(data_dir)) as connection:
        start = after_of(after) if after else await connection.log.end()
        async for entries in connection.log.follow(start):
            for entry in entries:
                show_all(_readable(entry), as_json=as_json)


async def follow_job(connection: Connection, job: str) -> AsyncIterator[str]:
    """Yield a line for each event about a job, until it has ended."""
    async for entries in connection.log.follow(0):
        for entry in entries:
            recorded = entry.recorded()
            for row, event in zip(rows_of(recorded), recorded.commit.events, strict=True):
                if getattr(event, "job_id", None) == job:
                    yield f"{row['sequence']:>6}  {row['at'][11:23]}  {row['type']}"
            first = recorded.commit.events[0]
            if isinstance(first, JOB_ENDS) and first.job_id == job:
                return


async def _chosen(
    connection: Connection, wanted: dict[str, str | None], after: int
) -> AsyncIterator[Recorded]:
    """Yield commits that may match: by an index, by subject, or all of them."""
    job, boundary, boundary_id = wanted["job"], wanted["boundary"], wanted["boundary_id"]
    terms = _terms(wanted)
    if job is not None or terms:
        await connection.changes.wait_for(await connection.log.end(), CAUGHT_UP_SECONDS)
    if job is not None:
        found = _of_job(connection, job_id(job), after)
    elif boundary is not None and boundary_id is not None:
        found = _of_subject(connection, _subject(boundary, boundary_id), after)
    elif terms:
        found = _of_terms(connection, terms, after)
    else:
        found = _all(connection, after)
    async for recorded in found:
        yield recorded


async def _of_job(connection: Connection, job: JobId, after: int) -> AsyncIterator[Recorded]:
    sequences = await connection.database.read(job_commits.sequences, job, after)
    for sequence in sequences:
        if (recorded := await connection.log.read(sequence)) is not None:
            yield recorded


async def _of_terms(
    connection: Connection, terms: list[str], after: int
) -> AsyncIterator[Recorded]:
    page = [after]
    while page:
        look = partial(commit_index.sequences, terms=terms, after=page[-1], limit=PAGE)
        page = await connection.database.read(look)
        for sequence in page:
            if (recorded := await connection.log.read(sequence)) is not None:
                yield recorded


def _check(wanted: dict[str, str | None]) -> None:
    """Refuse what would be passed over in silence."""
    if (wanted["boundary"] is None) != (wanted["boundary_id"] is None):
        stop_with(USAGE, "darkroom: --boundary and --id belong together")
    if wanted["job"] is not None and wanted["boundary"] is not None:
        stop_with(USAGE, "darkroom: --job is about all boundaries: leave --boundary and --id out")
    type_ = wanted["type_"]
    if type_ is not None and type_ not in TYPES:
        by_case = {each.lower(): each for each in TYPES}
        like = get_close_matches(type_.lower(), by_case, 1)
        hint = "".join(f": did you mean {by_case[each]}?" for each in like)
        stop_with(USAGE, f"darkroom: there is no event {type_}{hint}")


def _terms(wanted: dict[str, str | None]) -> list[str]:
    account, type_ = wanted["account"], wanted["type_"]
    terms = [commit_index.of_account(account_id(account))] if account is not None else []
    return terms + ([commit_index.of_type(type_)] if type_ is not None else [])


async def position_at(connection: Connection, at: datetime) -> int:
    """Return the last commit up to which no writer's clock said a later time: two are never told
    apart by a clock that went back.
    """
    end = await connection.log.end()
    await connection.changes.wait_for(end, CAUGHT_UP_SECONDS)
    micros = micros_of(at)
    position, last = await connection.database.read(commit_index.last_not_later, micros)
    while position < last:
        recorded = await connection.log.read(position + 1)
        if recorded is None or micros_of(recorded.commit.at) > micros:
            break
        position += 1
    return min(position, end)


async def _all(connection: Connection, after: int) -> AsyncIterator[Recorded]:
    end = await connection.log.end()
    if after >= end:
        return
    async for entries in connection.log.follow(after):
        for entry in entries:
            yield entry.recorded()
            if entry.sequence >= end:
                return


async def _of_subject(
    connection: Connection, subject: Subject, after: int
) -> AsyncIterator[Recorded]:
    while (recorded := await connection.log.next(subject, after + 1)) is not None:
        yield recorded
        after = recorded.sequence


def _subject(boundary: str, boundary_id: str) -> Subject:
    if boundary == "account":
        return account_subject(account_id(boundary_id))
    if boundary == "run":
        return run_subject(run_id(boundary_id))
    return job_subject(job_id(boundary_id))


def _matches(row: Row, wanted: dict[str, str | None]) -> bool:
    job, type_, account = wanted["job"], wanted["type_"], wanted["account"]
    return (
        (job is None or row["body"].get("job_id") == job)
        and (type_ is None or row["type"] == type_)
        and (account is None or row["account"] == account)
    )


def rows_of(recorded: Recorded) -> list[Row]:
    return [_row(recorded, index, event) for index, event in enumerate(recorded.commit.events)]


def _row(recorded: Recorded, index: int, event: Event) -> Row:
    boundary, boundary_id = boundary_of(recorded.subject)
    commit = recorded.commit
    request = next((each for each in commit.requests if index in each.events), None)
    return {
        "sequence": recorded.sequence,
        "index": index,
        "type": type(event).__name__,
        "at": commit.at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "boundary": boundary,
        "id": boundary_id,
        "account": getattr(event, "account_id", None),
        "actor": At.of(recorded, index).actor,
        "correlation_id": request.correlation_id if request else None,
        "causation_id": commit.causation_id,
        "body": _body(event),
    }


def _body(event: Event) -> Row:
    values = {name: getattr(event, name) for name in event.__struct_fields__}
    return {
        name: {"sealed": True} if isinstance(value, Sealed) else msgspec.to_builtins(value)
        for name, value in values.items()
    }


def _readable(entry: LogMessage) -> Iterator[Row]:
    try:
        yield from rows_of(entry.recorded())
    except Undecodable as error:
        yield {"sequence": entry.sequence, "subject": entry.subject, "undecodable": str(error)}


def after_of(text: str | None) -> int:
    if text is None:
        return 0
    if re.fullmatch(r"[0-9]{1,18}", text):
        return int(text)
    try:
        return parse_cursor(text).sequence
    except BadCursor as error:
        stop_with(USAGE, str(error))


def _time(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        stop_with(USAGE, f"not a time: {text}")
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
