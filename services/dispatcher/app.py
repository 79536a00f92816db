"""Wires the dispatcher and decides nothing."""

import asyncio
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any

import httpx
from nats.aio.client import Client

from adapters import broker
from adapters.attempt_tokens import AttemptTokens
from adapters.broker_setup import SUBMIT_JOBS
from adapters.buckets import LazyBucket
from adapters.changes import Changes
from adapters.database import Database, open_database
from adapters.dead_letters import answer_replays
from adapters.endpoint_secrets import EndpointSecrets
from adapters.event_log.jetstream import JetStreamLog
from adapters.fal import CONNECT_SECONDS, POST_SECONDS, FalGateway
from adapters.fresh_rows import FreshRows, expect_mark
from adapters.guarded_transport import GuardedTransport
from adapters.health import Health, answer_health
from adapters.peers import TELL_SECONDS, Peers
from adapters.sweep import Sweep
from adapters.vault import BrokerKeyStore, Vault
from application.job_commands import JobCommandHandler
from application.run_commands import RunCommandHandler
from contracts.announcement import Announcement
from contracts.subjects import CLAIM_BUCKET
from read_models import positions
from services.dispatcher.dependencies import POSTS_AT_ONCE_MAX, Dispatcher
from services.dispatcher.handlers import submit_jobs
from services.dispatcher.handlers.advance_runs import runs
from services.dispatcher.handlers.find_lost_replies import find_lost_replies, pause_of
from services.dispatcher.handlers.notify_customers import notifications
from services.dispatcher.handlers.sweep_waiting import sweeps
from services.dispatcher.settings import DispatcherSettings

STOP_SECONDS = 5.0
DRAIN_SECONDS = POST_SECONDS + CONNECT_SECONDS + 15.0  # A POST, and what has to be recorded of it.


def customers(settings: DispatcherSettings) -> httpx.AsyncClient:
    """Reaches customers' servers: never inwards, never through a redirect. What one of them sets
    as a cookie is nobody else's business: none is kept.
    """
    return httpx.AsyncClient(
        transport=GuardedTransport(settings.allowed_hosts),
        follow_redirects=False,
        timeout=httpx.Timeout(15.0, connect=5.0),
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
    )


async def run(settings: DispatcherSettings, stop: asyncio.Event) -> None:
    who = (settings.nats_url, settings.nats_user, settings.nats_password, "dispatcher")
    client = await broker.connect(*who)
    log = await JetStreamLog.open(client)
    database = open_database(settings.database, read_only=True)
    dispatcher = await connect(settings, client, log, database)
    stream = broker.stream_broker(*who)
    handler = submit_jobs.register(stream, dispatcher)
    await answer_replays(client, SUBMIT_JOBS.durable, log, handler)
    await broker.start(stream)

    def check() -> Health:
        alarms = (dispatcher.breaker.alarm, log.trouble, *dispatcher.background.troubles)
        is_consuming = client.is_connected and not log.trouble
        return Health("dispatcher", is_consuming, tuple(filter(None, alarms)))

    await answer_health(client, "dispatcher", check)
    keep_sweeping(dispatcher)
    await stop.wait()
    dispatcher.stopping.set()
    await dispatcher.background.end_loops()
    await broker.stop(stream, STOP_SECONDS)
    await dispatcher.background.drain(0)
    await dispatcher.posts.drain(DRAIN_SECONDS)  # A paid POST is not cut.
    await dispatcher.gateway.close()
    await dispatcher.customers.aclose()
    await database.close()
    await client.close()


async def connect(
    settings: DispatcherSettings, client: Client, log: JetStreamLog, database: Database
) -> Dispatcher:
    await expect_mark(log, database, positions.find)
    changes = Changes(lambda: database.read(positions.read))
    await changes.start(client)
    peers = Peers("dispatcher", client, settings.provider_concurrency_max)
    await peers.start()
    storage = settings.storage()
    master_key = settings.master_key()
    gateway = FalGateway(
        settings.provider_key or "simulator:no-money",
        platform_url=settings.platform_url,
        connections_max=2 * POSTS_AT_ONCE_MAX,
    )
    return Dispatcher(
        settings,
        log,
        database,
        FreshRows(log, changes, database, positions.read),
        peers,
        Vault(master_key, BrokerKeyStore(client), storage),
        JobCommandHandler(log),
        RunCommandHandler(log),
        gateway,
        AttemptTokens(master_key),
        EndpointSecrets(client, master_key),
        customers(settings),
        LazyBucket(client, CLAIM_BUCKET),
    )


def keep_sweeping(dispatcher: Dispatcher) -> None:
    background = dispatcher.background
    background.repeat("peers", dispatcher.peers.tell, TELL_SECONDS)
    background.repeat("listing", lambda: find_lost_replies(dispatcher), pause_of(dispatcher))
    of_runs, of_deliveries = runs(dispatcher), notifications(dispatcher)
    for name, sweep in sweeps(dispatcher).items():
        background.keep(name, sweep.run)
    background.keep("runs", of_runs.run)
    background.keep("notifications", of_deliveries.run)
    _listen(dispatcher, {"runs": of_runs, "deliveries": of_deliveries})


def _listen(dispatcher: Dispatcher, by_table: dict[str, Sweep[Any]]) -> None:
    """Be woken by the projector's announcements; one that is lost costs a second."""

    def hear(heard: Announcement) -> None:
        for row in heard.rows:
            if row.table in by_table:
                by_table[row.table].changed(row.id)
        if dispatcher.peers.count > 1 and any(row.table == "jobs" for row in heard.rows):
            dispatcher.submissions_changed.set()  # Another's messages may be this one's jobs.

    dispatcher.rows.changes.listen(hear)
