"""Notifies customers: signed deliveries to their endpoints, tried again for about a day."""

import asyncio
import random
from datetime import datetime
from functools import partial

import httpx
import msgspec
import structlog
from nats.js.errors import KeyWrongLastSequenceError
from prometheus_client import Counter
from standardwebhooks import Webhook

from adapters.guarded_transport import AddressRefused
from adapters.sweep import Pace, Sweep
from adapters.vault import Unreadable
from application.clock import now
from application.documents import artifact_document
from application.notifications import (
    PAYLOADS,
    JobNotification,
    NotifiedJob,
    NotifiedRun,
    NotifiedStep,
)
from application.recording import record
from contracts.events import Artifact, NotificationFailed, NotificationSent
from contracts.ids import JobId, RunId
from contracts.job_state import End
from domain.endpoints import advice, host_and_port
from domain.notifications import disables, next_attempt_at
from domain.times import text_of, time_of
from read_models import deliveries, endpoints, jobs, runs
from read_models.deliveries import Delivery
from read_models.endpoints import Endpoint
from read_models.jobs import Job
from read_models.runs import Run
from services.dispatcher.dependencies import Dispatcher

logger = structlog.get_logger()

# Many at once, few of one endpoint: a slow endpoint delays its own deliveries only. A product's
# endpoint hears of all its users: one that answers within 0.2 s keeps up with 40 ends a second.
DELIVERIES_PACE = Pace(
    at_once=512, at_once_of_lane=8, act_seconds=60.0, pause_seconds=2.0, pause_seconds_max=60.0
)
GONE = 410  # Standard Webhooks: the endpoint wants nothing any more.
ANSWER_SECONDS_MAX = 15.0
ANSWER_BYTES_MAX = 64 * 1024
DELIVERIES = Counter("darkroom_notifications_total", "Deliveries to customers", ["outcome"])


class Undelivered(Exception):
    """Why an attempt failed, in words that the endpoint's owner may read."""


def notifications(dispatcher: Dispatcher) -> Sweep[Delivery]:
    """Return the loop that sends deliveries that are due, in turn by endpoint."""
    act, wake = partial(deliver, dispatcher), dispatcher.deliveries_changed
    return dispatcher.rows.sweep("notifications", DELIVERIES_PACE, deliveries.due, act, wake)


async def deliver(dispatcher: Dispatcher, delivery: Delivery) -> None:
    number = delivery.attempts + 1
    if not await _claim(dispatcher, f"{delivery.delivery_id}.{delivery.sequence}"):
        return  # Another process sends this attempt.
    registered = await dispatcher.database.read(endpoints.of_account, delivery.account_id)
    endpoint = registered.get(delivery.endpoint_id)
    body = await _body(dispatcher, delivery)
    if endpoint is None or not endpoint.enabled or body is None:
        await _failed(dispatcher, delivery, None, number, "there is nobody to tell", None)
        return
    try:
        status = await _post(dispatcher, endpoint, delivery, body)
    except Undelivered as reason:
        await _failed(dispatcher, delivery, endpoint, number, str(reason), None)
        return
    if 200 <= status < 300:  # noqa: PLR2004
        DELIVERIES.labels("sent").inc()
        event = NotificationSent(
            account_id=delivery.account_id,
            endpoint_id=delivery.endpoint_id,
            delivery_id=delivery.delivery_id,
            number=number,
            status=status,
        )
        await record(dispatcher.log, event)
        return
    await _failed(dispatcher, delivery, endpoint, number, f"HTTP {status}", status)


async def _claim(dispatcher: Dispatcher, name: str) -> bool:
    """Return whether this process may send the attempt: of several dispatchers one does. A claim
    is forgotten after two minutes.
    """
    try:
        await (await dispatcher.claims.open()).create(name.replace(".", "/"), b"")
    except KeyWrongLastSequenceError:
        return False
    return True


async def _post(dispatcher: Dispatcher, endpoint: Endpoint, delivery: Delivery, body: bytes) -> int:
    """Send once, signed, following no redirect; return the status, or raise Undelivered. Only the
    first bytes of the answer are read. Undelivered has words of our own, because those of a
    network error may name internal addresses.
    """
    url = ""
    try:
        url = (await dispatcher.vault.unseal(delivery.account_id, endpoint.url)).decode()
        async with asyncio.timeout(ANSWER_SECONDS_MAX):
            return await _send(dispatcher, url, delivery, body)
    except (Unreadable, httpx.InvalidURL, ValueError) as error:
        raise Undelivered("the URL cannot be used") from error
    except AddressRefused as error:
        _log_refused(delivery, url, error)
        raise Undelivered("the URL leads to an address that is not a public one") from error
    except (httpx.TimeoutException, TimeoutError) as error:
        raise Undelivered("no answer in time") from error
    except httpx.ConnectError as error:
        raise Undelivered("no connection could be made") from error
    except (httpx.HTTPError, OSError) as error:
        raise Undelivered("the connection was lost") from error


def _log_refused(delivery: Delivery, url: str, error: AddressRefused) -> None:
    """Tell operators what the owner must not read: where the name leads, and what allows it."""
    host, port = host_and_port(url)
    logger.warning(
        "delivery_refused",
        delivery=delivery.delivery_id,
        addresses=error.addresses,
        reason=f"{error}; {advice(host, port)}",
    )


async def _send(dispatcher: Dispatcher, url: str, delivery: Delivery, body: bytes) -> int:
    at = now()
    message_id = f"msg_{delivery.delivery_id}"
    secrets = await dispatcher.secrets.holding(delivery.endpoint_id)
    if not secrets:
        raise Undelivered("the endpoint's secret is gone: rotate it")
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "darkroom/1 (webhooks)",
        "webhook-id": message_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": _signatures(secrets, message_id, at, body),
    }
    request = dispatcher.customers.build_request("POST", url, content=body, headers=headers)
    answer = await dispatcher.customers.send(request, stream=True)
    try:
        read = 0
        async for chunk in answer.aiter_raw():
            read += len(chunk)
            if read > ANSWER_BYTES_MAX:
                break
        return answer.status_code
    finally:
        await answer.aclose()


def _signatures(secrets: list[str], message_id: str, at: datetime, body: bytes) -> str:
    """Sign under each secret that holds: for a day after a rotation these are two."""
    text = body.decode()
    return " ".join(Webhook(secret).sign(message_id, at, text) for secret in secrets)


async def _failed(
    dispatcher: Dispatcher,
    delivery: Delivery,
    endpoint: Endpoint | None,
    number: int,
    reason: str,
    status: int | None,
) -> None:
    at = now()
    is_over = endpoint is None or disables(
        at,
        is_gone=status == GONE,
        failing_since=time_of(endpoint.failing_since) if endpoint.failing_since else None,
    )
    jitter = random.random()  # noqa: S311 - spreads load, guards nothing.
    event = NotificationFailed(
        account_id=delivery.account_id,
        endpoint_id=delivery.endpoint_id,
        delivery_id=delivery.delivery_id,
        number=number,
        reason=reason,
        status=status,
        not_before=None if is_over else next_attempt_at(number, at, jitter),
        disables=is_over and endpoint is not None,
    )
    DELIVERIES.labels("failed").inc()
    await record(dispatcher.log, event)


async def _body(dispatcher: Dispatcher, delivery: Delivery) -> bytes | None:
    """Return what is sent: the type, when it happened, and the object as it ended."""
    read, payload = dispatcher.database.read, PAYLOADS[delivery.type]
    about: NotifiedJob | NotifiedRun | None
    if payload is JobNotification:
        job = await read(jobs.find, JobId(delivery.object_id))
        about = _about_job(dispatcher, job) if job is not None else None
    else:
        run = await read(runs.find, RunId(delivery.object_id))
        about = _about_run(dispatcher, run) if run is not None else None
    if about is None:
        return None
    fields = {"type": delivery.type, "timestamp": text_of(delivery.created_at), "data": about}
    return msgspec.json.encode(msgspec.convert(fields, payload))


def _about_job(dispatcher: Dispatcher, job: Job) -> NotifiedJob:
    return NotifiedJob(
        id=job.job_id,
        account=job.account_id,
        kind=job.kind,
        status=End(job.status),
        url=f"{dispatcher.settings.origin}/api/jobs/{job.job_id}",
        artifacts=tuple(
            artifact_document(each, _url_of(dispatcher, job, each)) for each in job.artifacts
        ),
        error_code=job.error_code,
        retry_of=job.retry_of,
        run_id=job.run_id,
        step=job.step,
    )


def _url_of(dispatcher: Dispatcher, job: Job, artifact: Artifact) -> str | None:
    """Return the unguessable URL of a file, or the URL of a text, which needs a token."""
    origin = dispatcher.settings.origin
    if artifact.text is not None:
        return f"{origin}/api/jobs/{job.job_id}/text"
    if artifact.key is None:
        return artifact.url
    return dispatcher.vault.public_url(artifact.key) or f"{origin}/{artifact.key}"


def _about_run(dispatcher: Dispatcher, run: Run) -> NotifiedRun:
    return NotifiedRun(
        id=run.run_id,
        account=run.account_id,
        project_id=run.project_id,
        status=End(run.status),
        url=f"{dispatcher.settings.origin}/api/runs/{run.run_id}",
        steps=tuple(NotifiedStep(each.step, each.status, each.job_id) for each in run.steps),
    )
