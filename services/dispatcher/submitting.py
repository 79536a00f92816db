"""Submits a job: gathers what is to be sent, then posts it."""

import asyncio
from datetime import datetime

import msgspec

from adapters.vault import Unreadable
from application.clock import now
from application.job_commands import LoadedJob
from contracts.events import SubmissionStarted
from domain import job_kinds, retry
from domain.job_kinds.base import Gathered
from services.dispatcher.dependencies import Dispatcher
from services.dispatcher.posting import (
    PendingSubmission,
    PreparedSubmission,
    fail,
    fail_past_deadline,
    start_and_post,
)
from services.dispatcher.source_pages.child_process import read_page
from services.dispatcher.source_pages.page_text import PageUnreadable


def is_late(requested_at: datetime) -> bool:
    """Tell whether a job is so old that a sweep takes its message for lost. Both may then have the
    job: whoever handles the message of a late job looks first whether it was submitted.
    """
    return retry.is_late(requested_at, now())


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
    if await fail_past_deadline(dispatcher, loaded, pending):
        return None
    try:
        if pending.arguments_sequence is not None:
            return await _sent_before(dispatcher, loaded, pending, pending.arguments_sequence)
        return await _gather(dispatcher, loaded, pending)
    except Unreadable as error:
        await fail(dispatcher, loaded, "invalid_input", detail=str(error))
    except PageUnreadable as reason:
        await fail(dispatcher, loaded, "blog_unreadable", reason=str(reason))
    return None


async def _gather(
    dispatcher: Dispatcher, loaded: LoadedJob, pending: PendingSubmission
) -> PreparedSubmission | None:
    """Build the arguments from the job's input and its source page."""
    account, settings = loaded.state.account_id, dispatcher.settings
    kind = job_kinds.recall(pending.kind, await dispatcher.vault.unseal(account, pending.input))
    if kind is None:
        await fail(dispatcher, loaded, "unknown_kind")
        return None
    url = kind.source_url()
    text = await read_page(url, settings.source_hosts, account) if url else None
    arguments = kind.arguments(Gathered(text, settings.funnel_model))
    sealed = await dispatcher.vault.seal(account, msgspec.json.encode(arguments))
    return PreparedSubmission(pending, kind.endpoint, arguments, sealed)


async def _sent_before(
    dispatcher: Dispatcher, loaded: LoadedJob, pending: PendingSubmission, sequence: int
) -> PreparedSubmission:
    """Return what an earlier attempt sent, so that a page is read and recorded once only."""
    recorded = await dispatcher.log.read(sequence)
    for event in recorded.commit.events if recorded is not None else ():
        if isinstance(event, SubmissionStarted) and event.arguments is not None:
            plain = await dispatcher.vault.unseal(loaded.state.account_id, event.arguments)
            return PreparedSubmission(pending, event.endpoint, msgspec.json.decode(plain), None)
    raise Unreadable(f"commit {sequence} holds no arguments")
