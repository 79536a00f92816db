"""The folded decision state that every commit of a job carries: what is enough to decide."""

from datetime import datetime
from enum import StrEnum

from msgspec import Struct

from contracts.ids import AccountId, JobId, RunId


class Outcome(StrEnum):
    """How one attempt ended, as far as the job's own commits say."""

    OPEN = "open"  # Started. Evidence says what became of it.
    REFUSED = "refused"  # The provider took nothing; another POST costs nothing.
    UNKNOWN = "unknown"  # Given up waiting for: the provider may have run it.


class End(StrEnum):
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Attempt(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One attempt, or `times` refused ones in a row: a provider that is busy for long must not
    make what each commit carries longer and longer.
    """

    outcome: Outcome
    not_before: datetime | None = None
    times: int = 1


class JobState(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """The fold of a job's history. `hold` is in credits; it is 0 once the job has ended.

    An older version that meets a newer one's field refuses the state: it would write it on
    without that field (docs/guides/upgrade.md).
    """

    job_id: JobId
    account_id: AccountId
    kind: str
    hold: int
    requested_sequence: int  # Sequence of the account's commit that holds the job's JobRequested.
    deadline_at: datetime
    attempts: tuple[Attempt, ...] = ()
    end: End | None = None
    deleted: bool = False
    duration_class: str = ""
    exclusive_key: str | None = None
    run_id: RunId | None = None
    step: int | None = None

    @property
    def attempt(self) -> int:
        """The number of the newest attempt, 0 before the first."""
        return sum(each.times for each in self.attempts)

    def count_of(self, outcome: Outcome) -> int:
        """Return how many attempts ended so."""
        return sum(each.times for each in self.attempts if each.outcome is outcome)
