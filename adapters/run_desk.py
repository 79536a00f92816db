"""The run desk: decisions about one run."""

from operator import attrgetter

from adapters.boundary_desk import BoundaryDesk, Known, Rules
from adapters.event_log import EventLog
from contracts.commit import Recorded
from contracts.events import RunRequested
from contracts.ids import RunId
from contracts.run_state import RunState
from contracts.subjects import run_subject
from domain.run import RunCommand, decide, evolve, requested

KnownRun = Known[RunState]


def first_state(recorded: Recorded, run: RunId) -> RunState | None:
    """Return a run as its account's commit requests it, None when the commit does not."""
    for event in recorded.commit.events:
        if isinstance(event, RunRequested) and event.run_id == run:
            return requested(event, recorded.sequence)
    return None


_RULES: Rules[RunState, RunCommand] = Rules(
    subject=run_subject,
    id_of=attrgetter("run_id"),
    requested_in=attrgetter("requested_in"),
    decide=decide,
    evolve=evolve,
    first=first_state,
    carried="run",
)


class RunDesk(BoundaryDesk[RunState, RunCommand]):
    def __init__(self, log: EventLog) -> None:
        super().__init__(log, _RULES)
