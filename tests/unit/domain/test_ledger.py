"""Over any interleaving of requests, results, failures and cancellations the ledger holds."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from contracts.events import (
    JOB_ENDS,
    CreditsCharged,
    CreditsReleased,
)
from contracts.ids import JobId
from contracts.job_state import JobState
from domain import account as accounts
from domain import job as jobs
from domain.account import Account, GrantCredits, RequestJobs, RevokeCredits
from domain.job import Cancel, Complete, Fail, GiveUpAttempt, JobCommand, StartSubmission
from domain.refusals import Refused
from tests.support.examples import ACCOUNT, SEALED, a_job_id, at, requested


class Ledger(RuleBasedStateMachine):
    """One account and its jobs; every decision is folded into both, as the log would."""

    open_jobs = Bundle("open_jobs")

    def __init__(self) -> None:
        super().__init__()
        self.account = Account(id=ACCOUNT)
        self.granted = self.revoked = self.charged = 0
        self.jobs: dict[JobId, JobState] = {}
        self.ends: dict[JobId, int] = {}
        self.settled: dict[JobId, int] = {}

    @rule(amount=st.integers(1, 20))
    def grant(self, amount: int) -> None:
        self._ask(GrantCredits(amount, "r"))
        self.granted += amount

    @rule(amount=st.integers(1, 20))
    def revoke(self, amount: int) -> None:
        if self._ask(RevokeCredits(amount, "r")):
            self.revoked += amount

    @rule(target=open_jobs, price=st.integers(1, 5))
    def request(self, price: int) -> JobId | None:
        job = requested(a_job_id(), price_credits=price)
        if not self._ask(RequestJobs((job,))):
            return None
        self.jobs[job.job_id] = jobs.requested(job, 1)
        return job.job_id

    @rule(job=open_jobs, command=st.sampled_from(["start", "refuse", "complete", "fail", "cancel"]))
    def act(self, job: JobId | None, command: str) -> None:
        if job is not None:
            self._act(job, command)

    @rule(job=consumes(open_jobs))
    def complete_twice(self, job: JobId | None) -> None:
        if job is not None:
            self._act(job, "complete")
            self._act(job, "complete")

    @invariant()
    def the_sum_holds(self) -> None:
        held = sum(job.hold for job in self.jobs.values())
        assert self.account.available == self.granted - self.revoked - self.charged - held
        assert self.account.available >= 0

    @invariant()
    def each_job_has_at_most_one_end_and_one_settlement(self) -> None:
        assert all(count == 1 for count in self.ends.values())
        assert self.settled == self.ends

    def _ask(self, command: accounts.AccountCommand) -> bool:
        try:
            events = accounts.decide(command, self.account)
        except Refused:
            return False
        for event in events:
            self.account = accounts.evolve(self.account, event)
        return True

    def _act(self, job: JobId, name: str) -> None:
        state = self.jobs[job]
        commands: dict[str, JobCommand] = {
            "start": StartSubmission(provider="p", endpoint="e", arguments=SEALED),
            "refuse": GiveUpAttempt(
                attempt=state.attempt,
                code="refused",
                error=SEALED,
                may_have_run=False,
                not_before=at(),
            ),
            "complete": Complete(attempt=1, artifacts=()),
            "fail": Fail(code="bad_result", message=SEALED),
            "cancel": Cancel(by="t", reason="r"),
        }
        try:
            events = jobs.decide(commands[name], state)
        except Refused:
            return
        for event in events:
            state = jobs.evolve(state, event)
            self._settle(job, event)
        self.jobs[job] = state

    def _settle(self, job: JobId, event: object) -> None:
        if isinstance(event, JOB_ENDS):
            self.ends[job] = self.ends.get(job, 0) + 1
        if isinstance(event, CreditsCharged):
            self.charged += event.amount
            self._fold(charged=event.amount, held=-event.amount)
        if isinstance(event, CreditsReleased):
            self._fold(charged=0, held=-event.amount)
        if isinstance(event, CreditsCharged | CreditsReleased):
            self.settled[job] = self.settled.get(job, 0) + 1

    def _fold(self, charged: int, held: int) -> None:
        known = self.account
        self.account = Account(
            id=known.id,
            granted=known.granted,
            revoked=known.revoked,
            charged=known.charged + charged,
            held=known.held + held,
        )


TestLedger = Ledger.TestCase
TestLedger.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
