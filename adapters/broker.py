"""The broker: connecting to it, and what a subscription of ours is."""

import asyncio
import ssl
from typing import Any

import nats
import structlog
from msgspec import Struct
from nats.aio.client import Client
from prometheus_client import Counter

from contracts.commit import CommitKind

logger = structlog.get_logger()

DELIVERIES_MAX = 6
ACK_WAIT_SECONDS = 90.0
CANCEL_AGAIN_SECONDS = 0.1

BROKER_ERRORS = Counter(
    "darkroom_broker_errors_total", "Errors that the broker reported asynchronously", ["kind"]
)


class Subscription(Struct, frozen=True):
    """A durable consumer. `darkroom broker setup` makes it; services never do."""

    durable: str
    subject: str
    commit_kinds: frozenset[CommitKind]


async def on_error(error: Exception) -> None:
    """Log and count. A refused permission is reported here only; the call itself times out."""
    kind = "permission" if "permissions violation" in str(error).lower() else "other"
    BROKER_ERRORS.labels(kind).inc()
    log = logger.error if kind == "permission" else logger.warning
    log("broker_error", reason=str(error), kind=kind)


CONNECTION_OPTIONS: dict[str, Any] = {
    "max_reconnect_attempts": -1,
    "reconnect_time_wait": 0.2,
    "connect_timeout": 2,
    "ping_interval": 10,
    "max_outstanding_pings": 2,
    # Nothing is buffered while there is no connection: a request that was answered with 503
    # must not be carried out when the connection is back.
    "pending_size": 0,
    "error_cb": on_error,
}


def inbox_prefix(user: str | None) -> str:
    """Each user has inboxes of its own: no service can see another's replies."""
    return f"_INBOX_{user}" if user is not None else "_INBOX"


async def connect(url: str, user: str | None, password: str | None, name: str) -> Client:
    """Connect; retry for ever, as the broker may come up after us."""
    options = CONNECTION_OPTIONS | {"inbox_prefix": inbox_prefix(user)}
    if user is not None:
        options |= {"user": user, "password": password}
    tls = ssl.create_default_context() if url.startswith("tls://") else None
    connecting = asyncio.ensure_future(
        nats.connect(url, name=name, tls=tls, allow_reconnect=True, **options)
    )
    try:
        return await asyncio.shield(connecting)
    except asyncio.CancelledError:
        await _give_up(connecting)
        raise


async def _give_up(connecting: asyncio.Future[Client]) -> None:
    """Cancel until it has ended. nats-py uses asyncio.wait_for, which in Python 3.11 loses
    a cancellation that comes as the inner call ends; it would then try again for ever.
    """
    while not connecting.done():
        connecting.cancel()
        await asyncio.wait({connecting}, timeout=CANCEL_AGAIN_SECONDS)
    if not connecting.cancelled() and connecting.exception() is None:
        await connecting.result().close()
