"""Shows whether the system lives, whether it consumes, and its figures."""

import asyncio
from typing import Literal

from litestar import Response, get
from msgspec import Struct
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from adapters.health import ask_health
from read_models import positions
from services.api.dependencies import Api, Injected

DATABASE_SECONDS = 1.0


class Liveness(Struct, frozen=True):
    """The process answers."""

    status: Literal["live"]


class Readiness(Struct, frozen=True):
    """Whether requests can be answered."""

    status: Literal["ready", "not ready"]


@get("/health/live")
async def show_liveness() -> Liveness:
    """200 as long as the process answers."""
    return Liveness("live")


@get("/health/ready")
async def show_readiness(api: Injected[Api]) -> Response[Readiness]:
    """200 only when all four services consume, and reads are as new as what was answered before.
    Details are for operators: `darkroom doctor`.
    """
    states = await ask_health(api.client)
    ready = api.client.is_connected and all(state.consuming for state in states)
    if ready:
        try:
            async with asyncio.timeout(DATABASE_SECONDS):
                await api.log.check()
                ready = await api.database.read(positions.read) >= api.changes.needed
        except Exception:  # noqa: BLE001 - whatever it is, reads do not work.
            ready = False
    if not ready:
        return Response(Readiness("not ready"), status_code=503, headers={"Retry-After": "2"})
    return Response(Readiness("ready"))


@get("/metrics")
async def show_metrics() -> Response[bytes]:
    """Prometheus figures of this process. For operators on this port."""
    # Litestar adds the charset itself.
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST.partition("; charset")[0])
