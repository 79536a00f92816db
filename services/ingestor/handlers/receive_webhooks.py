"""Receives the provider's webhooks: 200 only after the log has them."""

import structlog
from litestar import Response, post
from litestar.exceptions import HTTPException
from litestar.params import FromPath
from prometheus_client import Counter

from adapters.clock import now
from adapters.event_log import LogUnavailable
from adapters.http_server import AnyRequest, AnyResponse
from adapters.storage import StorageUnavailable
from contracts.events import ResultReceived
from contracts.events.evidence import Verdict, Via
from contracts.ids import AccountId, BadId, JobId, job_id
from domain.provider_results import BadEnvelope, Envelope, read_envelope
from services.ingestor.dependencies import Ingestor
from services.ingestor.settling import record
from services.ingestor.signatures import Rejection

logger = structlog.get_logger()

BODY_BYTES_MAX = 512 * 1024
ATTEMPT_DIGITS_MAX = 4
DELIVERIES = Counter("darkroom_webhooks_total", "Webhook deliveries by verdict", ["verdict"])


@post("/api/infographs/webhook/{id:str}", status_code=200, request_max_body_size=BODY_BYTES_MAX)
async def receive_webhook(request: AnyRequest, id: FromPath[str]) -> AnyResponse:  # noqa: A002
    """Check signature, then job and attempt, then commit; duplicates and late ones too."""
    ingestor: Ingestor = request.app.state["ingestor"]
    body = await request.body()
    envelope = _envelope(body)
    rejection = await _rejection(ingestor, request, body, envelope)
    if rejection is not None:
        DELIVERIES.labels(rejection.value).inc()
        if rejection is Rejection.NO_KEYS:
            return _problem(503, "unavailable", "the signature cannot be checked: send it again")
        return _problem(401, "unauthorized", "the signature does not hold")
    found = await _attempt(ingestor, request, id)
    if found is None:
        DELIVERIES.labels("unknown_attempt").inc()
        return _problem(404, "not_found", "there is no such job and attempt")
    account, job, attempt = found
    event = ResultReceived(
        job_id=job,
        account_id=account,
        attempt=attempt,
        via=Via.WEBHOOK,
        request_id=request.headers.get("x-fal-webhook-request-id", ""),
        verdict=envelope.verdict,
        body=await ingestor.vault.seal(account, body),
    )
    await record(ingestor, event)
    DELIVERIES.labels("accepted").inc()
    return Response({"status": "recorded"}, status_code=200)


def _envelope(body: bytes) -> Envelope:
    try:
        return read_envelope(body)
    except BadEnvelope:
        return Envelope(Verdict.NO_PAYLOAD, "", None)


async def _rejection(
    ingestor: Ingestor, request: AnyRequest, body: bytes, envelope: Envelope
) -> Rejection | None:
    if ingestor.settings.fal_webhooks == "unsigned":
        return None
    rejection = await ingestor.signatures.check(request.headers, body, now().timestamp())
    if rejection is None and envelope.request_id not in {
        "",
        request.headers["x-fal-webhook-request-id"],
    }:
        return Rejection.OTHER_REQUEST
    return rejection


async def _attempt(
    ingestor: Ingestor, request: AnyRequest, text: str
) -> tuple[AccountId, JobId, int] | None:
    """Tell whose job and which attempt this is about; None for what we never asked for."""
    try:
        job = job_id(text)
    except BadId:
        return None
    number = request.query_params.get("attempt", "")
    token = request.query_params.get("token", "")
    if number.isascii() and number.isdigit() and len(number) <= ATTEMPT_DIGITS_MAX:
        account = ingestor.tokens.open(token, job, int(number))
        if account is not None:
            return account, job, int(number)
    if ingestor.settings.fal_webhooks != "unsigned" or token:
        return None
    known = await ingestor.jobs.load(job)  # The seeds' curl: no token, the current attempt.
    return (known.state.account_id, job, known.state.attempt) if known else None


def on_error(_request: AnyRequest, error: Exception) -> AnyResponse:
    """413 for what is too large, 503 while a dependency is away: the provider sends it again."""
    if isinstance(error, HTTPException):
        DELIVERIES.labels(f"http_{error.status_code}").inc()
        codes = {413: "too_large", 404: "not_found", 405: "method_not_allowed"}
        return _problem(error.status_code, codes.get(error.status_code, "invalid"), error.detail)
    if isinstance(error, (LogUnavailable, StorageUnavailable)):
        DELIVERIES.labels("unavailable").inc()
        logger.warning("webhook_not_recorded", reason=str(error))
    else:
        DELIVERIES.labels("failed").inc()
        logger.error("webhook_failed", exc_info=error)
    return _problem(503, "unavailable", "not recorded: send it again")


def _problem(status: int, code: str, detail: str) -> AnyResponse:
    document = {
        "type": f"urn:darkroom:problem:{code}",
        "title": code.replace("_", " "),
        "status": status,
        "detail": detail,
        "code": code,
    }
    headers = {"Retry-After": "5"} if status == 503 else {}  # noqa: PLR2004
    return Response(
        document, status_code=status, headers=headers, media_type="application/problem+json"
    )
