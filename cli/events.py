"""`darkroom events`: what the log says, event by event."""

import typing
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import click

from application.documents import event_documents
from application.event_log import LogMessage
from cli.connection import Connection, connected
from cli.output import NOT_FOUND, USAGE, operator_command, show, show_all, stop_with
from cli.parameters import AFTER, ID, TIME, Group, among
from cli.tables import local_clock, table_for_stdout
from contracts.codec import Undecodable
from contracts.commit import Recorded
from contracts.events import JOB_ENDS, AnyEvent
from contracts.ids import account_id, job_id, run_id
from contracts.subjects import Subject, account_subject, boundary_of, job_subject, run_subject
from domain.times import micros_of
from read_models import commit_index, job_commits

Row = dict[str, Any]
COMMITS_A_PAGE = 500
COLUMNS = ("sequence", "at", "type", "boundary", "id", "actor", "body")  # Of the table.
TYPES = frozenset(each.__name__ for each in typing.get_args(AnyEvent))


@click.group(cls=Group)
def events() -> None:
    """List, show and follow what the log says. Sealed values stay sealed."""


@events.command("list")
@click.option("--job", type=ID, help="All that was written about a job, wherever.")
@click.option("--boundary", type=click.Choice(["account", "job", "run"]), help="With --id.")
@click.option("--id", "boundary_id", type=ID, help="The account, job or run of --boundary.")
@click.option(
    "--type",
    "type_",
    help="An event's name, like JobRequested.",
    shell_complete=among(lambda: sorted(TYPES)),
)
@click.option("--account", type=ID, help="An account's events.")
@click.option("--after", type=AFTER, default="0", help="A cursor, or a sequence.")
@click.option("--since", type=TIME, help="A time, RFC 3339; UTC unless it says otherwise.")
@click.option("--limit", default=100, show_default=True, type=click.IntRange(1, 100_000))
@operator_command
async def list_events(
    data_dir: Path,
    limit: int,
    after: int,
    since: datetime | None,
    *,
    as_json: bool,
    **wanted: str | None,
) -> None:
    """List events, oldest first."""
    _check_options(wanted)
    rows: list[Row] = []
    async with connected(data_dir) as connection:
        if since is not None:
            after = max(after, await position_at(connection, since))
        async for recorded in _chosen(connection, wanted, after):
            rows += [row for row in event_documents(recorded) if _matches(row, wanted)]
            if len(rows) >= limit:
                break
    show_all(rows[:limit], as_json=as_json, columns=COLUMNS)


@events.command("show")
@click.argument("sequence", type=int)
@operator_command
async def show_events(data_dir: Path, sequence: int, *, as_json: bool) -> None:
    """Show the events of one commit."""
    async with connected(data_dir) as connection:
        recorded = await connection.log.read(sequence)
    if recorded is None:
        stop_with(NOT_FOUND, f"the log has no commit {sequence}")
    documents = event_documents(recorded)
    if as_json:
        show_all(documents, as_json=True)
        return
    for document in documents:
        show(document, as_json=False)


@events.command("tail")
@click.option("--after", type=AFTER, help="A cursor, or a sequence. Default: the log's end.")
@operator_command
async def tail_events(data_dir: Path, after: int | None, *, as_json: bool) -> None:
    """Follow the log until Ctrl-C."""
    async with connected(data_dir) as connection:
        start = await connection.log.end() if after is None else after
        table = table_for_stdout(COLUMNS)
        async for messages in connection.log.follow(start):
            for message in messages:
                show_all(_readable(message), as_json=as_json, table=table)


async def follow_job(connection: Connection, job: str) -> AsyncIterator[str]:
    """Yield a line for each event about a job, until it has ended."""
    async for messages in connection.log.follow(0):
        for message in messages:
            recorded = message.recorded()
            for row in event_documents(recorded):
                if row["body"].get("job_id") == job:
                    yield f"{row['sequence']:>6}  {local_clock(row['at'])}  {row['type']}"
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
        await connection.catch_up()
    if job is not None:
        read = connection.database.read
        found = _at(connection, await read(job_commits.sequences, job_id(job), after))
    elif boundary is not None and boundary_id is not None:
        found = _of_subject(connection, _subject(boundary, boundary_id), after)
    elif terms:
        found = _of_terms(connection, terms, after)
    else:
        found = _all(connection, after)
    async for recorded in found:
        yield recorded


async def _at(connection: Connection, sequences: Sequence[int]) -> AsyncIterator[Recorded]:
    for sequence in sequences:
        if (recorded := await connection.log.read(sequence)) is not None:
            yield recorded


async def _of_terms(
    connection: Connection, terms: list[str], after: int
) -> AsyncIterator[Recorded]:
    read = connection.database.read
    page = [after]
    while page:
        page = await read(commit_index.sequences, terms, page[-1], COMMITS_A_PAGE)
        async for recorded in _at(connection, page):
            yield recorded


def _check_options(wanted: dict[str, str | None]) -> None:
    """Refuse options that would otherwise have no effect."""
    wrong = []
    if (wanted["boundary"] is None) != (wanted["boundary_id"] is None):
        wrong.append("--boundary and --id belong together")
    if wanted["job"] is not None and wanted["boundary"] is not None:
        wrong.append("--job is about all boundaries: leave --boundary and --id out")
    type_ = wanted["type_"]
    if type_ is not None and type_ not in TYPES:
        by_case = {each.lower(): each for each in TYPES}
        like = get_close_matches(type_.lower(), by_case, 1)
        hint = "".join(f": did you mean {by_case[each]}?" for each in like)
        wrong.append(f"there is no event {type_}{hint}")
    if wrong:
        stop_with(USAGE, "\n".join(f"darkroom: {each}" for each in wrong))


def _terms(wanted: dict[str, str | None]) -> list[str]:
    account, type_ = wanted["account"], wanted["type_"]
    terms = [commit_index.of_account(account_id(account))] if account is not None else []
    return terms + ([commit_index.of_type(type_)] if type_ is not None else [])


async def position_at(connection: Connection, at: datetime) -> int:
    """Return the sequence of the last commit before any that has a later time. Writers' clocks
    differ: a commit that comes after one with a later time does not count, whatever its own time.
    """
    end = await connection.catch_up()
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
    async for messages in connection.log.follow(after):
        for message in messages:
            yield message.recorded()
            if message.sequence >= end:
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


def _readable(message: LogMessage) -> list[Row]:
    try:
        return event_documents(message.recorded())
    except Undecodable as error:
        boundary, boundary_id = boundary_of(message.subject)
        known = {"sequence": message.sequence, "boundary": boundary, "id": boundary_id}
        return [known | {"type": "undecodable", "body": {"reason": str(error)}}]
