"""Lists an account's jobs, a page at a time."""

from litestar import Response, get
from litestar.params import FromQuery
from msgspec import Struct

from contracts.ids import AccountId
from domain.job_kinds.infograph import Infograph
from domain.refusals import invalid
from domain.statuses import JobStatus
from read_models import job_lists
from read_models.job_lists import Filter
from read_models.jobs import Job
from services.api.dependencies import Api, Injected
from services.api.documents import (
    InfographDocument,
    JobDocument,
    each_of,
    infograph_document,
    job_document,
)
from services.api.handlers.callers import Caller
from services.api.handlers.pages import LIMIT, check_limit, place_of


class JobPage(Struct, frozen=True, kw_only=True):
    """Some jobs; `next` is the cursor of the next page, or null."""

    items: list[JobDocument]
    next: str | None


@get("/list")
async def list_infographs(
    api: Injected[Api],
    caller: Injected[Caller],
    status: FromQuery[str | None] = None,
    limit: FromQuery[int] = LIMIT,
    cursor: FromQuery[str | None] = None,
) -> Response[list[InfographDocument]]:
    """The account's infographs, newest first, as a bare array; `Link` leads to the next page."""
    statuses = _as_shown(_statuses(status))
    async with api.list_slots(caller.account_id):
        found = await _page(api, caller.account_id, Infograph.name, statuses, limit, cursor)
        items = await each_of(found, lambda job: infograph_document(api, job))
    headers = {}
    if len(found) == limit:
        query = f"limit={limit}&cursor={found[-1].place}" + (f"&status={status}" if status else "")
        headers["Link"] = f'<{api.settings.origin}/api/infographs/list/?{query}>; rel="next"'
    return Response(items, headers=headers)


@get("/jobs")
async def list_jobs(
    api: Injected[Api],
    caller: Injected[Caller],
    kind: FromQuery[str | None] = None,
    status: FromQuery[str | None] = None,
    limit: FromQuery[int] = LIMIT,
    cursor: FromQuery[str | None] = None,
) -> JobPage:
    """The account's jobs, newest first; `next` is the cursor of the next page, or null."""
    statuses = _statuses(status)
    async with api.list_slots(caller.account_id):
        found = await _page(api, caller.account_id, kind, statuses, limit, cursor)
        items = await each_of(found, lambda job: job_document(api, job))
    return JobPage(items=items, next=str(found[-1].place) if len(found) == limit else None)


async def _page(
    api: Api,
    owner: AccountId,
    kind: str | None,
    statuses: frozenset[str],
    limit: int,
    cursor: str | None,
) -> list[Job]:
    check_limit(limit)
    before = place_of(cursor)
    wanted = Filter(account_id=owner, kind=kind, statuses=statuses, before=before, limit=limit)
    return await api.database.read(job_lists.newest, wanted)


def _statuses(text: str | None) -> frozenset[str]:
    """Read `?status=`, in any case."""
    if text is None:
        return frozenset(JobStatus)
    status = text.lower()
    if status not in set(JobStatus):
        raise invalid("status", f"must be one of {', '.join(JobStatus)}")
    return frozenset({status})


def _as_shown(statuses: frozenset[str]) -> frozenset[str]:
    """Let `failed` include the cancelled infographs, which are shown as failed."""
    return statuses | {JobStatus.CANCELLED} if JobStatus.FAILED in statuses else statuses
