"""Polls the provider for results: of jobs whose webhook is overdue, or brought no payload."""

import msgspec
import structlog

from adapters import fal
from adapters.provider_progress import ProgressReport, send_progress
from application.recording import record
from contracts.events import ResultReceived
from contracts.events.evidence import Verdict, Via
from read_models.waiting_jobs import WaitingJob
from services.ingestor.dependencies import Ingestor

logger = structlog.get_logger()


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
        await _record(ingestor, row, verdict, body)
    elif isinstance(answer, fal.StillRunning):
        report = ProgressReport(row.job_id, answer.queue_position, answer.lines)
        await send_progress(ingestor.client, report)
    elif isinstance(answer, fal.NoAnswer):
        logger.warning("provider_does_not_answer", job=row.job_id, reason=answer.words)


async def _record(ingestor: Ingestor, row: WaitingJob, verdict: Verdict, body: bytes) -> None:
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
