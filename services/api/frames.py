"""Frames: the events of a stream, made from one snapshot of an account's rows."""

import msgspec
from msgspec import Struct, structs
from sqlalchemy import Connection

from application.documents import CreditsDocument, credits_document
from contracts.cursor import Cursor
from contracts.ids import AccountId, JobId
from read_models import accounts, job_lists, jobs, positions, runs
from read_models.accounts import Balance
from read_models.jobs import Job
from read_models.runs import Run
from services.api.dependencies import Api
from services.api.documents import JobDocument, each_of, job_document
from services.api.documents.runs import RunDocument, run_document

ROWS_MAX = 1000  # A client that missed more changed rows than these gets a resync.
PROGRESS_FROM = 1_000_000  # The first `change` of frames about progress: no commit has so many.
ALL_OF_COMMIT = 999_999_999

Place = tuple[int, int]  # Of a change in the log: its sequence, and its number in that commit.


class GoneDocument(Struct, frozen=True):
    """A job that its owner has deleted."""

    id: JobId


class ResyncDocument(Struct, frozen=True, kw_only=True):
    """The whole state: all that has not ended, for a client that may have missed something."""

    jobs: list[JobDocument]
    runs: list[RunDocument]
    credits: CreditsDocument


# What each event of a stream holds.
EVENTS: dict[str, type[Struct]] = {
    "job": JobDocument,
    "run": RunDocument,
    "credits": CreditsDocument,
    "gone": GoneDocument,
    "resync": ResyncDocument,
}
_NAMES = {document: event for event, document in EVENTS.items()}


class Frame(Struct, frozen=True):
    """One event of a stream. `sequence` and `change` are the place in the log of the change that
    it shows, `cursor` is that place as clients see it. `is_last` says that its job has ended.
    """

    event: str
    cursor: str
    sequence: int
    change: int
    body: bytes
    job_id: JobId | None = None
    is_last: bool = False

    @property
    def is_progress(self) -> bool:
        return self.change >= PROGRESS_FROM


class AccountSnapshot(Struct):
    """An account's balance and some of its rows, as they were at one position of the log."""

    position: int
    jobs: list[Job]
    runs: list[Run]
    balance: Balance
    has_new_balance: bool = False

    @property
    def is_too_much(self) -> bool:
        return len(self.jobs) > ROWS_MAX or len(self.runs) > ROWS_MAX


async def read_snapshot(
    api: Api, account: AccountId, since: int | None = None, job: JobId | None = None
) -> AccountSnapshot:
    """Read the account's rows that changed after the sequence `since`; without one, those of all
    that has not ended. With a job, read its row only.
    """
    open_max = max(ROWS_MAX, api.settings.account_jobs_in_flight_max)
    return await api.database.read(_snapshot, account, since, job, open_max)


def _snapshot(
    connection: Connection, account: AccountId, since: int | None, job: JobId | None, open_max: int
) -> AccountSnapshot:
    position = positions.read(connection)
    balance = accounts.find(connection, account)
    if job is not None:
        row = jobs.find(connection, job)
        return AccountSnapshot(position, [row] if row is not None else [], [], balance)
    if since is None:
        open_jobs = job_lists.open_ones(connection, account, open_max)
        open_runs = runs.open_ones(connection, account, open_max)
        return AccountSnapshot(position, open_jobs, open_runs, balance)
    changed_jobs = jobs.changed_since(connection, account, since, ROWS_MAX + 1)
    changed_runs = runs.changed_since(connection, account, since, ROWS_MAX + 1)
    is_new = balance.sequence > since
    return AccountSnapshot(position, changed_jobs, changed_runs, balance, is_new)


async def frames_of(api: Api, snapshot: AccountSnapshot) -> list[Frame]:
    """Return a frame for every row of a snapshot, in the order of their last changes."""
    frames = await each_of(snapshot.jobs, lambda job: job_frame(api, job))
    frames += await each_of(snapshot.runs, lambda run: _run_frame(api, run))
    balance = snapshot.balance
    if snapshot.has_new_balance:
        document = credits_document(balance.account, api.as_of())
        frames.append(_frame(api, (balance.sequence, balance.change), document))
    return sorted(frames, key=lambda each: (each.sequence, each.change))


async def job_frame(api: Api, job: Job, place: Place | None = None) -> Frame:
    """Return a job as it is now or, if its owner has deleted it, that it is gone."""
    place = place or (job.sequence, job.change)
    if job.deleted:
        return _frame(api, place, GoneDocument(job.job_id), job)
    return _frame(api, place, await job_document(api, job), job)


async def resync_frame(api: Api, snapshot: AccountSnapshot) -> Frame:
    """Return the whole state, for a client that may have missed what ended or is gone."""
    shown = [job for job in snapshot.jobs if not job.deleted]
    document = ResyncDocument(
        jobs=await each_of(shown, lambda job: job_document(api, job)),
        runs=await each_of(snapshot.runs, lambda run: run_document(api, run)),
        credits=credits_document(snapshot.balance.account, api.as_of()),
    )
    is_last = bool(snapshot.jobs) and all(job.status.is_end for job in snapshot.jobs)
    frame = _frame(api, (snapshot.position, ALL_OF_COMMIT), document)
    return structs.replace(frame, is_last=is_last)


def is_after(frame: Frame, cursor: Cursor) -> bool:
    """Whether a frame is new to a client at that cursor; the index 0 stands for a whole commit."""
    if frame.sequence != cursor.sequence:
        return frame.sequence > cursor.sequence
    return cursor.index != 0 and frame.change > cursor.index


async def _run_frame(api: Api, run: Run) -> Frame:
    return _frame(api, (run.sequence, run.change), await run_document(api, run))


def _frame(api: Api, place: Place, document: Struct, job: Job | None = None) -> Frame:
    cursor = str(Cursor(api.log.epoch, *place))
    event, body = _NAMES[type(document)], msgspec.json.encode(document)
    if job is None:
        return Frame(event, cursor, *place, body)
    return Frame(event, cursor, *place, body, job.job_id, job.status.is_end)
