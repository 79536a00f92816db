"""Read models: what each batch makes of the rows, however it is cut."""

import pytest
from msgspec import structs
from sqlalchemy import Connection, create_engine, select

import read_models
from contracts.commit import CommitRequest, Recorded
from contracts.events import (
    AccessTokenIssued,
    AccessTokenRevoked,
    AnyEvent,
    Artifact,
    AttemptFailed,
    CreditsCharged,
    CreditsGranted,
    CreditsReleased,
    JobCancelled,
    JobCompleted,
    JobDeleted,
)
from contracts.events.account import Role
from contracts.events.evidence import Verdict
from contracts.ids import TokenId
from contracts.subjects import account_subject, evidence_subject, job_subject
from domain.account import NeededFacts
from domain.owed import Duty
from domain.times import micros_of
from domain.turns import Turn
from domain.waiting import WaitReason
from read_models import (
    access_tokens,
    accounts,
    job_commits,
    job_links,
    job_lists,
    jobs,
    owed,
    positions,
    waiting_jobs,
)
from read_models.job_lists import Filter
from read_models.tables import METADATA
from tests.support import examples
from tests.support.examples import ACCOUNT, SEALED, at

JOB = examples.a_job_id()
GRANTED = CreditsGranted(account_id=ACCOUNT, amount=10, reason="welcome")
ARTIFACT = Artifact(media_type="image/png", key="artifacts/a.png")
COMPLETED = JobCompleted(job_id=JOB, account_id=ACCOUNT, attempt=1, artifacts=(ARTIFACT,))
CHARGED = CreditsCharged(account_id=ACCOUNT, job_id=JOB, amount=1)
CANCELLED = JobCancelled(job_id=JOB, account_id=ACCOUNT, by="t", reason="r")
RELEASED = CreditsReleased(account_id=ACCOUNT, job_id=JOB, amount=1)


def history(*more: tuple[str, tuple[AnyEvent, ...]]) -> list[Recorded]:
    """A granted account with one requested job, and what came after; a second apart each."""
    subjects = {
        "account": account_subject(ACCOUNT),
        "job": job_subject(JOB),
        "evidence": evidence_subject("result"),
    }
    first: list[tuple[str, tuple[AnyEvent, ...]]] = [
        ("account", (GRANTED,)),
        ("account", (examples.reserved(JOB), examples.requested(JOB))),
    ]
    return [
        examples.recorded(number, subjects[boundary], *events, seconds=number)
        for number, (boundary, events) in enumerate([*first, *more], start=1)
    ]


STARTED = ("job", (examples.started(JOB),))
SUBMITTED = ("evidence", (examples.submitted(JOB),))
RECEIVED = ("evidence", (examples.received(JOB),))
DONE = ("job", (COMPLETED, CHARGED))
STOPPED = ("job", (CANCELLED, RELEASED))


def until(seconds: float, limit: int = 10) -> Turn:
    return Turn(until=micros_of(at(seconds)), limit=limit)


def attempt_failed(*, may_have_run: bool, seconds: float) -> AttemptFailed:
    return AttemptFailed(
        job_id=JOB,
        account_id=ACCOUNT,
        attempt=1,
        code="outcome_unknown" if may_have_run else "refused",
        error=SEALED,
        may_have_run=may_have_run,
        not_before=at(seconds),
    )


def waits(connection: Connection) -> WaitReason | None:
    row = waiting_jobs.find(connection, JOB)
    return row.wait_reason if row is not None else None


def test_a_whole_life_gives_the_same_rows_however_the_batches_are_cut() -> None:
    commits = history(STARTED, SUBMITTED, RECEIVED, DONE)
    dumps = []
    for size in (1, 2, len(commits)):
        engine = create_engine("sqlite://")
        with engine.begin() as opened:
            positions.create(opened, "epoch")
            for start in range(0, len(commits), size):
                read_models.apply(opened, commits[start : start + size])
            dumps.append(
                {
                    table.name: sorted(map(repr, opened.execute(select(table)).all()))
                    for table in METADATA.sorted_tables
                }
            )
        engine.dispose()
    assert dumps[0] == dumps[1] == dumps[2]


def test_a_completed_job_shows_its_artifact_and_its_credit_is_spent(connection: Connection) -> None:
    read_models.apply(connection, history(STARTED, SUBMITTED, RECEIVED, DONE))
    job = jobs.find(connection, JOB)
    assert job is not None
    assert (job.status, job.artifacts, job.request_id) == ("completed", (ARTIFACT,), "request-1")
    balance = accounts.find(connection, ACCOUNT)
    assert (balance.account.available, balance.account.charged, balance.account.held) == (9, 1, 0)
    assert balance.account.sequence == 2
    assert balance.sequence == 6


def test_entries_carry_the_balance_after_each_move(connection: Connection) -> None:
    read_models.apply(connection, history(STARTED, DONE))
    found = accounts.newest_entries(connection, ACCOUNT, None, 10)
    moves = [(each.move, each.available_after, each.held_after) for each in found]
    assert moves == [("charged", 9, 0), ("reserved", 9, 1), ("granted", 10, 0)]
    older = accounts.newest_entries(connection, ACCOUNT, (found[0].sequence, found[0].index), 10)
    assert older == found[1:]


def test_evidence_before_the_reply_is_not_taken_back_by_the_reply(connection: Connection) -> None:
    read_models.apply(connection, history(STARTED, RECEIVED, DONE, SUBMITTED))
    job = jobs.find(connection, JOB)
    assert job is not None
    assert (job.status, job.request_id) == ("completed", "request-1")
    assert waits(connection) is None


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ((), WaitReason.TO_SUBMIT),
        ((STARTED,), WaitReason.OUTCOME),
        ((STARTED, SUBMITTED), WaitReason.RESULT),
        ((STARTED, RECEIVED), WaitReason.STORING),
        ((STARTED, SUBMITTED, RECEIVED, DONE), None),
        ((STOPPED,), None),
        ((STARTED, STOPPED), None),
    ],
)
def test_what_a_job_waits_for_is_a_row(
    connection: Connection,
    more: tuple[tuple[str, tuple[AnyEvent, ...]], ...],
    expected: WaitReason | None,
) -> None:
    read_models.apply(connection, history(*more))
    assert waits(connection) == expected


def test_an_older_attempts_failure_does_not_end_the_wait_for_the_newer(
    connection: Connection,
) -> None:
    gone = attempt_failed(may_have_run=True, seconds=3)
    second: tuple[AnyEvent, ...] = (examples.started(JOB, 2),)
    third = ("evidence", (examples.submitted(JOB, 2),))
    late = structs.replace(examples.received(JOB, 1), verdict=Verdict.ERROR)
    more = (STARTED, ("job", (gone,)), ("job", second), third, ("evidence", (late,)))
    read_models.apply(connection, history(*more))
    assert waits(connection) is WaitReason.RESULT


def test_a_refused_attempt_waits_until_it_may_be_tried_again(connection: Connection) -> None:
    failed = attempt_failed(may_have_run=False, seconds=60)
    read_models.apply(connection, history(STARTED, ("job", (failed,))))
    assert waiting_jobs.due(connection, until(59), WaitReason.TO_SUBMIT) == []
    (row,) = waiting_jobs.due(connection, until(60), WaitReason.TO_SUBMIT)
    assert (row.job_id, row.arguments_sequence) == (JOB, 3), "the next attempt sends the same"


def test_who_waits_is_taken_one_account_in_turn(connection: Connection) -> None:
    commits = []
    for number in range(1, 6):
        account = examples.OTHER if number == 5 else ACCOUNT
        event = examples.requested(examples.a_job_id(), account)
        commits.append(examples.recorded(number, account_subject(account), event, seconds=number))
    read_models.apply(connection, commits)
    due = waiting_jobs.due(connection, until(99, limit=2), WaitReason.TO_SUBMIT)
    assert {row.requested_sequence for row in due} == {1, 5}


def test_an_open_job_without_a_result_is_past_its_deadline(connection: Connection) -> None:
    read_models.apply(connection, history(STARTED))
    assert waiting_jobs.past_deadline(connection, until(899)) == []
    assert len(waiting_jobs.past_deadline(connection, until(900))) == 1


def test_once_a_result_is_recorded_the_deadline_stands_still(connection: Connection) -> None:
    read_models.apply(connection, history(STARTED, SUBMITTED, RECEIVED))
    assert waiting_jobs.past_deadline(connection, until(10_000)) == []


def test_a_delivery_that_says_neither_yes_nor_no_leaves_the_deadline_running(
    connection: Connection,
) -> None:
    empty = structs.replace(examples.received(JOB, 1), verdict=Verdict.NO_PAYLOAD)
    read_models.apply(connection, history(STARTED, SUBMITTED, ("evidence", (empty,))))
    assert len(waiting_jobs.past_deadline(connection, until(900))) == 1


def test_a_deleted_job_leaves_the_lists_and_owes_the_removal_of_its_artifacts(
    connection: Connection,
) -> None:
    deleted = ("job", (JobDeleted(job_id=JOB, account_id=ACCOUNT, by="t"),))
    read_models.apply(connection, history(STARTED, DONE, deleted))
    assert job_lists.newest(connection, Filter(account_id=ACCOUNT)) == []
    assert len(owed.due(connection, until(999), Duty.REMOVAL)) == 1


def test_every_commit_about_a_job_is_found_wherever_it_was_written(connection: Connection) -> None:
    read_models.apply(connection, history(STARTED, SUBMITTED, RECEIVED, DONE))
    assert job_commits.sequences(connection, JOB) == [2, 3, 4, 5, 6]


def test_lists_are_newest_first_and_page_without_gaps(connection: Connection) -> None:
    ids = [examples.a_job_id() for _ in range(5)]
    commits = [
        examples.recorded(number, account_subject(ACCOUNT), examples.requested(job))
        for number, job in enumerate(ids, start=1)
    ]
    read_models.apply(connection, commits)
    first = job_lists.newest(connection, Filter(account_id=ACCOUNT, limit=3))
    before = first[-1].place
    rest = job_lists.newest(connection, Filter(account_id=ACCOUNT, limit=3, before=before))
    assert [job.job_id for job in [*first, *rest]] == ids[::-1]
    assert job_lists.newest(connection, Filter(account_id=examples.OTHER)) == []


def test_a_revoked_token_opens_nothing(connection: Connection) -> None:
    token = TokenId("t1")
    issued = AccessTokenIssued(account_id=ACCOUNT, token_id=token, sha256="ab", role=Role.USER)
    read_models.apply(connection, [examples.recorded(1, account_subject(ACCOUNT), issued)])
    assert access_tokens.by_hash(connection, "ab") is not None
    revoked = AccessTokenRevoked(account_id=ACCOUNT, token_id=token)
    read_models.apply(connection, [examples.recorded(2, account_subject(ACCOUNT), revoked)])
    assert access_tokens.by_hash(connection, "ab") is None


def test_an_answered_key_is_found_in_the_accounts_snapshot(connection: Connection) -> None:
    request = CommitRequest(
        actor="a", correlation_id="c", events=(0,), idempotency_key="k", fingerprint="f"
    )
    written = examples.commit(GRANTED, requests=(request,))
    read_models.apply(connection, [Recorded(1, account_subject(ACCOUNT), written)])
    state = accounts.snapshot(connection, ACCOUNT, NeededFacts(("k", "unknown")))
    assert {key: found.sequence for key, found in state.answered.items()} == {"k": 1}
    assert accounts.snapshot(connection, examples.OTHER, NeededFacts(("k",))).answered == {}


def test_a_retry_that_stands_is_found_and_links_both_ways(connection: Connection) -> None:
    retry = examples.requested(examples.a_job_id(), retry_of=JOB)
    again = ("account", (examples.reserved(retry.job_id), retry))
    read_models.apply(connection, history(STARTED, STOPPED, again))
    assert job_links.standing_retries(connection, [JOB]) == {JOB: retry.job_id}
    retried = jobs.find(connection, JOB)
    assert retried is not None
    assert (retried.retried_as, retried.sequence, retried.status) == (
        retry.job_id,
        5,
        "cancelled",
    )
    assert retried.ended_at == micros_of(at(4))
    assert 5 in job_commits.sequences(connection, JOB)
