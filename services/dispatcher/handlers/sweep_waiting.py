"""Sweeps what waits for the dispatcher: submissions, unknown outcomes, cancellations."""

from functools import partial

from msgspec import structs

from adapters import fal
from adapters.sweep import Pace, Sweep
from application.clock import now
from application.command_handler import Loaded
from application.event_log import LogUnavailable
from application.job_commands import LoadedJob
from application.recording import record
from contracts.events import CancellationAnswered, JobRequested, RunStepStarted
from domain.job import GiveUpAttempt, requested
from domain.refusals import JOB_CODES
from domain.retry import after_unknown
from domain.times import time_of
from domain.turns import Turn
from read_models import owed, waiting_jobs
from read_models.owed import Duty, Owed
from read_models.waiting_jobs import WaitingJob, WaitReason
from services.dispatcher.dependencies import SUBMISSIONS_AT_ONCE_MAX, Dispatcher
from services.dispatcher.posting import fail
from services.dispatcher.submitting import Work, is_late, submit

NO_REPLY = "the reply to the POST never came"

SUBMISSIONS = Pace(
    at_once=SUBMISSIONS_AT_ONCE_MAX,
    at_once_of_lane=64,
    act_seconds=180.0,  # Reading a page, waiting for a slot, the POST: each has a limit of its own.
    pause_seconds=0.5,
    pause_seconds_max=5.0,
)
OUTCOMES = Pace(
    at_once=32, at_once_of_lane=16, act_seconds=30.0, pause_seconds=1.0, pause_seconds_max=30.0
)
CANCELLATIONS = Pace(
    at_once=16, at_once_of_lane=8, act_seconds=30.0, pause_seconds=5.0, pause_seconds_max=300.0
)
# An ended job whose POST was not answered for an hour has nothing to cancel.
REPLIES = structs.replace(CANCELLATIONS, patience_seconds=3600.0)


def sweeps(dispatcher: Dispatcher) -> dict[str, Sweep[WaitingJob] | Sweep[Owed]]:
    """Return the dispatcher's sweeps by name. None of them waits for another."""
    take_part = partial(dispatcher.rows.take_part, dispatcher.peers)
    cancellation = partial(take_part, partial(owed.due, duty=Duty.CANCELLATION))
    reply = partial(take_part, partial(owed.due, duty=Duty.REPLY))
    return {
        "submissions": submissions(dispatcher),
        "outcomes": outcomes(dispatcher),
        "cancellations": Sweep(
            "cancellations", CANCELLATIONS, cancellation, partial(cancel, dispatcher)
        ),
        "replies": Sweep("replies", REPLIES, reply, partial(give_up_reply, dispatcher)),
    }


def submissions(dispatcher: Dispatcher) -> Sweep[WaitingJob]:
    to_submit = partial(waiting_jobs.due, wait_reason=WaitReason.TO_SUBMIT)

    async def take(turn: Turn) -> list[WaitingJob]:
        dispatcher.at_provider = await _count_at_provider(dispatcher)
        turn.limit = min(turn.limit, dispatcher.room)
        turn.skip = {*turn.skip, *dispatcher.active}
        dispatcher.has_declined = False
        rows = await dispatcher.rows.take_part(dispatcher.peers, to_submit, turn)
        dispatcher.has_declined |= len(rows) >= turn.limit
        return [row for row in rows if _is_left(dispatcher, row)]

    act = partial(submit_row, dispatcher)
    return Sweep("submissions", SUBMISSIONS, take, act, dispatcher.submissions_changed)


def _is_left(dispatcher: Dispatcher, row: WaitingJob) -> bool:
    """Tell whether nobody but a sweep submits this job. A row can be faster than the message that
    asks for its job: then it is the message's, until that would be late.
    """
    if row.job_id in dispatcher.active:  # Begun since the rows were read.
        return False
    is_heard = row.requested_sequence <= dispatcher.heard_up_to or dispatcher.peers.count > 1
    return is_heard or row.attempt > 0 or is_late(time_of(row.waiting_since))


def outcomes(dispatcher: Dispatcher) -> Sweep[WaitingJob]:
    outcome = partial(waiting_jobs.due, wait_reason=WaitReason.OUTCOME)

    async def take(turn: Turn) -> list[WaitingJob]:
        turn.skip = {*turn.skip, *dispatcher.active}
        return await dispatcher.rows.take_part(dispatcher.peers, outcome, turn)

    patience = dispatcher.settings.submit_unknown_seconds
    pace = structs.replace(OUTCOMES, patience_seconds=patience)
    return Sweep("outcomes", pace, take, partial(settle_unknown, dispatcher))


async def _count_at_provider(dispatcher: Dispatcher) -> int:
    """Count what this process's part of the provider's room is taken by, also what is begun here
    and stands in no row yet. What has ended before the rows were asked for stands in them.
    """
    begun = dispatcher.begun = set(dispatcher.active)
    taken = await dispatcher.rows.read(waiting_jobs.at_provider)
    own = {job for job in taken if dispatcher.peers.is_mine(job)}
    return len(own | begun)


async def submit_row(dispatcher: Dispatcher, row: WaitingJob) -> None:
    if dispatcher.room < 1:
        return
    recorded = await dispatcher.log.read(row.requested_sequence)
    if recorded is None:
        return
    for event in recorded.commit.events:
        if isinstance(event, JobRequested) and event.job_id == row.job_id:
            work = Work(
                event.kind,
                event.input,
                causation=recorded.commit.id,
                arguments_sequence=row.arguments_sequence,
            )
            if event.run_id is not None:
                work = await _work_of_run(dispatcher, row, work)
            # A first attempt is the first commit of the job's own, as its guard makes sure.
            loaded: LoadedJob | None = Loaded(requested(event, recorded.sequence), 0)
            if row.attempt > 0:
                loaded = await dispatcher.jobs.load(row.job_id)
            if loaded is not None and dispatcher.room >= 1:
                await submit(dispatcher, loaded, work)


async def _work_of_run(dispatcher: Dispatcher, row: WaitingJob, work: Work) -> Work:
    """A run's job was let go by its run, which gave it its input."""
    recorded = await dispatcher.log.read(row.started_sequence or 0)
    for event in recorded.commit.events if recorded is not None else ():
        if isinstance(event, RunStepStarted) and event.job_id == row.job_id:
            return structs.replace(work, input=event.input, deadline_at=event.deadline_at)
    raise LogUnavailable(f"job {row.job_id} was not let go in commit {row.started_sequence}")


async def settle_unknown(dispatcher: Dispatcher, row: WaitingJob) -> None:
    """Nobody could tell for so long what became of the POST: policy decides what comes next."""
    loaded = await dispatcher.jobs.load(row.job_id, row.requested_sequence)
    if loaded is None or loaded.state.end is not None or loaded.state.attempt != row.attempt:
        return
    decision = after_unknown(
        loaded.state, at=now(), attempts_max=dispatcher.settings.submit_attempts_max
    )
    if decision.not_before is None:
        await fail(dispatcher, loaded, "outcome_unknown", JOB_CODES["outcome_unknown"])
        return
    command = GiveUpAttempt(
        attempt=row.attempt,
        code="outcome_unknown",
        error=await dispatcher.vault.seal(row.account_id, NO_REPLY.encode()),
        may_have_run=True,
        not_before=decision.not_before,
    )
    await dispatcher.jobs.decide(loaded, command)


async def cancel(dispatcher: Dispatcher, row: Owed) -> None:
    """Ask the provider to cancel what it has of an ended job, and record what it said."""
    request = fal.ProviderRequest(row.request_id or "", cancel_url=row.cancel_url or "")
    answer = await dispatcher.gateway.cancel(row.endpoint or "", request)
    if answer is not None:  # Else the row stays, and so does the wish.
        await _record_answer(dispatcher, row, answer)


async def give_up_reply(dispatcher: Dispatcher, row: Owed) -> None:
    """The reply never came, and nobody else told of a request either: nothing can be cancelled."""
    await _record_answer(dispatcher, row, NO_REPLY)


async def _record_answer(dispatcher: Dispatcher, row: Owed, answer: str) -> None:
    event = CancellationAnswered(
        job_id=row.job_id,
        account_id=row.account_id,
        request_id=row.request_id or "",
        answer=answer,
        attempt=row.attempt,
    )
    await record(dispatcher.log, event)
