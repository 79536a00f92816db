"""Frames: what one snapshot of the rows tells a stream, each with a cursor of its own."""

import msgspec
from msgspec import Struct
from sqlalchemy import Connection

from application.documents import credits_document
from contracts.cursor import Cursor
from contracts.ids import AccountId, JobId
from read_models import accounts, job_lists, jobs, positions, runs
from read_models.accounts import Balance
from read_models.jobs import Job
from read_models.runs import Run
from services.api.dependencies import Api
from services.api.documents import each_of, job_document, run_document

ROWS_MAX = 1000  # Who missed more gets a resync.
PROGRESS_FROM = 1_000_000  # Indices of frames about progress, which no commit has.
ALL_OF_COMMIT = 999_999_999


class Frame(Struct, frozen=True):
    """One event of a stream. `sequence` and `change` are the place of what it tells; `cursor` is
    that place as outsiders see it. `is_last` marks the end of its job.
    """

    event: str
    cursor: str
    sequence: int
    change: int
    body: bytes
    job_id: JobId | None = None
    is_last: bool = False


class AccountSnapshot(Struct):
    """What a snapshot shows: the position, and the rows that are wanted of it."""

    account: AccountId
    position: int
    jobs: list[Job]
    runs: list[Run]
    balance: Balance
    has_new_balance: bool = False

    @property
    def is_too_much(self) -> bool:
        return len(self.jobs) > ROWS_MAX or len(self.runs) > ROWS_MAX


async def read_snapshot(
    api: Api, account: AccountId, since: int | None, job: JobId | None = None
) -> AccountSnapshot:
    """Read the account's rows that changed after `since`, or what is open when it is None; of
    one job, that job's row.
    """

    def work(connection: Connection) -> AccountSnapshot:
        position = positions.read(connection)
        balance = accounts.find(connection, account)
        if job is not None:
            one = jobs.find(connection, job)
            return AccountSnapshot(account, position, [one] if one is not None else [], [], balance)
        if since is None:
            open_max = max(ROWS_MAX, api.settings.account_jobs_in_flight_max)
            opened = job_lists.open_ones(connection, account, open_max)
            running = runs.open_ones(connection, account, open_max)
            return AccountSnapshot(account, position, opened, running, balance)
        changed = jobs.changed_since(connection, account, since, ROWS_MAX + 1)
        of_runs = runs.changed_since(connection, account, since, ROWS_MAX + 1)
        return AccountSnapshot(
            account, position, changed, of_runs, balance, balance.sequence > since
        )

    return await api.database.read(work)


async def frames_of(api: Api, seen: AccountSnapshot) -> list[Frame]:
    """Tell every row of a snapshot, in the order in which they changed."""
    frames = await each_of(seen.jobs, lambda job: job_frame(api, job, job.sequence, job.change))
    frames += await each_of(seen.runs, lambda run: _run_frame(api, run))
    balance = seen.balance
    if seen.has_new_balance:
        document = credits_document(balance.account, api.as_of())
        frames.append(_frame(api, "credits", balance.sequence, balance.change, document))
    return sorted(frames, key=lambda each: (each.sequence, each.change))


async def job_frame(api: Api, job: Job, sequence: int, change: int) -> Frame:
    """Tell a job as it is now; of one that its owner has deleted, that it is gone."""
    event, document = "job", {"id": job.job_id}
    if job.deleted:
        event = "gone"
    else:
        document = await job_document(api, job)
    body = msgspec.json.encode(document)
    cursor = str(Cursor(api.log.epoch, sequence, change))
    return Frame(event, cursor, sequence, change, body, job.job_id, job.status.is_end)


async def resync_frame(api: Api, seen: AccountSnapshot) -> Frame:
    """Tell plainly that something may have been missed, with the whole state as it is now: what
    is not in it has ended, or is gone.
    """
    shown = [job for job in seen.jobs if not job.deleted]
    document = {
        "jobs": await each_of(shown, lambda job: job_document(api, job)),
        "runs": await each_of(seen.runs, lambda run: run_document(api, run)),
        "credits": credits_document(seen.balance.account, api.as_of()),
    }
    cursor = str(Cursor(api.log.epoch, seen.position, ALL_OF_COMMIT))
    ended = bool(seen.jobs) and all(job.status.is_end for job in seen.jobs)
    body = msgspec.json.encode(document)
    return Frame("resync", cursor, seen.position, ALL_OF_COMMIT, body, None, ended)


def is_after(frame: Frame, cursor: Cursor) -> bool:
    """Tell whether a frame is news to whoever has seen everything up to the cursor.

    A cursor with the index 0 speaks of a whole commit.
    """
    if frame.sequence != cursor.sequence:
        return frame.sequence > cursor.sequence
    return cursor.index != 0 and frame.change > cursor.index


async def _run_frame(api: Api, run: Run) -> Frame:
    return _frame(api, "run", run.sequence, run.change, await run_document(api, run))


def _frame(api: Api, event: str, sequence: int, change: int, document: object) -> Frame:
    cursor = str(Cursor(api.log.epoch, sequence, change))
    return Frame(event, cursor, sequence, change, msgspec.json.encode(document))
