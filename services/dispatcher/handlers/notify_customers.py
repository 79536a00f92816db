"""Notifies customers: signed deliveries to their endpoints, tried again for about a day."""

import asyncio
import random
from typing import Any

import httpx
import msgspec
import structlog
from nats.js.errors import KeyWrongLastSequenceError
from prometheus_client import Counter

from adapters.clock import fresh_commit_id, now
from adapters.database import DatabaseUnavailable
from adapters.event_log import LogUnavailable, sequence_of
from adapters.guarded_transport import AddressRefused
from contracts.commit import Commit
from contracts.events import NotificationFailed, NotificationSent
from contracts.ids import JobId, RunId
from contracts.subjects import evidence_subject
from domain.notifications import disables, next_attempt_at, signature
from read_models import deliveries, endpoints, jobs, runs
from read_models.deliveries import Delivery
from read_models.endpoints import Endpoint
from read_models.jobs import Job
from read_models.runs import Run
from read_models.unit_of_work import micros_of, time_of
from services.dispatcher.dependencies import Dispatcher

logger = structlog.get_logger()

SWEEP_SECONDS = 1.0
ROWS_A_SWEEP = 64
AT_ONCE_OF_ENDPOINT_MAX = 4  # A slow endpoint holds up its own deliveries only.
ANSWER_SECONDS_MAX = 15.0
ANSWER_BYTES_MAX = 64 * 1024
WORDS_MAX = 200
DELIVERIES = Counter("darkroom_notifications_total", "Deliveries to customers", ["outcome"])


async def notify_customers(dispatcher: Dispatcher) -> None:
    """Send what is owed, for ever. A delivery under way does not hold up the next look."""
    while True:
        try:
            dispatcher.deliveries_changed.clear()
            for delivery in await _due(dispatcher):
                _begin(dispatcher, delivery)
        except (DatabaseUnavailable, LogUnavailable) as error:
            logger.warning("notifications_wait", reason=repr(error))
        try:
            async with asyncio.timeout(SWEEP_SECONDS):
                await dispatcher.deliveries_changed.wait()
        except TimeoutError:
            continue


async def _due(dispatcher: Dispatcher) -> list[Delivery]:
    until = micros_of(now())
    return await dispatcher.database.read(
        lambda connection: deliveries.due(connection, until, ROWS_A_SWEEP)
    )


def _begin(dispatcher: Dispatcher, delivery: Delivery) -> None:
    under_way = dispatcher.notifying
    same = sum(each.startswith(f"{delivery.endpoint_id}.") for each in under_way)
    if delivery.delivery_id in under_way or same >= AT_ONCE_OF_ENDPOINT_MAX:
        return
    under_way.add(delivery.delivery_id)
    task = asyncio.create_task(_deliver(dispatcher, delivery))
    dispatcher.background.add(task)

    def done(ended: "asyncio.Task[None]") -> None:
        dispatcher.background.discard(ended)
        under_way.discard(delivery.delivery_id)
        if not ended.cancelled() and (error := ended.exception()) is not None:
            logger.warning("notification_waits", reason=repr(error))

    task.add_done_callback(done)


async def _deliver(dispatcher: Dispatcher, delivery: Delivery) -> None:
    number = delivery.attempts + 1
    if not await _claim(dispatcher, f"{delivery.delivery_id}.{delivery.sequence}"):
        return  # Another process sends it.
    known = await dispatcher.database.read(
        lambda connection: endpoints.of_account(connection, delivery.account_id)
    )
    endpoint = known.get(delivery.endpoint_id)
    body = await _body(dispatcher, delivery)
    if endpoint is None or not endpoint.enabled or body is None:
        await _failed(dispatcher, delivery, endpoint, number, "there is nobody to tell", None)
        return
    url = (await dispatcher.vault.unseal(delivery.account_id, endpoint.url)).decode()
    try:
        status = await _post(dispatcher, url, delivery, body)
    except (httpx.HTTPError, AddressRefused, TimeoutError, OSError) as error:
        reason = f"{type(error).__name__}: {error}"[:WORDS_MAX]
        await _failed(dispatcher, delivery, endpoint, number, reason, None)
        return
    if 200 <= status < 300:  # noqa: PLR2004
        DELIVERIES.labels("sent").inc()
        await _record(dispatcher, _sent(delivery, number, status))
        return
    await _failed(dispatcher, delivery, endpoint, number, f"HTTP {status}", status)


async def _claim(dispatcher: Dispatcher, name: str) -> bool:
    """Of several dispatchers one sends an attempt; a claim is forgotten after two minutes."""
    try:
        await (await dispatcher.claims()).create(name.replace(".", "/"), b"")
    except KeyWrongLastSequenceError:
        return False
    return True


async def _post(dispatcher: Dispatcher, url: str, delivery: Delivery, body: bytes) -> int:
    """Send once, signed, following no redirect; return the status. The answer is not read whole."""
    seconds = int(now().timestamp())
    message_id = f"msg_{delivery.delivery_id}"
    secrets = await dispatcher.secrets.holding(delivery.endpoint_id)
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "darkroom/1 (webhooks)",
        "webhook-id": message_id,
        "webhook-timestamp": str(seconds),
        "webhook-signature": signature(secrets, message_id, seconds, body),
    }
    async with (
        asyncio.timeout(ANSWER_SECONDS_MAX),
        dispatcher.customers.stream("POST", url, content=body, headers=headers) as answer,
    ):
        read = 0
        async for chunk in answer.aiter_raw():
            read += len(chunk)
            if read > ANSWER_BYTES_MAX:
                break
        return answer.status_code


async def _failed(
    dispatcher: Dispatcher,
    delivery: Delivery,
    endpoint: Endpoint | None,
    number: int,
    reason: str,
    status: int | None,
) -> None:
    at = now()
    since = endpoint.failing_since if endpoint is not None else None
    is_over = endpoint is None or disables(status, time_of(since) if since else None, at)
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
    await _record(dispatcher, event)


def _sent(delivery: Delivery, number: int, status: int) -> NotificationSent:
    return NotificationSent(
        account_id=delivery.account_id,
        endpoint_id=delivery.endpoint_id,
        delivery_id=delivery.delivery_id,
        number=number,
        status=status,
    )


async def _record(dispatcher: Dispatcher, event: NotificationSent | NotificationFailed) -> None:
    commit = Commit(id=fresh_commit_id(), at=now(), events=(event,))
    sequence_of(await dispatcher.log.append(evidence_subject("notification"), commit, after=None))


async def _body(dispatcher: Dispatcher, delivery: Delivery) -> bytes | None:
    """What is told: the type, when it happened, and the object as it ended."""
    about: dict[str, Any] | None
    if delivery.type.startswith("job."):
        about = _about_job(
            dispatcher,
            await dispatcher.database.read(
                lambda connection: jobs.find(connection, JobId(delivery.object_id))
            ),
        )
    else:
        about = _about_run(
            dispatcher,
            await dispatcher.database.read(
                lambda connection: runs.find(connection, RunId(delivery.object_id))
            ),
        )
    if about is None:
        return None
    at = time_of(delivery.created_at).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return msgspec.json.encode({"type": delivery.type, "timestamp": at, "data": about})


def _about_job(dispatcher: Dispatcher, job: Job | None) -> dict[str, Any] | None:
    """Ids, states and where to look: what people wrote is fetched with a token."""
    if job is None:
        return None
    site = dispatcher.settings.site_url.rstrip("/")
    artifacts = [
        {
            "url": dispatcher.vault.public_url(each.key) or f"{site}/{each.key}"
            if each.key is not None
            else each.url,
            "media_type": each.media_type,
            "width": each.width,
            "height": each.height,
            "bytes": each.size_bytes,
            "sha256": each.sha256,
        }
        for each in job.artifacts
    ]
    return {
        "id": job.job_id,
        "kind": job.kind,
        "status": job.status.value,
        "url": f"{site}/api/jobs/{job.job_id}",
        "artifacts": artifacts,
        "error_code": job.error_code,
        "retry_of": job.retry_of,
        "run_id": job.run_id,
        "step": job.step,
    }


def _about_run(dispatcher: Dispatcher, run: Run | None) -> dict[str, Any] | None:
    if run is None:
        return None
    site = dispatcher.settings.site_url.rstrip("/")
    return {
        "id": run.run_id,
        "project_id": run.project_id,
        "status": run.status,
        "url": f"{site}/api/runs/{run.run_id}",
        "steps": [
            {"step": each.step, "status": each.status, "job_id": each.job_id} for each in run.steps
        ],
    }
