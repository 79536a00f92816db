"""The job desk: decisions about one job."""

from operator import attrgetter

from adapters.boundary_desk import BoundaryDesk, Known, Made, Rules
from adapters.event_log import EventLog
from contracts.commit import Recorded
from contracts.events import JobRequested
from contracts.ids import JobId
from contracts.job_state import JobState
from contracts.subjects import job_subject
from domain.job import JobCommand, decide, evolve, requested

KnownJob = Known[JobState]
MadeJob = Made[JobState]


def first_state(recorded: Recorded, job: JobId) -> JobState | None:
    """Return a job as its account's commit requests it, None when the commit does not."""
    for event in recorded.commit.events:
        if isinstance(event, JobRequested) and event.job_id == job:
            return requested(event, recorded.sequence)
    return None


_RULES: Rules[JobState, JobCommand] = Rules(
    subject=job_subject,
    id_of=attrgetter("job_id"),
    requested_in=attrgetter("requested_in"),
    decide=decide,
    evolve=evolve,
    first=first_state,
    carried="job",
)


class JobDesk(BoundaryDesk[JobState, JobCommand]):
    def __init__(self, log: EventLog) -> None:
        super().__init__(log, _RULES)
