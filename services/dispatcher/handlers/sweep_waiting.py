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
from contracts.commit import Recorded
from contracts.events import CancellationAnswered, JobRequested, RunStepStarted
from domain.job import GiveUpAttempt, requested
from domain.owed import Duty
from domain.retry import REPLY_SECONDS_MAX, after_unknown
from domain.times import time_of
from domain.turns import Turn
from domain.waiting import WaitReason
from read_models import owed, waiting_jobs
from read_models.owed import Owed
from read_models.waiting_jobs import WaitingJob
from services.dispatcher.dependencies import SUBMISSIONS_AT_ONCE_MAX, Dispatcher
from services.dispatcher.posting import PendingSubmission, fail
from services.dispatcher.submitting import is_late, submit

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
REPLIES = structs.replace(CANCELLATIONS, patience_seconds=REPLY_SECONDS_MAX)


def sweeps(dispatcher: Dispatcher) -> dict[str, Sweep[WaitingJob] | Sweep[Owed]]:
    """Return the dispatcher's sweeps by name. None of them waits for another."""
    rows, reply = dispatcher.rows, partial(owed.due, duty=Duty.REPLY)
    to_cancel, act = partial(owed.due, duty=Duty.CANCELLATION), partial(cancel, dispatcher)
    return {
        "submissions": submissions(dispatcher),
        "outcomes": outcomes(dispatcher),
        "cancellations": rows.sweep("cancellations", CANCELLATIONS, to_cancel, act),
        "replies": rows.sweep("replies", REPLIES, reply, partial(give_up_reply, dispatcher)),
    }


def submissions(dispatcher: Dispatcher) -> Sweep[WaitingJob]:
    to_submit = partial(waiting_jobs.due, wait_reason=WaitReason.TO_SUBMIT)

    async def take(turn: Turn) -> list[WaitingJob]:
        dispatcher.at_provider = await _count_at_provider(dispatcher)
        turn.limit = min(turn.limit, dispatcher.free_slots)
        turn.skip = {*turn.skip, *dispatcher.active}
        dispatcher.has_declined = False
        rows = await dispatcher.rows.take_part(to_submit, turn)
        dispatcher.has_declined |= len(rows) >= turn.limit
        return [row for row in rows if _is_left_to_sweep(dispatcher, row)]

    act = partial(submit_row, dispatcher)
    return Sweep("submissions", SUBMISSIONS, take, act, dispatcher.submissions_changed)


def _is_left_to_sweep(dispatcher: Dispatcher, row: WaitingJob) -> bool:
    """Tell whether only a sweep submits this job. A row can be there before the message that asks
    for its job: the job is then left to the message, until the message would be late.
    """
    if row.job_id in dispatcher.active:  # Begun since the rows were read.
        return False
    is_heard = row.requested_sequence <= dispatcher.heard_up_to or dispatcher.peers.count > 1
    return is_heard or row.attempt > 0 or is_late(time_of(row.waiting_since))


def outcomes(dispatcher: Dispatcher) -> Sweep[WaitingJob]:
    outcome = partial(waiting_jobs.due, wait_reason=WaitReason.OUTCOME)

    async def take(turn: Turn) -> list[WaitingJob]:
        turn.skip = {*turn.skip, *dispatcher.active}
        return await dispatcher.rows.take_part(outcome, turn)

    patience = dispatcher.settings.submit_unknown_seconds
    pace = structs.replace(OUTCOMES, patience_seconds=patience)
    return Sweep("outcomes", pace, take, partial(settle_unknown, dispatcher))


async def _count_at_provider(dispatcher: Dispatcher) -> int:
    """Count the jobs of this process's part that the provider has, or may have. Jobs that are
    begun here while the rows are read stand in no row yet; a job that ended before stands in them.
    """
    begun = dispatcher.begun_since_count = set(dispatcher.active)
    at_provider = await dispatcher.rows.read(waiting_jobs.at_provider)
    own = {job for job in at_provider if dispatcher.peers.is_mine(job)}
    return len(own | begun)


async def submit_row(dispatcher: Dispatcher, row: WaitingJob) -> None:
    if dispatcher.free_slots < 1:
        return
    recorded = await dispatcher.log.read(row.requested_sequence)
    event = recorded.commit.find(JobRequested, job_id=row.job_id) if recorded else None
    if recorded is None or event is None:
        return
    pending = await _pending(dispatcher, row, recorded, event)
    # The guard of a first attempt is 0: it is the first commit of the job's own.
    loaded: LoadedJob | None = Loaded(requested(event, recorded.sequence), 0)
    if row.attempt > 0:
        loaded = await dispatcher.jobs.load(row.job_id)
    if loaded is not None and dispatcher.free_slots >= 1:
        await submit(dispatcher, loaded, pending)


async def _pending(
    dispatcher: Dispatcher, row: WaitingJob, recorded: Recorded, event: JobRequested
) -> PendingSubmission:
    pending = PendingSubmission(
        event.kind,
        event.input,
        causation=recorded.commit.id,
        arguments_sequence=row.arguments_sequence,
    )
    if event.run_id is None:
        return pending
    started = await _step_started(dispatcher, row)
    return structs.replace(pending, input=started.input, deadline_at=started.deadline_at)


async def _step_started(dispatcher: Dispatcher, row: WaitingJob) -> RunStepStarted:
    """Return the event with which its run started the job and gave it its input."""
    recorded = await dispatcher.log.read(row.started_sequence or 0)
    event = recorded.commit.find(RunStepStarted, job_id=row.job_id) if recorded else None
    if event is None:
        raise LogUnavailable(f"job {row.job_id} was not started in commit {row.started_sequence}")
    return event


async def settle_unknown(dispatcher: Dispatcher, row: WaitingJob) -> None:
    """Give up an attempt whose outcome nobody could tell for SUBMIT_UNKNOWN_SECONDS. The retry
    policy says whether the job may be posted again or fails.
    """
    loaded = await dispatcher.jobs.load(row.job_id, row.requested_sequence)
    if loaded is None or loaded.state.end is not None or loaded.state.attempt != row.attempt:
        return
    decision = after_unknown(
        loaded.state, at=now(), attempts_max=dispatcher.settings.submit_attempts_max
    )
    if decision.not_before is None:
        await fail(dispatcher, loaded, "outcome_unknown")
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
    """Ask the provider to cancel its request of an ended job, and record the answer."""
    request = fal.ProviderRequest(row.request_id or "", cancel_url=row.cancel_url or "")
    answer = await dispatcher.gateway.cancel(row.endpoint or "", request)
    if answer is not None:  # Without an answer the row stays, and the sweep asks again.
        await _record_answer(dispatcher, row, answer)


async def give_up_reply(dispatcher: Dispatcher, row: Owed) -> None:
    """Record that nothing can be cancelled: no reply and no other evidence names a request."""
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
