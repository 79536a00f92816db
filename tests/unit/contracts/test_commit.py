"""Commit kinds: each event has one, and a commit has the first in the list of its events'."""

from typing import get_args

from contracts.commit import COMMIT_KINDS, CommitKind, commit_kind_of
from contracts.events import AnyEvent, CreditsGranted
from tests.support.examples import ACCOUNT, a_job_id, requested, reserved


def test_every_event_has_a_commit_kind_from_the_closed_list() -> None:
    assert set(COMMIT_KINDS) == set(get_args(AnyEvent))
    assert set(COMMIT_KINDS.values()) == set(CommitKind)


def test_a_commit_with_work_in_it_says_so_whatever_else_it_holds() -> None:
    job = a_job_id()
    grant = CreditsGranted(account_id=ACCOUNT, amount=1, reason="welcome")
    assert commit_kind_of([grant, reserved(job), requested(job)]) is CommitKind.WORK_REQUESTED
    assert commit_kind_of([grant]) is CommitKind.ACCOUNT_CHANGED
