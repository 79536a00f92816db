"""What all events share: an immutable fact in the past tense, tagged with its version."""

from msgspec import Struct

from contracts.ids import AccountId, JobId, RunId


class Event(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type"):
    """A fact. Subclasses repeat `frozen` and `kw_only`: msgspec does not inherit them."""


class EventOfJob(Event, frozen=True, kw_only=True):
    job_id: JobId
    account_id: AccountId


class EventOfRun(Event, frozen=True, kw_only=True):
    run_id: RunId
    account_id: AccountId
