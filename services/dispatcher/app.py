"""Wires the dispatcher and decides nothing."""

import asyncio

import httpx

from adapters import broker
from adapters.attempt_tokens import AttemptTokens
from adapters.broker_setup import SUBMIT_JOBS
from adapters.database import open_database
from adapters.endpoint_secrets import EndpointSecrets
from adapters.event_log.jetstream import JetStreamLog
from adapters.fal import FalGateway
from adapters.guarded_transport import GuardedTransport
from adapters.health import Health, answer_health
from adapters.job_desk import JobDesk
from adapters.parking import answer_replays
from adapters.process import until
from adapters.run_desk import RunDesk
from adapters.vault import BrokerKeyStore, Vault
from contracts.subjects import CLAIM_BUCKET
from services.dispatcher.dependencies import Dispatcher
from services.dispatcher.handlers import submit_jobs
from services.dispatcher.handlers.advance_runs import advance_runs, listen
from services.dispatcher.handlers.ask_witness import ask_witness
from services.dispatcher.handlers.notify_customers import notify_customers
from services.dispatcher.handlers.sweep_waiting import sweep_waiting
from services.dispatcher.settings import DispatcherSettings

STOP_SECONDS = 5.0


def customers(settings: DispatcherSettings) -> httpx.AsyncClient:
    """Reaches customers' servers: never inwards, never through a redirect."""
    return httpx.AsyncClient(
        transport=GuardedTransport(settings.allowed_hosts),
        follow_redirects=False,
        timeout=httpx.Timeout(15.0, connect=5.0),
    )


async def run(settings: DispatcherSettings, stop: asyncio.Event) -> None:
    who = (settings.nats_url, settings.nats_user, settings.nats_password, "dispatcher")
    client = await broker.connect(*who)
    log = await JetStreamLog.open(client)
    database = open_database(settings.database, read_only=True)
    storage = settings.storage()
    master_key = settings.master_key()
    gateway = FalGateway(
        settings.provider_key or "simulator:no-money", platform_url=settings.platform_url
    )
    dispatcher = Dispatcher(
        settings,
        log,
        database,
        Vault(master_key, BrokerKeyStore(client), storage),
        JobDesk(log),
        RunDesk(log),
        gateway,
        AttemptTokens(master_key),
        EndpointSecrets(client, master_key),
        customers(settings),
        lambda: client.jetstream().key_value(CLAIM_BUCKET),
    )
    stream = broker.stream_broker(*who)
    handler = submit_jobs.register(stream, dispatcher)
    await answer_replays(client, SUBMIT_JOBS.durable, log, handler)
    await broker.start(stream)

    def check() -> Health:
        alarms = (dispatcher.breaker.alarm,) if dispatcher.breaker.alarm else ()
        return Health("dispatcher", client.is_connected, alarms)

    await answer_health(client, "dispatcher", check)
    await listen(dispatcher, client)
    await until(
        stop,
        asyncio.create_task(sweep_waiting(dispatcher)),
        asyncio.create_task(ask_witness(dispatcher)),
        asyncio.create_task(advance_runs(dispatcher)),
        asyncio.create_task(notify_customers(dispatcher)),
    )
    await asyncio.wait_for(stream.stop(), STOP_SECONDS)
    await gateway.close()
    await dispatcher.customers.aclose()
    await database.close()
    await storage.close()
    await client.close()
