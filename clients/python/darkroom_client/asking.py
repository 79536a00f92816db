"""Asks for the state of an account or of a job, where no stream tells it."""

from darkroom_client import operations
from darkroom_client.calls import Call, Calls, Patience
from darkroom_client.errors import Problem
from darkroom_client.known import ENDS, AnyDocument, Known
from darkroom_client.models import Gone, Job

ONCE = Patience(attempts_max=1)  # A watch asks again by itself.
PATIENTLY = None  # As often as the client asks for anything else.
LISTED_MAX = 100
READ_EACH_MAX = 200
NOT_FOUND = 404


class AccountReader:
    """Reads what may have changed: the newest jobs, those known to be open, their runs, credits.
    What had ended before it was first asked is no change.
    """

    def __init__(self, calls: Calls, known: Known) -> None:
        self._calls, self._known = calls, known
        self._old: set[str] | None = None

    async def read(self) -> list[AnyDocument]:
        balance = await self._calls.answer(Call(operations.SHOW_CREDITS), ONCE)
        listing = Call(operations.LIST_JOBS, query={"limit": LISTED_MAX})
        page = (await self._calls.answer(listing, ONCE)).value
        listed = [each for each in reversed(page.items) if self._is_recent(each)]
        self._old = {each.id for each in page.items if each.status in ENDS}
        there = {each.id for each in page.items}
        absent = [name for name in self._known.open_ones(runs=False) if name not in there]
        jobs = [*listed, *await jobs_of(self._calls, absent[:READ_EACH_MAX])]
        runs = {each.run_id for each in jobs if isinstance(each, Job) and each.run_id is not None}
        runs = {name for name in runs if name not in self._known}
        runs |= set(self._known.open_ones(runs=True))
        return [balance.value, *jobs, *await runs_of(self._calls, sorted(runs)[:READ_EACH_MAX])]

    def _is_recent(self, job: Job) -> bool:
        if job.status not in ENDS or job.id in self._known:
            return True
        return self._old is not None and job.id not in self._old


async def jobs_of(
    calls: Calls, names: list[str], patience: Patience | None = ONCE
) -> list[AnyDocument]:
    """Read each job; one that its owner deleted is gone."""
    found: list[AnyDocument] = []
    for name in names:
        try:
            call = Call(operations.SHOW_JOB, (name,))
            found.append((await calls.answer(call, patience)).value)
        except Problem as problem:
            if problem.status != NOT_FOUND:
                raise
            found.append(Gone(id=name))
    return found


async def runs_of(
    calls: Calls, names: list[str], patience: Patience | None = ONCE
) -> list[AnyDocument]:
    """Read each run. One that is not there any more is of a server that went back in time."""
    found: list[AnyDocument] = []
    for name in names:
        try:
            call = Call(operations.SHOW_RUN, (name,))
            found.append((await calls.answer(call, patience)).value)
        except Problem as problem:
            if problem.status != NOT_FOUND:
                raise
    return found
