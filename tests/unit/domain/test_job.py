"""A job has one end, and its end settles its hold."""

from contracts.events import (
    Artifact,
    AttemptFailed,
    CreditsCharged,
    CreditsReleased,
    JobCancelled,
    JobCompleted,
    JobDeleted,
    JobFailed,
    SubmissionStarted,
)
from contracts.job_state import JobState, Outcome
from domain.job import (
    Cancel,
    Complete,
    Delete,
    Fail,
    GiveUpAttempt,
    StartSubmission,
    decide,
    evolve,
    requested,
)
from tests.support import examples
from tests.support.deciders import Given
from tests.support.examples import ACCOUNT, SEALED, at

JOB = examples.a_job_id()
START = StartSubmission(provider="simulator", endpoint="e", arguments=SEALED)
COMPLETE = Complete(attempt=1, artifacts=(Artifact(media_type="image/png", key="artifacts/a.png"),))
FAIL = Fail(code="bad_result", message=SEALED)
CANCEL = Cancel(by="token:1", reason="asked")
STARTED = examples.started(JOB)
CANCELLED = JobCancelled(job_id=JOB, account_id=ACCOUNT, by="token:1", reason="asked")
RELEASED = CreditsReleased(account_id=ACCOUNT, job_id=JOB, amount=1)
COMPLETED = JobCompleted(job_id=JOB, account_id=ACCOUNT, attempt=1, artifacts=())
CHARGED = CreditsCharged(account_id=ACCOUNT, job_id=JOB, amount=1)


def refused(attempt: int, *, may_have_run: bool = False) -> AttemptFailed:
    return AttemptFailed(
        job_id=JOB,
        account_id=ACCOUNT,
        attempt=attempt,
        code="refused",
        error=SEALED,
        may_have_run=may_have_run,
        not_before=at(1),
    )


def given(*history: object) -> Given[JobState, object, object]:
    state = requested(examples.requested(JOB), 4)
    return Given(decide, evolve, state, *history)  # type: ignore[arg-type]


def test_a_requested_job_can_be_submitted() -> None:
    outcome = given().when(START)
    outcome.then_kinds(SubmissionStarted)
    assert outcome.events[0].attempt == 1


def test_a_second_attempt_waits_for_the_first_to_be_over() -> None:
    given(STARTED).when(START).then_refused("job_open")
    again = given(STARTED, refused(1)).when(START)
    assert again.events[0].attempt == 2


def test_completing_charges_the_hold_in_the_same_decision() -> None:
    outcome = given(STARTED).when(COMPLETE)
    outcome.then_kinds(JobCompleted, CreditsCharged)
    assert outcome.events[1].amount == 1


def test_failing_releases_the_hold_in_the_same_decision() -> None:
    given().when(FAIL).then_kinds(JobFailed, CreditsReleased)


def test_cancelling_releases_the_hold_at_any_stage() -> None:
    for history in ((), (STARTED,), (STARTED, refused(1))):
        given(*history).when(CANCEL).then_kinds(JobCancelled, CreditsReleased)


def test_a_cancelled_job_is_never_submitted() -> None:
    given(CANCELLED, RELEASED).when(START).then_refused("job_ended")


def test_a_result_after_the_end_changes_nothing() -> None:
    for end in ((CANCELLED, RELEASED), (COMPLETED, CHARGED)):
        given(STARTED, *end).when(COMPLETE).then_nothing()
        given(STARTED, *end).when(FAIL).then_nothing()


def test_cancelling_twice_is_harmless_and_too_late_is_refused() -> None:
    given(CANCELLED, RELEASED).when(CANCEL).then_nothing()
    given(STARTED, COMPLETED, CHARGED).when(CANCEL).then_refused("job_ended")


def test_only_an_ended_job_can_be_deleted_and_only_once() -> None:
    given().when(Delete(by="t")).then_refused("job_open")
    deleted = given(CANCELLED, RELEASED).when(Delete(by="t"))
    deleted.then_kinds(JobDeleted)
    given(CANCELLED, RELEASED, *deleted.events).when(Delete(by="t")).then_nothing()


def test_giving_up_concerns_the_open_attempt_only() -> None:
    give_up = GiveUpAttempt(
        attempt=1, code="refused", error=SEALED, may_have_run=False, not_before=at(1)
    )
    given(STARTED).when(give_up).then_kinds(AttemptFailed)
    given().when(give_up).then_nothing()
    given(STARTED, refused(1)).when(give_up).then_nothing()
    given(STARTED, CANCELLED, RELEASED).when(give_up).then_nothing()


def test_the_fold_tells_refused_attempts_from_unknown_ones() -> None:
    state = given(
        STARTED, refused(1), examples.started(JOB, 2), refused(2, may_have_run=True)
    ).state
    assert [attempt.outcome for attempt in state.attempts] == [Outcome.REFUSED, Outcome.UNKNOWN]
