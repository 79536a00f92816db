"""Nobody's work waits for another's: an account with a heap, a customer whose server hangs."""

import asyncio
from datetime import timedelta
from typing import Any

from msgspec import Struct

from contracts.commit import Recorded
from contracts.events import (
    JobCompleted,
    JobFailed,
    JobRequested,
    NotificationSent,
    SubmissionStarted,
)
from contracts.ids import AccountId, JobId
from tests.faults.clients import Client
from tests.faults.outside import DEAD, GOOD

HEAP = 60
SUBMITTED_WITHIN = timedelta(seconds=25)  # Behind the whole heap it would be more than 40.
TOLD_WITHIN = timedelta(seconds=6)
BACK_OFF_SECONDS = 40.0  # Loops that failed in a storm look again after 30 s at the latest.
SMALL_JOBS = 2


class Fairness(Struct):
    """Two clients in good weather: `big` asks for a heap and has a server that hangs; `small`
    asks for one job at a time and has a server that answers.
    """

    big: Client
    small: Client
    is_over: bool = False

    async def run(self) -> None:
        await asyncio.sleep(BACK_OFF_SECONDS)
        await self.big.begin(HEAP, DEAD)
        await self.small.begin(SMALL_JOBS, GOOD)
        await self.big.want(HEAP, "heap")
        for number in range(SMALL_JOBS):
            await asyncio.sleep(3)
            await self.small.want(1, f"small{number}")
        self.is_over = True

    def check(self, commits: list[Recorded]) -> None:
        if not self.is_over:
            return
        small = {job: _times(commits, job) for job in _jobs_of(commits, self.small.account)}
        assert len(small) == SMALL_JOBS
        for job, at in small.items():
            waited = at[SubmissionStarted] - at[JobRequested]
            assert waited < SUBMITTED_WITHIN, f"{job} waited {waited} behind a heap"
            untold = at[NotificationSent] - at[JobCompleted]
            assert untold < TOLD_WITHIN, f"the end of {job} was told after {untold}"


def _jobs_of(commits: list[Recorded], account: AccountId) -> list[JobId]:
    return [
        event.job_id
        for recorded in commits
        for event in recorded.commit.events
        if isinstance(event, JobRequested) and event.account_id == account
    ]


def _times(commits: list[Recorded], job: JobId) -> dict[type[Any], Any]:
    """Return when each kind of thing first happened to a job."""
    found: dict[type[Any], Any] = {}
    for recorded in commits:
        for event in recorded.commit.events:
            own = getattr(event, "job_id", None) == job
            own |= str(getattr(event, "delivery_id", "")).endswith(job)
            if own:
                found.setdefault(type(event), recorded.commit.at)
                if isinstance(event, JobFailed):
                    found.setdefault(JobCompleted, recorded.commit.at)
    return found
