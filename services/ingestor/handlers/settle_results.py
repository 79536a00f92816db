"""Settles jobs: from a recorded result to the job's end, which settles its hold."""

import asyncio
from collections.abc import Sequence

import structlog
from faststream.nats import NatsBroker

from adapters.broker_setup import SETTLE_RESULTS
from adapters.database import DatabaseUnavailable
from adapters.dead_letters import Handler
from adapters.storage import StorageUnavailable
from adapters.subscribers import subscriber
from adapters.vault import KeysUnavailable, Unreadable
from application.job_commands import JobDecision, LoadedJob
from contracts.commit import Recorded
from contracts.events import Artifact, ResultReceived
from contracts.events.evidence import Verdict
from contracts.ids import CommitId
from contracts.job_state import End
from domain.artifacts import FIRST_TRY_SECONDS_MAX, ArtifactRefused, Place, check_count
from domain.job import Complete, Fail
from domain.job_kinds import KINDS, AnyJobKind
from domain.job_kinds.base import BadResult, ProviderSaidNo
from domain.provider_results import (
    BadEnvelope,
    Envelope,
    Failure,
    failure_in_words,
    failure_of,
    read_envelope,
)
from read_models import waiting_jobs
from services.ingestor.artifacts import keep
from services.ingestor.dependencies import Ingestor
from services.ingestor.downloads import FileUnavailable
from services.ingestor.handlers.poll_results import poll_result

logger = structlog.get_logger()

NOT_NOW = (
    *(FileUnavailable, StorageUnavailable, KeysUnavailable, DatabaseUnavailable),
    TimeoutError,
)
WORKERS = 32


def register(broker: NatsBroker, ingestor: Ingestor) -> Handler:
    @subscriber(broker, SETTLE_RESULTS, ingestor.settings.nats_user, workers=WORKERS)
    async def handle(recorded: Recorded) -> None:
        await settle_results(ingestor, recorded)

    return handle


async def settle_results(ingestor: Ingestor, recorded: Recorded) -> None:
    for event in recorded.commit.events:
        if isinstance(event, ResultReceived):
            await settle(ingestor, event, recorded.commit.id)


async def settle(
    ingestor: Ingestor,
    event: ResultReceived,
    causation: CommitId,
    seconds: float = FIRST_TRY_SECONDS_MAX,
) -> None:
    """End the job as its result says. It may take so many seconds. Harmless to repeat.

    What cannot be stored now waits: a sweep tries again until the limit for storing ends the job.
    What can never be stored ends the job. Raise LogUnavailable when the log did not take the end.
    """
    if event.job_id in ingestor.active:
        return
    ingestor.active.add(event.job_id)
    try:
        loaded = await ingestor.jobs.load(event.job_id)
        if loaded is not None and loaded.state.end is None:
            async with asyncio.timeout(seconds):
                await _settle(ingestor, loaded, event, causation)
    except NOT_NOW as error:
        logger.warning("result_waits", job=event.job_id, reason=repr(error))
    finally:
        ingestor.active.discard(event.job_id)


async def _settle(
    ingestor: Ingestor, loaded: LoadedJob, event: ResultReceived, causation: CommitId
) -> None:
    kind = KINDS.get(loaded.state.kind)
    try:
        envelope = await _envelope(ingestor, event)
    except Unreadable as error:
        await fail(ingestor, loaded, Failure("bad_result", str(error)), causation)
        return
    if kind is None:
        await fail(ingestor, loaded, Failure("unknown_kind"), causation)
    elif envelope is None or envelope.verdict is Verdict.NO_PAYLOAD:
        await _fetch_result(ingestor, event)
    elif envelope.verdict is Verdict.OK:
        await _complete(ingestor, loaded, kind, envelope, event, causation)
    elif event.attempt >= loaded.state.attempt:  # An older attempt's failure ends nothing.
        await fail(ingestor, loaded, failure_of(envelope.payload, envelope.error), causation)


async def _complete(
    ingestor: Ingestor,
    loaded: LoadedJob,
    kind: type[AnyJobKind],
    envelope: Envelope,
    event: ResultReceived,
    causation: CommitId,
) -> None:
    kept = list[Artifact]()
    try:
        await _keep_all(ingestor, event, kind, envelope, kept)
    except BadResult as error:
        decision = await fail(ingestor, loaded, Failure("bad_result", str(error)), causation)
    except ProviderSaidNo as error:
        decision = await fail(ingestor, loaded, failure_in_words(str(error)), causation)
    except ArtifactRefused as error:
        decision = await fail(ingestor, loaded, Failure(error.code, error.detail), causation)
    else:
        command = Complete(attempt=event.attempt, artifacts=tuple(kept))
        decision = await ingestor.jobs.decide(loaded, command, causation=causation)
    if decision.loaded.state.end is not End.COMPLETED:
        await _discard(ingestor, kept)


async def _keep_all(
    ingestor: Ingestor,
    event: ResultReceived,
    kind: type[AnyJobKind],
    envelope: Envelope,
    kept: list[Artifact],
) -> None:
    """Keep all that the job made. `kept` has what is kept, also of a result that is refused."""
    outputs = kind.outputs(envelope.payload)
    check_count(len(outputs))
    for index, output in enumerate(outputs):
        place = Place(event.job_id, index)
        kept.append(await keep(ingestor, event.account_id, place, output, kind.media_types))


async def _discard(ingestor: Ingestor, kept: Sequence[Artifact]) -> None:
    """Delete the files of a job that failed or was cancelled while they were copied: no event
    names them, so nothing else would.
    """
    for artifact in kept:
        if artifact.key is not None:
            await ingestor.storage.delete(artifact.key)


async def fail(
    ingestor: Ingestor, loaded: LoadedJob, failure: Failure, causation: CommitId | None = None
) -> JobDecision:
    """End the job as failed; its hold is released in the same commit."""
    account = loaded.state.account_id
    message = await ingestor.vault.seal_words(account, failure.message)
    detail = await ingestor.vault.seal_words(account, failure.detail) if failure.detail else None
    command = Fail(code=failure.code, message=message, detail=detail)
    return await ingestor.jobs.decide(loaded, command, causation=causation)


async def _envelope(ingestor: Ingestor, event: ResultReceived) -> Envelope | None:
    body = await ingestor.vault.unseal(event.account_id, event.body)
    try:
        return read_envelope(body)
    except BadEnvelope:
        return None


async def _fetch_result(ingestor: Ingestor, event: ResultReceived) -> None:
    """The delivery said nothing usable: ask the provider for the result itself."""
    row = await ingestor.database.read(waiting_jobs.find, event.job_id)
    if row is not None:
        await poll_result(ingestor, row)
