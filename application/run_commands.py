"""Commands to one run."""

from operator import attrgetter

from application.command_handler import CommandHandler, Decider, Loaded
from application.event_log import EventLog
from contracts.commit import Recorded
from contracts.events import RunRequested
from contracts.ids import RunId
from contracts.run_state import RunState
from contracts.subjects import run_subject
from domain.run import RunCommand, decide, evolve, requested

LoadedRun = Loaded[RunState]


def requested_run(recorded: Recorded, run: RunId) -> RunState | None:
    """Return a run as its account's commit requests it, None when the commit does not."""
    event = recorded.commit.find(RunRequested, run_id=run)
    return requested(event, recorded.sequence) if event is not None else None


_DECIDER: Decider[RunState, RunCommand] = Decider(
    subject=run_subject,
    id_of=attrgetter("run_id"),
    decide=decide,
    evolve=evolve,
    requested=requested_run,
    carried="run",
)


class RunCommandHandler(CommandHandler[RunState, RunCommand]):
    def __init__(self, log: EventLog) -> None:
        super().__init__(log, _DECIDER)
