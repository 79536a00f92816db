"""Submitting a job: gather what is to be sent, then post it."""

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
from services.dispatcher.posting import Post, fail, start_and_post
from services.dispatcher.source_pages import PageUnreadable, read_page

LATE_SECONDS = 5.0


def is_late(requested_at: datetime) -> bool:
    """Tell whether a job is so old that a sweep takes it for one whose message was lost. With a
    backlog of messages both would prepare it otherwise.
    """
    return now() - requested_at > timedelta(seconds=LATE_SECONDS)


class Work(Struct, frozen=True):
    """What is to be submitted. A run's job has its input from the run, and its deadline too; a
    later attempt sends what the first one did, which stands in the commit `arguments_sequence`.
    """

    kind: str
    input: Sealed
    deadline_at: datetime | None = None
    causation: CommitId | None = None
    arguments_sequence: int | None = None


def begin(dispatcher: Dispatcher, loaded: LoadedJob, work: Work) -> "asyncio.Task[None] | None":
    """Begin to submit the job; None when this process does so already. From here on it counts as
    one that the provider has.
    """
    job_id = loaded.state.job_id
    if not dispatcher.begin(job_id):
        return None
    task = dispatcher.background.spawn("submission", _submit(dispatcher, loaded, work))
    task.add_done_callback(lambda _: dispatcher.end(job_id))
    return task


async def submit(dispatcher: Dispatcher, loaded: LoadedJob, work: Work) -> None:
    """Submit the job unless somebody else does, or it has ended. Harmless to repeat."""
    task = begin(dispatcher, loaded, work)
    if task is not None:
        await asyncio.shield(task)


async def _submit(dispatcher: Dispatcher, loaded: LoadedJob, work: Work) -> None:
    """A shutdown ends the gathering; the POST goes on, for it may cost money."""
    post = await _prepare(dispatcher, loaded, work)
    if post is not None:
        posting = dispatcher.posts.spawn("post", start_and_post(dispatcher, loaded, post))
        await asyncio.shield(posting)


async def _prepare(dispatcher: Dispatcher, loaded: LoadedJob, work: Work) -> Post | None:
    """Gather what is to be sent; None when the job has been failed instead."""
    if now() >= (work.deadline_at or loaded.state.deadline_at):
        await fail(dispatcher, loaded, "deadline", JOB_CODES["deadline"])
        return None
    try:
        if work.arguments_sequence is not None:
            return await _sent_before(dispatcher, loaded, work)
        plain = await dispatcher.vault.unseal(loaded.state.account_id, work.input)
        kind = job_kinds.recall(work.kind, plain)
        if kind is None:
            await fail(dispatcher, loaded, "unknown_kind", JOB_CODES["unknown_kind"])
            return None
        url = kind.source_url()
        account = loaded.state.account_id
        text = await read_page(url, dispatcher.settings.allowed_hosts, account) if url else None
    except Unreadable as error:
        await fail(dispatcher, loaded, "invalid_input", JOB_CODES["invalid_input"], str(error))
        return None
    except PageUnreadable as reason:
        await fail(
            dispatcher, loaded, "blog_unreadable", f"{JOB_CODES['blog_unreadable']} {reason}"
        )
        return None
    arguments = kind.arguments(Gathered(text, dispatcher.settings.funnel_model))
    sealed = await dispatcher.vault.seal(loaded.state.account_id, msgspec.json.encode(arguments))
    return _post_of(loaded, work, kind.endpoint, arguments, sealed)


async def _sent_before(dispatcher: Dispatcher, loaded: LoadedJob, work: Work) -> Post:
    """Return what an earlier attempt sent: no page is read twice, nothing is written twice."""
    recorded = await dispatcher.log.read(work.arguments_sequence or 0)
    for event in recorded.commit.events if recorded is not None else ():
        if isinstance(event, SubmissionStarted) and event.arguments is not None:
            plain = await dispatcher.vault.unseal(loaded.state.account_id, event.arguments)
            return _post_of(loaded, work, event.endpoint, msgspec.json.decode(plain), None)
    raise Unreadable(f"commit {work.arguments_sequence} holds no arguments")


def _post_of(
    loaded: LoadedJob, work: Work, endpoint: str, arguments: Any, sealed: Sealed | None
) -> Post:
    return Post(
        endpoint=endpoint,
        arguments=arguments,
        sealed=sealed,
        deadline_at=work.deadline_at or loaded.state.deadline_at,
        let_go_until=work.deadline_at,
        causation=work.causation,
    )
