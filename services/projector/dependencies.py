"""What the projector's handler may ask for."""

from msgspec import Struct
from nats.aio.client import Client

from adapters.database import Database
from adapters.event_log import EventLog


class Projector(Struct):
    """`position` is the sequence up to which the read models are committed.

    `degraded` holds the reason why a commit could not be projected: it is never skipped.
    """

    log: EventLog
    database: Database
    client: Client | None  # Where batches are announced; None for a replay beside the live one.
    position: int = 0
    degraded: str = ""
    watched: tuple[str, ...] = ()  # What the last look at the broker found, in words.

    @property
    def alarms(self) -> tuple[str, ...]:
        own = (f"the read models are degraded: {self.degraded}",) if self.degraded else ()
        return own + self.watched
