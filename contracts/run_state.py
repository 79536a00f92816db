"""The folded decision state that every commit of a run carries: what is enough to decide."""

from msgspec import Struct

from contracts.ids import AccountId, JobId, RunId
from contracts.job_state import End


class StepState(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    step: int
    job_id: JobId
    started: bool = False
    end: End | None = None


class RunState(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """The fold of a run's history. `steps` stand in the order in which they go.

    Fields of a newer version are refused, as in JobState.
    """

    run_id: RunId
    account_id: AccountId
    funnel: str
    exclusive_key: str
    requested_sequence: int  # Sequence of the account's commit that holds its RunRequested.
    steps: tuple[StepState, ...]
    end: End | None = None
