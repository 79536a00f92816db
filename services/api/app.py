"""Wires the api and decides nothing."""

import asyncio
from collections.abc import Callable
from typing import Any

from litestar import Litestar
from litestar.config.cors import CORSConfig
from litestar.datastructures import State
from litestar.di import Provide

from adapters.background import Background
from adapters.endpoint_secrets import EndpointSecrets
from adapters.fingerprints import Fingerprints
from adapters.http_door import Bounds
from adapters.http_server import serve
from adapters.log_and_rows import open_log_and_rows
from adapters.process import until
from adapters.provider_progress import ProviderProgress
from adapters.usage import TELL_SECONDS, Usage
from adapters.vault import BrokerKeyStore, Vault
from application.account_commands import AccountCommandHandler
from application.clock import fresh_commit_id
from application.job_commands import JobCommandHandler
from application.run_commands import RunCommandHandler
from read_models import accounts
from read_models.positions import find, read
from services.api.dependencies import Api, Injected
from services.api.handlers.answer_early import answer_early, keep_error
from services.api.handlers.answer_errors import on_error
from services.api.handlers.callers import Authenticator
from services.api.handlers.relay_webhooks import Relay
from services.api.handlers.request_context import caller_of, context_of
from services.api.handlers.route_requests import routes
from services.api.handlers.strict_bodies import StrictRequest
from services.api.handlers.tickets import Tickets
from services.api.settings import ApiSettings
from services.api.streams import Streams

BODY_BYTES_MAX = 128 * 1024
ALLOWED_HEADERS = [
    *("Authorization", "Content-Type", "Idempotency-Key", "Prefer"),
    *("If-None-Match", "If-Range", "Last-Event-ID", "Range"),
]
EXPOSED_HEADERS = [
    *("ETag", "Link", "Location", "Retry-After", "Darkroom-As-Of", "Idempotency-Replayed"),
    *("Preference-Applied", "Accept-Ranges", "Content-Range"),
]


async def run(settings: ApiSettings, stop: asyncio.Event) -> None:
    api = await connect(settings)
    app = build(api)
    relay = Relay(settings.ingestor_url)
    front = answer_early(app, relay)
    background = Background()
    background.repeat("usage", lambda: api.usage.send(api.client), TELL_SECONDS)
    where = (settings.darkroom_host, settings.darkroom_port)
    await until(
        stop,
        asyncio.create_task(serve(front, *where, stop, Bounds.of(settings), sockets=True)),
        asyncio.create_task(_end_streams(app.state["streams"], stop)),
    )
    await background.end_loops()
    relay.close()
    await api.database.close()
    await api.storage.close()
    await api.client.close()


async def _end_streams(streams: Streams, stop: asyncio.Event) -> None:
    """An open stream would keep the server from stopping."""
    await stop.wait()
    streams.stop()


async def connect(settings: ApiSettings) -> Api:
    client, log, database, changes = await open_log_and_rows(settings, "api", find, read)
    storage = settings.storage()
    # Another process, or this one before, may have answered from anything up to the log's end.
    await changes.start(client, floor=await log.end())
    progress = ProviderProgress()
    await progress.start(client)
    usage = Usage(fresh_commit_id())
    await usage.start(client)
    commands = AccountCommandHandler(
        log, lambda account, wanted: database.read(accounts.snapshot, account, wanted), changes
    )
    return Api(
        settings=settings,
        client=client,
        log=log,
        database=database,
        storage=storage,
        vault=Vault(settings.master_key(), BrokerKeyStore(client, makes_keys=True), storage),
        changes=changes,
        accounts=commands,
        jobs=JobCommandHandler(log),
        runs=RunCommandHandler(log),
        usage=usage,
        secrets=EndpointSecrets(client, settings.master_key()),
        fingerprints=Fingerprints(settings.master_key()),
        progress=progress,
        authenticator=Authenticator(database, changes, log),
        tickets=Tickets(client),
    )


def build(api: Api) -> Litestar:
    streams = Streams(api)
    return Litestar(
        routes(),
        state=State({"api": api, "streams": streams}),
        dependencies=_dependencies(api, streams),
        request_class=StrictRequest,
        exception_handlers={Exception: on_error},
        after_exception=[keep_error],
        cors_config=_cors(api.settings.cors_origins),
        openapi_config=None,
        request_max_body_size=BODY_BYTES_MAX,
        logging_config=None,
        debug=False,
    )


def _dependencies(api: Api, streams: Streams) -> dict[str, Provide]:
    """Return what handlers can have as parameters, by the parameter's name."""

    def give_api() -> Api:
        return api

    def give_streams(api: Injected[Api]) -> Streams:
        del api  # Asked for to be resolved after it: see `caller_of`.
        return streams

    providers: dict[str, Callable[..., Any]] = {
        "api": give_api,
        "caller": caller_of,
        "context": context_of,
        "streams": give_streams,
    }
    return {name: Provide(give, sync_to_thread=False) for name, give in providers.items()}


def _cors(origins: str) -> CORSConfig | None:
    """Exact origins only; without any there is no CORS at all."""
    allowed = [origin.strip() for origin in origins.split(",") if origin.strip()]
    if not allowed:
        return None
    return CORSConfig(
        allow_origins=allowed, allow_headers=ALLOWED_HEADERS, expose_headers=EXPOSED_HEADERS
    )
