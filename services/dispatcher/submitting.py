"""Submits a job: gathers what is to be sent, then posts it."""

import asyncio
from datetime import datetime, timedelta
from typing import Any

import msgspec
from msgspec import Struct

from adapters.vault import Unreadable
from application.clock import now
from application.job_commands import LoadedJob
from contracts.events import SubmissionStarted
from contracts.ids import CommitId
from contracts.sealed import Sealed
from domain import job_kinds
from domain.job_kinds.base import Gathered
from domain.refusals import JOB_CODES
from services.dispatcher.dependencies import Dispatcher
from services.dispatcher.posting import PreparedSubmission, fail, start_and_post
from services.dispatcher.source_pages.child_process import read_page
from services.dispatcher.source_pages.page_text import PageUnreadable

LATE_SECONDS = 5.0


def is_late(requested_at: datetime) -> bool:
    """Tell whether a job is so old that a sweep takes its message for lost. Both may then have the
    job: whoever handles the message of a late job looks first whether it was submitted.
    """
    return now() - requested_at > timedelta(seconds=LATE_SECONDS)


class PendingSubmission(Struct, frozen=True):
    """What the log asks to submit. A run's job gets its input and its deadline from the run. An
    attempt after the first sends what the first one sent, which the commit `arguments_sequence`
    holds.
    """

    kind: str
    input: Sealed
    deadline_at: datetime | None = None
    causation: CommitId | None = None
    arguments_sequence: int | None = None


def begin(
    dispatcher: Dispatcher, loaded: LoadedJob, pending: PendingSubmission
) -> "asyncio.Task[None] | None":
    """Begin to submit the job; None when this process submits it already. From now on the job
    counts as one that the provider has.
    """
    job_id = loaded.state.job_id
    if not dispatcher.begin_submission(job_id):
        return None
    task = dispatcher.background.spawn("submission", _submit(dispatcher, loaded, pending))
    task.add_done_callback(lambda _: dispatcher.end_submission(job_id))
    return task


async def submit(dispatcher: Dispatcher, loaded: LoadedJob, pending: PendingSubmission) -> None:
    """Submit the job unless another process does, or it has ended. Harmless to repeat."""
    task = begin(dispatcher, loaded, pending)
    if task is not None:
        await asyncio.shield(task)


async def _submit(dispatcher: Dispatcher, loaded: LoadedJob, pending: PendingSubmission) -> None:
    """A shutdown cancels the gathering. It does not cancel the POST, which may cost money."""
    prepared = await _prepare(dispatcher, loaded, pending)
    if prepared is not None:
        posting = dispatcher.posts.spawn("post", start_and_post(dispatcher, loaded, prepared))
        await asyncio.shield(posting)


async def _prepare(
    dispatcher: Dispatcher, loaded: LoadedJob, pending: PendingSubmission
) -> PreparedSubmission | None:
    """Gather what is to be sent; None when the job has been failed instead."""
    if now() >= (pending.deadline_at or loaded.state.deadline_at):
        await fail(dispatcher, loaded, "deadline", JOB_CODES["deadline"])
        return None
    try:
        if pending.arguments_sequence is not None:
            return await _sent_before(dispatcher, loaded, pending, pending.arguments_sequence)
        return await _gather(dispatcher, loaded, pending)
    except Unreadable as error:
        await fail(dispatcher, loaded, "invalid_input", JOB_CODES["invalid_input"], str(error))
    except PageUnreadable as reason:
        message = f"{JOB_CODES['blog_unreadable']} {reason}"
        await fail(dispatcher, loaded, "blog_unreadable", message)
    return None


async def _gather(
    dispatcher: Dispatcher, loaded: LoadedJob, pending: PendingSubmission
) -> PreparedSubmission | None:
    """Build the arguments from the job's input and its source page."""
    account, settings = loaded.state.account_id, dispatcher.settings
    kind = job_kinds.recall(pending.kind, await dispatcher.vault.unseal(account, pending.input))
    if kind is None:
        await fail(dispatcher, loaded, "unknown_kind", JOB_CODES["unknown_kind"])
        return None
    url = kind.source_url()
    text = await read_page(url, settings.allowed_hosts, account) if url else None
    arguments = kind.arguments(Gathered(text, settings.funnel_model))
    sealed = await dispatcher.vault.seal(account, msgspec.json.encode(arguments))
    return _prepared(loaded, pending, kind.endpoint, arguments, sealed)


async def _sent_before(
    dispatcher: Dispatcher, loaded: LoadedJob, pending: PendingSubmission, sequence: int
) -> PreparedSubmission:
    """Return what an earlier attempt sent, so that a page is read and recorded once only."""
    recorded = await dispatcher.log.read(sequence)
    for event in recorded.commit.events if recorded is not None else ():
        if isinstance(event, SubmissionStarted) and event.arguments is not None:
            plain = await dispatcher.vault.unseal(loaded.state.account_id, event.arguments)
            return _prepared(loaded, pending, event.endpoint, msgspec.json.decode(plain), None)
    raise Unreadable(f"commit {sequence} holds no arguments")


def _prepared(
    loaded: LoadedJob,
    pending: PendingSubmission,
    endpoint: str,
    arguments: Any,
    sealed: Sealed | None,
) -> PreparedSubmission:
    return PreparedSubmission(
        endpoint=endpoint,
        arguments=arguments,
        sealed=sealed,
        deadline_at=pending.deadline_at or loaded.state.deadline_at,
        run_deadline_at=pending.deadline_at,
        causation=pending.causation,
    )
