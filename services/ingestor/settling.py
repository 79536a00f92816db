"""Settling: from a recorded result to the job's end and the settlement of its hold."""

from collections.abc import Sequence

import msgspec
import structlog

from adapters import fal
from adapters.database import DatabaseUnavailable
from adapters.provider_progress import ProgressReport, tell
from adapters.storage import StorageUnavailable
from adapters.vault import KeysUnavailable, Unreadable
from application.job_commands import LoadedJob
from application.recording import record
from contracts.events import Artifact, ResultReceived
from contracts.events.evidence import Verdict, Via
from contracts.ids import CommitId
from domain.job import Complete, Fail
from domain.job_kinds import KINDS, AnyJobKind
from domain.job_kinds.base import BadResult, Output, ProviderSaidNo
from domain.provider_results import (
    WORDS_CHARACTERS_MAX,
    BadEnvelope,
    Envelope,
    Failure,
    failure_of,
    read_envelope,
)
from domain.refusals import JOB_CODES
from domain.text import clean_line
from read_models import waiting_jobs
from read_models.waiting_jobs import WaitingJob
from services.ingestor.dependencies import Ingestor
from services.ingestor.media import MediaRefused, MediaUnavailable, Place, keep

logger = structlog.get_logger()

OUTPUTS_MAX = 16
NOT_NOW = (MediaUnavailable, StorageUnavailable, KeysUnavailable, DatabaseUnavailable)


async def settle(ingestor: Ingestor, event: ResultReceived, causation: CommitId) -> None:
    """End the job as its result says. Harmless to repeat.

    What cannot be done now waits: its row is swept until the storing limit ends the job. What can
    never be done ends the job. Raise LogUnavailable when the log did not take the end.
    """
    if event.job_id in ingestor.active:
        return
    ingestor.active.add(event.job_id)
    try:
        loaded = await ingestor.jobs.load(event.job_id)
        if loaded is not None and loaded.state.end is None:
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
        await fail(ingestor, loaded, Failure("unknown_kind", ""), causation)
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
    try:
        artifacts = await _kept(ingestor, event, kind.outputs(envelope.payload))
    except BadResult as error:
        await fail(ingestor, loaded, Failure("bad_result", str(error)), causation)
    except ProviderSaidNo as error:
        words = clean_line(str(error), WORDS_CHARACTERS_MAX)
        failure = Failure("provider_failed", str(error), words)
        await fail(ingestor, loaded, failure, causation)
    except MediaRefused as error:
        await fail(ingestor, loaded, Failure(error.code, error.detail), causation)
    else:
        command = Complete(attempt=event.attempt, artifacts=artifacts)
        await ingestor.jobs.decide(loaded, command, causation=causation)


async def _kept(
    ingestor: Ingestor, event: ResultReceived, outputs: Sequence[Output]
) -> tuple[Artifact, ...]:
    if len(outputs) > OUTPUTS_MAX:  # More would not fit into the commit of the end.
        raise MediaRefused("bad_result", f"more than {OUTPUTS_MAX} files and texts")
    kept = []
    for index, output in enumerate(outputs):
        place = Place(event.job_id, index)
        kept.append(await keep(ingestor, event.account_id, place, output))
    return tuple(kept)


async def fail(
    ingestor: Ingestor, loaded: LoadedJob, failure: Failure, causation: CommitId | None = None
) -> None:
    """End the job as failed; its hold is released in the same commit."""
    account = loaded.state.account_id
    told = JOB_CODES[failure.code]
    if failure.words:
        told = f"{told} The provider said: {failure.words}"
    message = await ingestor.vault.seal_words(account, told)
    detail = None
    if failure.detail:
        detail = await ingestor.vault.seal_words(account, failure.detail)
    command = Fail(code=failure.code, message=message, detail=detail)
    await ingestor.jobs.decide(loaded, command, causation=causation)


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


async def poll_result(ingestor: Ingestor, row: WaitingJob) -> None:
    """Ask the provider what became of a job, and record a result if there is one."""
    if row.request_id is None or row.endpoint is None:
        return
    request = fal.ProviderRequest(
        row.request_id, row.status_url or "", row.response_url or "", row.cancel_url or ""
    )
    answer = await ingestor.gateway.poll_result(row.endpoint, request)
    if isinstance(answer, fal.Finished):
        body = _as_envelope(row.request_id, answer)
        verdict = Verdict.OK if answer.ok else Verdict.ERROR
        await record_result(ingestor, row, verdict, body)
    elif isinstance(answer, fal.StillRunning):
        await tell(ingestor.client, ProgressReport(row.job_id, answer.queue_position, answer.lines))
    elif isinstance(answer, fal.NoAnswer):
        logger.warning("provider_does_not_answer", job=row.job_id, reason=answer.words)


async def record_result(ingestor: Ingestor, row: WaitingJob, verdict: Verdict, body: bytes) -> None:
    event = ResultReceived(
        job_id=row.job_id,
        account_id=row.account_id,
        attempt=row.attempt,
        via=Via.POLL,
        request_id=row.request_id or "",
        verdict=verdict,
        body=await ingestor.vault.seal(row.account_id, body),
    )
    await record(ingestor.log, event)


def _as_envelope(request_id: str, answer: fal.Finished) -> bytes:
    """Wrap a polled result as a webhook would bring it, so that one reader reads both."""
    try:
        payload = msgspec.json.decode(answer.body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        payload = {"detail": answer.body[:2000].decode(errors="replace")}
    status = "OK" if answer.ok else "ERROR"
    fields = {"request_id": request_id, "status": status, "payload": payload}
    return msgspec.json.encode(fields)
