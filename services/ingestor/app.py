"""Wires the ingestor and decides nothing."""

import asyncio

import httpx
from litestar import Litestar
from litestar.datastructures import State

from adapters import subscribers
from adapters.attempt_tokens import AttemptTokens
from adapters.broker_setup import SETTLE_RESULTS
from adapters.dead_letters import answer_replays
from adapters.event_log.jetstream import JetStreamLog
from adapters.fal import FalGateway
from adapters.fresh_rows import FreshRows
from adapters.health import Health, answer_health
from adapters.http_door import Bounds
from adapters.http_server import serve
from adapters.log_and_rows import open_log_and_rows
from adapters.peers import HEARTBEAT_SECONDS, Peers
from adapters.process import until
from adapters.sealed_box import derive
from adapters.vault import BrokerKeyStore, Vault
from application.job_commands import JobCommandHandler
from read_models.positions import find, read
from services.ingestor.dependencies import Ingestor
from services.ingestor.handlers import settle_results
from services.ingestor.handlers.receive_webhooks import BODY_BYTES_MAX, on_error, receive_webhook
from services.ingestor.handlers.sweep_waiting import sweeps
from services.ingestor.settings import IngestorSettings
from services.ingestor.signatures import Signatures

STOP_SECONDS = 5.0


async def run(settings: IngestorSettings, stop: asyncio.Event) -> None:
    client, log, database, changes = await open_log_and_rows(settings, "ingestor", find, read)
    storage = settings.storage()
    master_key = settings.master_key()
    web = httpx.AsyncClient(timeout=httpx.Timeout(20.0, connect=5.0), follow_redirects=False)
    await changes.start(client)
    peers = Peers("ingestor", client)
    await peers.start()
    ingestor = Ingestor(
        settings=settings,
        log=log,
        database=database,
        rows=FreshRows(log, changes, database, read, peers),
        peers=peers,
        storage=storage,
        vault=Vault(master_key, BrokerKeyStore(client), storage),
        jobs=JobCommandHandler(log),
        gateway=FalGateway(settings.provider_key or "simulator:no-money"),
        tokens=AttemptTokens(master_key),
        signatures=Signatures(settings.fal_jwks_url, settings.fal_user_id, web),
        media=web,
        artifact_key=derive(master_key, "artifact names"),
        client=client,
    )
    who = (settings.nats_url, settings.nats_user, settings.nats_password, "ingestor")
    stream = subscribers.stream_broker(*who)
    handler = settle_results.register(stream, ingestor)
    await answer_replays(client, SETTLE_RESULTS.durable, log, handler)
    await subscribers.start(stream)
    await answer_health(client, "ingestor", lambda: health_of(ingestor, log))
    keep_sweeping(ingestor)
    await until(stop, asyncio.create_task(_listen(ingestor, stop)))
    await ingestor.background.end_loops()
    await subscribers.stop(stream, STOP_SECONDS)
    await close(ingestor)
    await client.close()


def keep_sweeping(ingestor: Ingestor) -> None:
    ingestor.background.repeat("peers", ingestor.peers.send_heartbeat, HEARTBEAT_SECONDS)
    for name, sweep in sweeps(ingestor).items():
        ingestor.background.keep(name, sweep.run)


def health_of(ingestor: Ingestor, log: JetStreamLog) -> Health:
    own = (*ingestor.settings.alarms, *ingestor.signatures.alarms)
    alarms = (log.trouble, *own, *ingestor.background.troubles)
    is_connected = ingestor.client is not None and ingestor.client.is_connected
    is_consuming = is_connected and not log.trouble and ingestor.listening.is_set()
    return Health("ingestor", is_consuming, tuple(filter(None, alarms)))


async def _listen(ingestor: Ingestor, stop: asyncio.Event) -> None:
    settings = ingestor.settings
    where = (settings.ingestor_host, settings.ingestor_port)
    bounds = Bounds.of(settings)
    await serve(build(ingestor), *where, stop, bounds, listening=ingestor.listening)


async def close(ingestor: Ingestor) -> None:
    await ingestor.gateway.close()
    await ingestor.media.aclose()
    await ingestor.database.close()
    await ingestor.storage.close()


def build(ingestor: Ingestor) -> Litestar:
    return Litestar(
        [receive_webhook],
        state=State({"ingestor": ingestor}),
        exception_handlers={Exception: on_error},
        request_max_body_size=BODY_BYTES_MAX,
        openapi_config=None,
        logging_config=None,
        debug=False,
    )
