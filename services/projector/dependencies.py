"""What the projector's handlers may ask for."""

from msgspec import Struct
from nats.aio.client import Client

from adapters.database import Database
from application.event_log import EventLog


class Projector(Struct):
    """`position` is the sequence up to which the read models are committed; `target` the log's end
    when they were opened, and at each look since.

    `trouble` says why nothing is projected right now: a commit that cannot be digested (it is
    never skipped), a database that is away, a log that is not the one of these rows.
    """

    log: EventLog
    database: Database
    client: Client | None  # Where batches are announced; None for a replay beside the live one.
    position: int = 0
    target: int | None = None
    has_caught_up: bool = False  # Once since the rows were opened: before, they tell of a past.
    trouble: str = ""
    watched: tuple[str, ...] = ()  # What the last look at the broker found, in words.

    @property
    def behind(self) -> int | None:
        return max(self.target - self.position, 0) if self.target is not None else None

    @property
    def is_consuming(self) -> bool:
        return self.has_caught_up and not self.trouble

    @property
    def alarms(self) -> tuple[str, ...]:
        own: tuple[str, ...] = ()
        if self.trouble:
            own = (f"nothing is projected: {self.trouble}",)
        elif not self.has_caught_up:
            own = (f"the read models are being made: {self.behind} commits are left",)
        return own + self.watched
