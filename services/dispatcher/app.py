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
from adapters.dead_letters import answer_replays
from adapters.endpoint_secrets import EndpointSecrets
from adapters.event_log.jetstream import JetStreamLog
from adapters.fal import CONNECT_SECONDS, POST_SECONDS, FalGateway
from adapters.fresh_rows import FreshRows
from adapters.guarded_transport import GuardedTransport
from adapters.health import Health, answer_health
from adapters.log_and_rows import open_log_and_rows
from adapters.peers import HEARTBEAT_SECONDS, Peers
from adapters.sweep import Sweep
from adapters.vault import BrokerKeyStore, Vault
from application.job_commands import JobCommandHandler
from application.run_commands import RunCommandHandler
from contracts.announcement import Announcement
from contracts.subjects import CLAIM_BUCKET
from read_models.positions import find, read
from services.dispatcher.dependencies import POSTS_AT_ONCE_MAX, Dispatcher
from services.dispatcher.handlers import submit_jobs
from services.dispatcher.handlers.advance_runs import runs
from services.dispatcher.handlers.find_lost_replies import find_lost_replies, pause_of
from services.dispatcher.handlers.notify_customers import notifications
from services.dispatcher.handlers.sweep_waiting import sweeps
from services.dispatcher.settings import DispatcherSettings

STOP_SECONDS = 5.0
DRAIN_SECONDS = POST_SECONDS + CONNECT_SECONDS + 15.0  # A POST, and recording its outcome.


def customers_client(settings: DispatcherSettings) -> httpx.AsyncClient:
    """Return the client for customers' servers. It connects to public addresses only, follows no
    redirect, and keeps no cookies, since all customers share it.
    """
    return httpx.AsyncClient(
        transport=GuardedTransport(settings.webhook_hosts),
        follow_redirects=False,
        timeout=httpx.Timeout(15.0, connect=5.0),
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
    )


async def run(settings: DispatcherSettings, stop: asyncio.Event) -> None:
    client, log, dispatcher = await connect(settings)
    who = (settings.nats_url, settings.nats_user, settings.nats_password, "dispatcher")
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
    await dispatcher.posts.drain(DRAIN_SECONDS)  # A POST may cost money: it is not cut.
    await dispatcher.gateway.close()
    await dispatcher.customers.aclose()
    await dispatcher.database.close()
    await client.close()


async def connect(settings: DispatcherSettings) -> tuple[Client, JetStreamLog, Dispatcher]:
    client, log, database, changes = await open_log_and_rows(settings, "dispatcher", find, read)
    await changes.start(client)
    peers = Peers("dispatcher", client, settings.provider_concurrency_max)
    await peers.start()
    master_key = settings.master_key()
    gateway = FalGateway(
        settings.provider_key or "simulator:no-money",
        platform_url=settings.platform_url,
        connections_max=2 * POSTS_AT_ONCE_MAX,
    )
    dispatcher = Dispatcher(
        settings,
        log,
        database,
        FreshRows(log, changes, database, read, peers),
        peers,
        Vault(master_key, BrokerKeyStore(client), settings.storage()),
        JobCommandHandler(log),
        RunCommandHandler(log),
        gateway,
        AttemptTokens(master_key),
        EndpointSecrets(client, master_key),
        customers_client(settings),
        LazyBucket(client, CLAIM_BUCKET),
    )
    return client, log, dispatcher


def keep_sweeping(dispatcher: Dispatcher) -> None:
    background = dispatcher.background
    background.repeat("peers", dispatcher.peers.send_heartbeat, HEARTBEAT_SECONDS)
    background.repeat("listing", lambda: find_lost_replies(dispatcher), pause_of(dispatcher))
    of_runs, of_deliveries = runs(dispatcher), notifications(dispatcher)
    by_name = {**sweeps(dispatcher), "runs": of_runs, "notifications": of_deliveries}
    for name, sweep in by_name.items():
        background.keep(name, sweep.run)
    _listen(dispatcher, {"runs": of_runs, "deliveries": of_deliveries})


def _listen(dispatcher: Dispatcher, by_table: dict[str, Sweep[Any]]) -> None:
    """Wake the sweeps when the projector announces a change of their rows. An announcement that is
    lost delays a sweep by a second.
    """

    def hear(heard: Announcement) -> None:
        for row in heard.rows:
            if row.table in by_table:
                by_table[row.table].changed(row.id)
        if dispatcher.peers.count > 1 and any(row.table == "jobs" for row in heard.rows):
            # The message of a job of this process's part may have gone to another process.
            dispatcher.submissions_changed.set()

    dispatcher.rows.changes.listen(hear)
