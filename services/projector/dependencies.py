"""What the projector's handlers may ask for."""

from msgspec import Struct
from nats.aio.client import Client

from adapters.database import Database
from application.event_log import EventLog


class Projector(Struct):
    """`position` is the sequence up to which the rows are committed; `target` is the log's end as
    it was last read. `trouble` says why nothing is projected now: a commit that cannot be applied
    (it is never skipped), a database that is away, a log that these rows were not made from.
    """

    log: EventLog
    database: Database
    client: Client | None  # Announces each batch; None for a replay beside the live one.
    position: int = 0
    target: int | None = None
    has_caught_up: bool = False  # The rows have reached the target since they were opened.
    trouble: str = ""
    watched: tuple[str, ...] = ()  # The alarms when the broker was last checked.

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
