"""Waits for a job to change: woken by the projector's announcements, without polling rows."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from domain.refusals import Refused
from read_models.jobs import Job
from services.api.dependencies import Api
from services.api.documents import etag_of
from services.api.handlers.callers import Caller

BAR_SECONDS = 1.0  # Progress moves with the time: that is a change too, and reads no rows.
WAITS_OF_TOKEN_MAX = 200  # As many jobs as an account may have in flight.


async def wait_for_news(api: Api, caller: Caller, job: Job, known: str, seconds: float) -> Job:
    """Wait until the job's ETag is not in `known` any more; without `known`, until the job has
    ended. Raise Refused when too many of the token's requests wait, or the token was revoked.
    """
    clock = asyncio.get_running_loop().time
    deadline = clock() + seconds
    with (
        _one_more(api, caller.token_id),
        api.changes.watch([job.job_id]) as changed,
        api.authenticator.following(caller, changed.set) as connected,
    ):
        changed.set()  # It may have changed since it was read.
        while (seconds_left := deadline - clock()) > 0:
            if connected.is_over:
                raise Refused("unauthorized", "the token was revoked")
            if changed.is_set():
                changed.clear()
                job = (await api.jobs_by_id([job.job_id])).get(job.job_id, job)
            if job.status.is_end or (known and etag_of(api, job) not in known):
                break
            await _until(changed, min(seconds_left, BAR_SECONDS) if known else seconds_left)
    api.note_write(job.account_id, job.sequence)
    return job


async def _until(changed: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await changed.wait()
    except TimeoutError:
        return


@contextmanager
def _one_more(api: Api, token_id: str) -> Iterator[None]:
    waiting = api.waits.get(token_id, 0)
    if waiting >= WAITS_OF_TOKEN_MAX:
        raise Refused("too_many_waits", f"{WAITS_OF_TOKEN_MAX} are waiting; use a stream")
    api.waits[token_id] = waiting + 1
    try:
        yield
    finally:
        api.waits[token_id] -= 1
        if not api.waits[token_id]:
            del api.waits[token_id]
