"""Receives the provider's webhooks: 200 only after the log has them."""

import asyncio
import hashlib
from collections.abc import Mapping
from enum import StrEnum

import structlog
from litestar import Response, post
from litestar.exceptions import HTTPException
from litestar.params import FromPath
from msgspec import Struct
from prometheus_client import Counter

from adapters.database import DatabaseUnavailable
from adapters.http_server import AnyRequest, AnyResponse
from adapters.problems import PROBLEM_TYPE, problem_document
from adapters.storage import StorageUnavailable
from adapters.vault import KeysUnavailable
from application.clock import now
from application.documents import WebhookRecorded
from application.event_log import LogUnavailable
from application.recording import record
from contracts.events import ResultReceived
from contracts.events.evidence import Verdict, Via
from contracts.ids import AccountId, BadId, JobId, job_id
from contracts.webhook_path import WEBHOOK_PATH
from domain.provider_results import BadEnvelope, Envelope, read_envelope
from domain.text import clean_line
from read_models import provider_requests
from read_models.provider_requests import AttemptRequests
from services.ingestor.dependencies import Ingestor
from services.ingestor.signatures import Rejection

logger = structlog.get_logger()

BODY_BYTES_MAX = 512 * 1024
ATTEMPT_DIGITS_MAX = 4
DELIVERIES_KNOWN_MAX = 10_000
DELIVERIES = Counter("darkroom_webhooks_total", "Webhook deliveries by verdict", ["verdict"])


class WebhookDelivery(Struct, frozen=True):
    """What came: the raw body, its headers by their lower names, and the URL's parts as sent."""

    job: str
    attempt: str
    token: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def request_id(self) -> str:
        return clean_line(self.headers.get("x-fal-webhook-request-id", ""))


class Acceptance(StrEnum):
    ACCEPTED = "accepted"
    REPEATED = "repeated"  # It is recorded already: nothing was written.


class DeliveredAttempt(Struct, frozen=True):
    """Which attempt a delivery is about."""

    account: AccountId
    job: JobId
    attempt: int


@post(f"{WEBHOOK_PATH}/{{id:str}}", status_code=200, request_max_body_size=BODY_BYTES_MAX)
async def receive_webhook(request: AnyRequest, id: FromPath[str]) -> AnyResponse:
    """Check the signature, then the job and attempt, then record the result; also a late one. A
    repeat of what is recorded is answered in the same way, and writes nothing.
    """
    query = request.query_params
    delivery = WebhookDelivery(
        job=id,
        attempt=query.get("attempt", ""),
        token=query.get("token", ""),
        headers=request.headers,
        body=await request.body(),
    )
    verdict = await take_in(request.app.state["ingestor"], delivery)
    DELIVERIES.labels(verdict.value).inc()
    match verdict:
        case Acceptance():
            return Response(WebhookRecorded("recorded"), status_code=200)
        case Rejection.NO_KEYS:
            return _problem(503, "unavailable", "the signature cannot be checked: send it again")
        case Rejection.UNKNOWN_ATTEMPT:
            return _problem(404, "not_found", "there is no such job and attempt")
        case _:
            return _problem(401, "unauthorized", "the signature does not hold")


async def take_in(ingestor: Ingestor, delivery: WebhookDelivery) -> Acceptance | Rejection:
    """Record a delivery, or say why not; raise LogUnavailable when it may not be in the log."""
    envelope = _envelope(delivery.body)
    rejection = await _rejection(ingestor, delivery, envelope)
    if rejection is not None:
        return rejection
    about = await _attempt_of(ingestor, delivery)
    if about is None:
        return Rejection.UNKNOWN_ATTEMPT
    requests = await _requests_of(ingestor, about)
    request_id = delivery.request_id
    if request_id and requests.own and request_id not in requests.own:
        return Rejection.OTHER_REQUEST
    if request_id and (request_id, envelope.verdict.value) in requests.results:
        return Acceptance.REPEATED
    return await _record_once(ingestor, about, delivery, envelope.verdict)


async def _record_once(
    ingestor: Ingestor, about: DeliveredAttempt, delivery: WebhookDelivery, verdict: Verdict
) -> Acceptance:
    """The same delivery again, even at the same time, waits for the first and writes nothing."""
    digest = hashlib.sha256(delivery.body).hexdigest()
    name = (about.job, str(about.attempt), delivery.request_id, digest)
    known = ingestor.deliveries
    task = known.get(name)
    if task is not None:
        await asyncio.shield(task)
        return Acceptance.REPEATED
    task = known[name] = asyncio.create_task(_record(ingestor, about, delivery, verdict))

    def forget(ended: "asyncio.Task[None]") -> None:
        if ended.cancelled() or ended.exception() is not None:
            known.pop(name, None)
        elif len(known) > DELIVERIES_KNOWN_MAX:
            known.pop(next(iter(known)))

    task.add_done_callback(forget)
    await asyncio.shield(task)
    return Acceptance.ACCEPTED


async def _record(
    ingestor: Ingestor, about: DeliveredAttempt, delivery: WebhookDelivery, verdict: Verdict
) -> None:
    event = ResultReceived(
        job_id=about.job,
        account_id=about.account,
        attempt=about.attempt,
        via=Via.WEBHOOK,
        request_id=delivery.request_id,
        verdict=verdict,
        body=await ingestor.vault.seal(about.account, delivery.body),
    )
    await record(ingestor.log, event)


def _envelope(body: bytes) -> Envelope:
    try:
        return read_envelope(body)
    except BadEnvelope:
        return Envelope(Verdict.NO_PAYLOAD, "", None)


async def _rejection(
    ingestor: Ingestor, delivery: WebhookDelivery, envelope: Envelope
) -> Rejection | None:
    if ingestor.settings.fal_webhooks == "unsigned":
        return None
    unix_seconds = now().timestamp()
    rejection = await ingestor.signatures.check(delivery.headers, delivery.body, unix_seconds)
    if rejection is None and envelope.request_id not in {"", delivery.request_id}:
        return Rejection.OTHER_REQUEST
    return rejection


async def _attempt_of(ingestor: Ingestor, delivery: WebhookDelivery) -> DeliveredAttempt | None:
    """Return which account's job and which attempt this is about; None if we never asked for it."""
    try:
        job = job_id(delivery.job)
    except BadId:
        return None
    number = delivery.attempt
    if number.isascii() and number.isdigit() and len(number) <= ATTEMPT_DIGITS_MAX:
        account = ingestor.tokens.open(delivery.token, job, int(number))
        if account is not None:
            return DeliveredAttempt(account, job, int(number))
    if ingestor.settings.fal_webhooks != "unsigned" or delivery.token:
        return None
    loaded = await ingestor.jobs.load(job)  # The seeds' curl: no token, the current attempt.
    return DeliveredAttempt(loaded.state.account_id, job, loaded.state.attempt) if loaded else None


async def _requests_of(ingestor: Ingestor, about: DeliveredAttempt) -> AttemptRequests:
    """Return the known requests of the attempt. If rows are behind or the database is away, fewer
    are known: then evidence may be recorded twice, which is harmless.
    """
    try:
        return await ingestor.database.read(provider_requests.of_attempt, about.job, about.attempt)
    except DatabaseUnavailable as error:
        logger.warning("request_ids_not_compared", job=about.job, reason=str(error))
        return AttemptRequests()


def on_error(_request: AnyRequest, error: Exception) -> AnyResponse:
    """413 for what is too large, 503 while a dependency is away: the provider sends it again."""
    if isinstance(error, HTTPException):
        DELIVERIES.labels(f"http_{error.status_code}").inc()
        codes = {413: "too_large", 404: "not_found", 405: "method_not_allowed"}
        return _problem(error.status_code, codes.get(error.status_code, "invalid"), error.detail)
    if isinstance(error, (LogUnavailable, StorageUnavailable, KeysUnavailable)):
        DELIVERIES.labels("unavailable").inc()
        logger.warning("webhook_not_recorded", reason=str(error))
    else:
        DELIVERIES.labels("failed").inc()
        logger.error("webhook_failed", exc_info=error)
    return _problem(503, "unavailable", "not recorded: send it again")


def _problem(status: int, code: str, detail: str) -> AnyResponse:
    document = problem_document(code, code.replace("_", " "), status, detail)
    headers = {"Retry-After": "5"} if status == 503 else {}  # noqa: PLR2004
    return Response(document, status_code=status, headers=headers, media_type=PROBLEM_TYPE)
