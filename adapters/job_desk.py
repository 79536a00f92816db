"""The job desk: one decision against one job's boundary, made on its last commit."""

from msgspec import Struct, structs

from adapters.clock import fresh_commit_id, now
from adapters.event_log import EventLog, LogUnavailable, sequence_of
from contracts.commit import Commit, Recorded, Request
from contracts.events import JobEvent, JobRequested
from contracts.ids import CommitId, JobId
from contracts.job_state import JobState
from contracts.subjects import job_subject
from domain.job import JobCommand, decide, evolve, requested

TRIES_MAX = 16


class KnownJob(Struct, frozen=True):
    """A job's state and the guard that a decision about it needs."""

    state: JobState
    last: int  # Sequence of the job's own last commit; 0 before its first.


class Made(Struct, frozen=True):
    """What a decision wrote. `sequence` is 0 when there was nothing to write."""

    job: KnownJob
    events: tuple[JobEvent, ...]
    commit_id: CommitId | None
    sequence: int


def first_known(recorded: Recorded, job: JobId) -> KnownJob | None:
    """Return a job as its account's commit requests it, None when the commit does not."""
    for event in recorded.commit.events:
        if isinstance(event, JobRequested) and event.job_id == job:
            return KnownJob(requested(event, recorded.sequence), 0)
    return None


class JobDesk:
    """Loads, decides, commits; after a conflict it looks again and decides again."""

    def __init__(self, log: EventLog) -> None:
        self._log = log

    async def load(self, job: JobId, requested_in: int | None = None) -> KnownJob | None:
        """Return the job as of its last commit, else as requested in the commit `requested_in`."""
        last = await self._log.last(job_subject(job))
        if last is not None and last.commit.job is not None:
            return KnownJob(last.commit.job, last.sequence)
        recorded = await self._log.read(requested_in) if requested_in else None
        return first_known(recorded, job) if recorded else None

    async def decide(
        self,
        known: KnownJob,
        command: JobCommand,
        *,
        causation: CommitId | None = None,
        request: Request | None = None,
    ) -> Made:
        """Commit what the job's decider makes of the command, on whatever state it finds.

        Raise Refused as the decider does, LogUnavailable when the outcome is not known.
        """
        for _ in range(TRIES_MAX):
            made = await self.decide_once(known, command, causation=causation, request=request)
            if made is not None:
                return made
            state = known.state
            known = await self.load(state.job_id, state.requested_in) or known
        msg = "the job is too busy"
        raise LogUnavailable(msg)

    async def decide_once(
        self,
        known: KnownJob,
        command: JobCommand,
        *,
        causation: CommitId | None = None,
        request: Request | None = None,
    ) -> Made | None:
        """As `decide`, on this very state only: None when somebody else was faster."""
        events = tuple(decide(command, known.state))
        if not events:
            return Made(known, (), None, 0)
        state = known.state
        for event in events:
            state = evolve(state, event)
        requests: tuple[Request, ...] = ()
        if request is not None:
            requests = (structs.replace(request, events=tuple(range(len(events)))),)
        commit = Commit(
            id=fresh_commit_id(),
            at=now(),
            events=events,
            requests=requests,
            causation_id=causation,
            job=state,
        )
        outcome = await self._log.append(job_subject(state.job_id), commit, after=known.last)
        sequence = sequence_of(outcome)
        if sequence is None:
            return None
        return Made(KnownJob(state, sequence), events, commit.id, sequence)
