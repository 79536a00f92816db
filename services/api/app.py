"""Wires the api and decides nothing."""

import asyncio
from typing import Any

import httpx
from litestar import Litestar, Router
from litestar.config.cors import CORSConfig
from litestar.datastructures import State
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from prometheus_client import Counter

from adapters import broker
from adapters.account_desk import AccountDesk
from adapters.changes import Changes
from adapters.clock import fresh_commit_id
from adapters.database import open_database
from adapters.event_log.jetstream import JetStreamLog
from adapters.http_server import AnyResponse, serve
from adapters.job_desk import JobDesk
from adapters.process import until
from adapters.run_desk import RunDesk
from adapters.usage import TELL_SECONDS, Usage
from adapters.vault import BrokerKeyStore, Vault
from read_models import accounts, positions
from services.api.dependencies import Api
from services.api.handlers.answer_errors import on_error
from services.api.handlers.authenticate_callers import (
    Authenticator,
    require_operator,
    require_token,
)
from services.api.handlers.create_jobs import create_infographs, create_job
from services.api.handlers.draw_characters import draw_character, show_character
from services.api.handlers.end_jobs import cancel_infograph, cancel_job, delete_infograph
from services.api.handlers.handle_many import handle_many
from services.api.handlers.issue_tickets import (
    Tickets,
    issue_ticket,
    require_ticket_or_token,
)
from services.api.handlers.relay_webhooks import relay_webhook
from services.api.handlers.request_runs import cancel_run, generate_all, retry_failed
from services.api.handlers.retry_jobs import retry_infograph, retry_job
from services.api.handlers.serve_artifacts import serve_artifact
from services.api.handlers.show_credits import list_entries, show_credits
from services.api.handlers.show_health import show_liveness, show_metrics, show_readiness
from services.api.handlers.show_jobs import (
    list_infographs,
    list_jobs,
    show_history,
    show_job,
    show_job_kinds,
    show_status,
)
from services.api.handlers.show_runs import (
    show_content,
    show_generation_status,
    show_run,
    show_text,
)
from services.api.handlers.stream_changes import stream_account, stream_job
from services.api.handlers.stream_sockets import stream_socket
from services.api.settings import ApiSettings
from services.api.streams import Streams

BODY_BYTES_MAX = 128 * 1024
EXPOSED_HEADERS = ["ETag", "Link", "Location", "Retry-After", "Darkroom-As-Of"]
ANSWERS = Counter("darkroom_http_answers_total", "Answers of the api by status", ["status"])


async def run(settings: ApiSettings, stop: asyncio.Event) -> None:
    settings.check()
    api = await connect(settings)
    app = build(api)
    await until(
        stop,
        asyncio.create_task(
            serve(app, settings.darkroom_host, settings.darkroom_port, stop, sockets=True)
        ),
        asyncio.create_task(_tell_usage(api)),
        asyncio.create_task(_end_streams(app.state["streams"], stop)),
    )
    await api.relay.aclose()
    await api.database.close()
    await api.storage.close()
    await api.client.close()


async def _end_streams(streams: Streams, stop: asyncio.Event) -> None:
    """An open stream would keep the server from stopping."""
    await stop.wait()
    streams.stop()


async def _tell_usage(api: Api) -> None:
    while True:
        await asyncio.sleep(TELL_SECONDS)
        await api.usage.tell(api.client)


async def connect(settings: ApiSettings) -> Api:
    client = await broker.connect(
        settings.nats_url, settings.nats_user, settings.nats_password, "api"
    )
    log = await JetStreamLog.open(client)
    database = open_database(settings.database, read_only=True)
    storage = settings.storage()
    changes = Changes(lambda: database.read(positions.read))
    await changes.start(client)
    usage = Usage(fresh_commit_id())
    await usage.start(client)
    desk = AccountDesk(
        log,
        lambda account, wanted: database.read(
            lambda connection: accounts.snapshot(connection, account, wanted)
        ),
        changes,
    )
    return Api(
        settings=settings,
        client=client,
        log=log,
        database=database,
        storage=storage,
        vault=Vault(settings.master_key(), BrokerKeyStore(client), storage),
        changes=changes,
        accounts=desk,
        jobs=JobDesk(log),
        runs=RunDesk(log),
        relay=httpx.AsyncClient(timeout=httpx.Timeout(15.0, connect=2.0)),
        usage=usage,
    )


def build(api: Api) -> Litestar:
    authenticator = Authenticator(api)
    streams = Streams(api, authenticator)
    return Litestar(
        routes(),
        state=State(
            {
                "api": api,
                "authenticator": authenticator,
                "streams": streams,
                "tickets": Tickets(api.client),
            }
        ),
        exception_handlers={Exception: on_error},
        after_request=_count,
        cors_config=_cors(api.settings.cors_origins),
        openapi_config=OpenAPIConfig(
            title="Darkroom",
            version="1",
            path="/api/openapi.json",
            render_plugins=[JsonRenderPlugin(path="/")],
        ),
        request_max_body_size=BODY_BYTES_MAX,
        logging_config=None,
        debug=False,
    )


def routes() -> list[Any]:
    """Every path: those that need a token hang on a router that asks for it."""
    own_infographs = Router(
        "/",
        route_handlers=[
            create_infographs,
            show_status,
            list_infographs,
            cancel_infograph,
            retry_infograph,
            delete_infograph,
            handle_many,
        ],
        guards=[require_token],
    )
    own_jobs = Router(
        "/api",
        route_handlers=[
            create_job,
            list_jobs,
            show_job,
            show_history,
            cancel_job,
            retry_job,
            show_job_kinds,
            show_credits,
            list_entries,
            show_text,
            show_run,
            cancel_run,
            show_generation_status,
            show_content,
            issue_ticket,
            Router("/generate", route_handlers=[generate_all, retry_failed]),
            Router("/characters", route_handlers=[draw_character, show_character]),
        ],
        guards=[require_token],
    )
    infographs: list[Any] = [own_infographs, relay_webhook]
    return [
        own_jobs,
        Router(
            "/api",
            route_handlers=[stream_account, stream_job, stream_socket],
            guards=[require_ticket_or_token],
        ),
        Router("/api/infographs", route_handlers=infographs),
        Router("/infographs", route_handlers=infographs, include_in_schema=False),
        Router("/", route_handlers=[show_metrics], guards=[require_operator]),
        serve_artifact,
        show_liveness,
        show_readiness,
    ]


async def _count(response: AnyResponse) -> AnyResponse:
    ANSWERS.labels(response.status_code or 200).inc()
    return response


def _cors(origins: str) -> CORSConfig | None:
    """Exact origins only; without any there is no CORS at all."""
    allowed = [origin.strip() for origin in origins.split(",") if origin.strip()]
    if not allowed:
        return None
    return CORSConfig(
        allow_origins=allowed,
        allow_headers=["Authorization", "Content-Type", "Idempotency-Key", "Prefer"],
        expose_headers=EXPOSED_HEADERS,
    )
