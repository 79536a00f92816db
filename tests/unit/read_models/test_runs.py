"""Runs, what holds an exclusive key, and what a job may expect: projected from the same commits."""

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Connection, create_engine

import read_models
from contracts.commit import Commit, Recorded
from contracts.events import (
    JobCompleted,
    JobFailed,
    RequestedStep,
    RunCompleted,
    RunFailed,
    RunRequested,
    RunStepStarted,
)
from contracts.ids import CommitId, RunId
from contracts.subjects import account_subject, job_subject, run_subject
from domain import job as jobs_rules
from domain import run as run_rules
from domain.estimates import COUNT_MIN
from domain.times import micros_of
from domain.turns import Turn
from domain.waiting import WaitReason
from read_models import durations, exclusive_keys, jobs, runs, waiting_jobs, waiting_runs
from read_models.tables import METADATA
from tests.support import examples
from tests.support.examples import ACCOUNT, SEALED, a_job_id, at

RUN = RunId(a_job_id())
FIRST, SECOND = a_job_id(), a_job_id()
STEPS = (
    RequestedStep(step=2, name="Offer", job_id=FIRST),
    RequestedStep(step=0, name="Marketing Profile", job_id=SECOND),
)
ASKED = RunRequested(
    run_id=RUN, account_id=ACCOUNT, funnel="f", project_id="p", intake=SEALED, steps=STEPS
)
JOBS = [
    examples.requested(job, run_id=RUN, step=step.step, deadline_at=at(9000))
    for job, step in zip((FIRST, SECOND), STEPS, strict=True)
]


@pytest.fixture
def connection() -> Iterator[Connection]:
    engine = create_engine("sqlite://")
    with engine.begin() as opened:
        METADATA.create_all(opened)
        yield opened
    engine.dispose()


class History:
    """Applies commits in order, each with the state that a command handler would carry."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.sequence = 0
        self.run = run_rules.requested(ASKED, 1)
        self.jobs = {event.job_id: jobs_rules.requested(event, 1) for event in JOBS}

    def asked(self) -> None:
        self._apply(account_subject(ACCOUNT), (ASKED, *JOBS))

    def of_run(self, *events: Any) -> None:
        for event in events:
            self.run = run_rules.evolve(self.run, event)
        self._apply(run_subject(RUN), events, run=self.run)

    def of_job(self, job: Any, *events: Any, seconds: float = 0) -> None:
        for event in events:
            self.jobs[job] = jobs_rules.evolve(self.jobs[job], event)
        self._apply(job_subject(job), events, seconds, job=self.jobs[job])

    def _apply(self, subject: Any, events: Any, seconds: float = 0, **carried: Any) -> None:
        self.sequence += 1
        commit_id = CommitId(f"c{self.sequence}")
        commit = Commit(id=commit_id, at=at(seconds), events=tuple(events), **carried)
        read_models.apply(self.connection, [Recorded(self.sequence, subject, commit)])


def started(job: Any, step: int) -> RunStepStarted:
    return RunStepStarted(
        run_id=RUN, account_id=ACCOUNT, step=step, job_id=job, input=SEALED, deadline_at=at(900)
    )


def completed(job: Any) -> JobCompleted:
    return JobCompleted(job_id=job, account_id=ACCOUNT, attempt=1, artifacts=())


def statuses(connection: Connection) -> list[str]:
    run = runs.find(connection, RUN)
    assert run is not None
    return [run.status, *(step.status for step in run.steps)]


def test_a_run_is_shown_step_by_step(connection: Connection) -> None:
    history = History(connection)
    history.asked()
    assert statuses(connection) == ["running", "pending", "pending"]
    history.of_run(started(FIRST, 2))
    assert statuses(connection) == ["running", "in_progress", "pending"]
    history.of_job(FIRST, completed(FIRST))
    failed = JobFailed(job_id=SECOND, account_id=ACCOUNT, code="deadline", message=SEALED)
    history.of_job(SECOND, failed)
    history.of_run(RunFailed(run_id=RUN, account_id=ACCOUNT))
    assert statuses(connection) == ["failed", "completed", "failed"]


def test_a_job_waits_for_its_run_and_is_let_go_with_a_deadline_of_its_own(
    connection: Connection,
) -> None:
    history = History(connection)
    history.asked()
    row = waiting_jobs.find(connection, FIRST)
    assert row is not None
    assert row.wait_reason is WaitReason.RUN
    history.of_run(started(FIRST, 2))
    row = waiting_jobs.find(connection, FIRST)
    assert row is not None
    assert (row.wait_reason, row.started_sequence) == (WaitReason.TO_SUBMIT, 2)
    assert row.deadline_at == int(at(900).timestamp() * 1_000_000)


def test_a_run_is_due_when_it_can_go_on_and_gone_when_all_its_jobs_have_ended(
    connection: Connection,
) -> None:
    def is_due(seconds: float = 1) -> bool:
        return bool(waiting_runs.due(connection, Turn(until=micros_of(at(seconds)), limit=10)))

    history = History(connection)
    history.asked()
    assert is_due()
    history.of_run(started(FIRST, 2))
    assert not is_due(), "it waits for its step's job"
    assert is_due(31), "somebody looks all the same: the end may have come before the start"
    history.of_job(FIRST, completed(FIRST))
    assert is_due()
    history.of_run(RunCompleted(run_id=RUN, account_id=ACCOUNT))
    assert is_due(), "a job of it is still open"
    history.of_job(SECOND, completed(SECOND))
    assert not is_due()


def test_one_run_of_a_project_is_open_until_its_end(connection: Connection) -> None:
    history = History(connection)
    history.asked()
    assert exclusive_keys.open_of(connection, ACCOUNT, ["project:p", "project:q"]) == {
        "project:p": RUN
    }
    history.of_run(RunCompleted(run_id=RUN, account_id=ACCOUNT))
    found = exclusive_keys.find(connection, ACCOUNT, "project:p")
    assert found == exclusive_keys.ExclusiveKeyUse(RUN, None, 1)


def test_a_job_is_told_at_its_start_what_others_took(connection: Connection) -> None:
    history = History(connection)
    for number in range(COUNT_MIN + 1):
        job = a_job_id()
        event = examples.requested(job, duration_class="2K")
        history.jobs[job] = jobs_rules.requested(event, history.sequence + 1)
        history._apply(account_subject(ACCOUNT), [examples.reserved(job), event])
        history.of_job(job, examples.started(job), seconds=100)
        found = jobs.find(connection, job)
        assert found is not None
        assert (found.expected_p50 is None) == (number < COUNT_MIN)
        history.of_job(job, completed(job), seconds=130)
    assert found is not None
    assert found.expected_p50 is not None
    assert abs(found.expected_p50 - 30_000_000) < 3_000_000
    rows = connection.execute(durations.table.select()).all()
    assert [row.key for row in rows] == ["infograph/2K"]
