"""Commands to one job."""

from operator import attrgetter

from application.command_handler import CommandHandler, Decider, Decision, Loaded
from application.event_log import EventLog
from contracts.commit import Recorded
from contracts.events import JobRequested
from contracts.ids import JobId
from contracts.job_state import JobState
from contracts.subjects import job_subject
from domain.job import JobCommand, decide, evolve, requested

LoadedJob = Loaded[JobState]
JobDecision = Decision[JobState]


def requested_job(recorded: Recorded, job: JobId) -> JobState | None:
    """Return a job as its account's commit requests it, None when the commit does not."""
    event = recorded.commit.find(JobRequested, job_id=job)
    return requested(event, recorded.sequence) if event is not None else None


_DECIDER: Decider[JobState, JobCommand] = Decider(
    subject=job_subject,
    id_of=attrgetter("job_id"),
    decide=decide,
    evolve=evolve,
    requested=requested_job,
    carried="job",
)


class JobCommandHandler(CommandHandler[JobState, JobCommand]):
    def __init__(self, log: EventLog) -> None:
        super().__init__(log, _DECIDER)
