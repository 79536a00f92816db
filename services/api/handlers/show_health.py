"""Shows whether the system lives, whether it consumes, and its figures."""

import asyncio

from litestar import Response, get
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from adapters.health import ask_health
from adapters.http_server import AnyResponse
from read_models import positions
from services.api.dependencies import Api, Injected

DATABASE_SECONDS = 1.0


@get("/health/live")
async def show_liveness() -> dict[str, str]:
    """200 as long as the process answers."""
    return {"status": "live"}


@get("/health/ready")
async def show_readiness(api: Injected[Api]) -> AnyResponse:
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
        return Response({"status": "not ready"}, status_code=503, headers={"Retry-After": "2"})
    return Response({"status": "ready"})


@get("/metrics")
async def show_metrics() -> AnyResponse:
    """Prometheus figures of this process. For operators on this port."""
    # Litestar adds the charset itself.
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST.partition("; charset")[0])
