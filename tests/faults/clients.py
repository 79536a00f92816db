"""Clients of the simulation: they ask for jobs and runs, repeat under their keys, and cancel."""

import asyncio
import contextlib
import random
from collections.abc import Awaitable
from datetime import timedelta
from typing import Any

from msgspec import Struct

from adapters.changes import Changes
from adapters.vault import Vault
from application.account_commands import AccountCommandHandler, CommandResult
from application.clock import fresh_job_id, now
from application.event_log import EventLog, LogUnavailable
from application.job_commands import JobCommandHandler
from application.ports import NotThereYet
from application.run_commands import RunCommandHandler
from contracts.events import JobRequested, RequestedStep, RunRequested
from contracts.ids import AccountId, EndpointId, JobId, RunId
from domain.account import AccountCommand, GrantCredits, RequestJobs
from domain.account_batch import AccountRequest
from domain.endpoints import RegisterEndpoint
from domain.funnels import COURSE_FUNNEL
from domain.job import Cancel, Delete
from domain.job_kinds.funnel_step import FunnelStep
from domain.job_kinds.infograph import Infograph
from domain.notifications import TYPES
from domain.refusals import Refused
from domain.run import CancelRun
from read_models import accounts
from services.api.handlers.request_runs import INTAKE_BYTES_MAX
from tests.faults.outside import DEAD, GOOD
from tests.support.memory import MemoryDatabase

DEADLINE = timedelta(seconds=90)
CREDITS = 7
RUN_STEPS = 3
LARGEST_PROMPT = ("é" * 4000).encode()
PROMPTS = (*(b"reefs %d" % number for number in range(6)), LARGEST_PROMPT)
INTAKES = (b'{"product":"reefs"}', b'{"product":"%s"}' % (b"r" * (INTAKE_BYTES_MAX - 14)))


class Client(Struct):
    """One account's client, on its own view of the log. `accepted` is what it saw accepted; `owner`
    is the account of the service that makes this one.
    """

    account: AccountId
    dice: random.Random
    log: EventLog
    database: MemoryDatabase
    changes: Changes
    vault: Vault
    accepted: set[JobId]
    owner: AccountId | None = None

    async def live(self) -> None:
        hosts: tuple[list[str], ...] = ([], [GOOD], [GOOD], [DEAD, GOOD])
        await self.begin(CREDITS, *self.dice.choice(hosts))
        await asyncio.gather(self._want_jobs(), self._want_run())

    async def begin(self, amount: int, *hosts: str) -> None:
        """Get credits, and say where to be told."""
        await self._ask(GrantCredits(amount, "r", self.owner), "grant")
        for host in hosts:
            url = await self.vault.seal(self.account, f"https://{host}/hook".encode())
            endpoint = EndpointId(f"ep_{self.dice.randbytes(6).hex()}")
            await self._ask(RegisterEndpoint(endpoint, url, tuple(TYPES.values())), f"at-{host}")

    async def want(self, count: int, key: str) -> CommandResult | None:
        """Ask for jobs under a key."""
        granted = await self._ask(await self._jobs(count), key)
        if granted is not None:
            self.accepted.update(_jobs_of(granted))
        return granted

    async def _want_jobs(self) -> None:
        jobs = JobCommandHandler(self.log)
        for number in range(3):
            await asyncio.sleep(self.dice.uniform(0, 6))
            granted = await self.want(self.dice.randint(1, 2), f"k{number}")
            if granted is None:
                continue
            job = _jobs_of(granted)[0]
            if self.dice.random() < 0.25:
                await asyncio.sleep(self.dice.uniform(0, 8))
                await _unless_refused(_cancel(jobs, job, granted.sequence))
            if self.dice.random() < 0.25:
                await _delete(jobs, job, granted.sequence)

    async def _want_run(self) -> None:
        if self.dice.random() < 0.5:
            return
        await asyncio.sleep(self.dice.uniform(0, 10))
        granted = await self._ask(await self._run(), "run")
        if granted is None:
            return
        self.accepted.update(_jobs_of(granted))
        runs = RunCommandHandler(self.log)
        run = next(event.run_id for event in granted.events if isinstance(event, RunRequested))
        if self.dice.random() < 0.25:
            await asyncio.sleep(self.dice.uniform(0, 15))
            await _unless_refused(_cancel_run(runs, run, granted.sequence))

    async def _ask(self, command: AccountCommand, key: str) -> CommandResult | None:
        """Repeat under the same key while the outcome is unknown, as a good client does."""
        handler = AccountCommandHandler(self.log, self._snapshot, self.changes)
        request = AccountRequest(
            command=command,
            actor="c",
            correlation_id="c",
            idempotency_key=key,
            fingerprint=key,
        )
        while True:
            try:
                return await handler.execute(self.account, request)
            except Refused:
                return None
            except (LogUnavailable, NotThereYet):
                await asyncio.sleep(0.5)

    async def _jobs(self, count: int) -> RequestJobs:
        # Some ask for the very same, so that the provider's listing cannot tell them apart.
        prompt = b'{"prompt":"%s"}' % self.dice.choice(PROMPTS)
        sealed = await self.vault.seal(self.account, prompt)
        return RequestJobs(
            tuple(
                JobRequested(
                    job_id=fresh_job_id(),
                    account_id=self.account,
                    kind=Infograph.name,
                    input=sealed,
                    price_credits=1,
                    deadline_at=now() + DEADLINE,
                )
                for _ in range(count)
            )
        )

    async def _run(self) -> RequestJobs:
        sealed = await self.vault.seal(self.account, self.dice.choice(INTAKES))
        steps = tuple(
            RequestedStep(step=each.number, name=each.name, job_id=fresh_job_id())
            for each in COURSE_FUNNEL.steps[:RUN_STEPS]
        )
        run = RunRequested(
            run_id=RunId(fresh_job_id()),
            account_id=self.account,
            funnel=COURSE_FUNNEL.name,
            project_id="p",
            intake=sealed,
            steps=steps,
        )
        jobs = tuple(
            JobRequested(
                job_id=each.job_id,
                account_id=self.account,
                kind=FunnelStep.name,
                input=sealed,
                price_credits=1,
                deadline_at=now() + timedelta(days=1),
                run_id=run.run_id,
                step=each.step,
            )
            for each in steps
        )
        return RequestJobs(jobs, run=run)

    async def _snapshot(self, account: AccountId, wanted: Any) -> Any:
        return self.database.now(lambda connection: accounts.snapshot(connection, account, wanted))


def _jobs_of(granted: CommandResult) -> list[JobId]:
    return [event.job_id for event in granted.events if isinstance(event, JobRequested)]


async def _cancel(jobs: JobCommandHandler, job: JobId, requested_sequence: int) -> None:
    loaded = await jobs.load(job, requested_sequence)
    assert loaded is not None
    await jobs.decide(loaded, Cancel(by="c", reason="r"))


async def _delete(jobs: JobCommandHandler, job: JobId, requested_sequence: int) -> None:
    """Wait for its end, as one who looks at it does, and let it be removed."""
    while True:
        await asyncio.sleep(2)
        with contextlib.suppress(LogUnavailable):
            loaded = await jobs.load(job, requested_sequence)
            assert loaded is not None
            if loaded.state.end is not None:
                await jobs.decide(loaded, Delete(by="c"))
                return


async def _cancel_run(runs: RunCommandHandler, run: RunId, requested_sequence: int) -> None:
    loaded = await runs.load(run, requested_sequence)
    assert loaded is not None
    await runs.decide(loaded, CancelRun(by="c"))


async def _unless_refused(act: Awaitable[None]) -> None:
    try:
        await act
    except (Refused, LogUnavailable):
        return
