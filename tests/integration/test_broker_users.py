"""The permission matrix, against the real broker with the real configuration."""

from typing import Any

import nats
import pytest
from nats.aio.client import Client

from cli.world import USERS
from tests.support.waiting import until

LOG_SUBJECTS = {
    "log.account.a": {"api", "operator"},
    "log.job.j": {"api", "dispatcher", "ingestor", "operator"},
    "log.run.r": {"api", "dispatcher", "operator"},
    "log.evidence.submitted": {"dispatcher", "operator"},
    "log.evidence.cancellation": {"dispatcher", "operator"},
    "log.evidence.result": {"ingestor", "operator"},
    "log.evidence.removal": {"ingestor", "operator"},
    "log.operator": {"api", "operator"},
    "live.changes": {"projector", "operator"},
    "live.usage": {"api", "operator"},
    "live.progress": {"ingestor", "operator"},
    "$KV.keys.a": {"api", "operator"},
    "$KV.tickets.a": {"api", "operator"},
    "$KV.endpoint_seals.a": {"api", "operator"},
    "$KV.claims.a": {"dispatcher", "operator"},
    "log.evidence.notification": {"dispatcher", "operator"},
    "$JS.API.STREAM.MSG.GET.LOG": set(USERS),
    "$JS.API.STREAM.DELETE.LOG": set(),
    "$JS.API.STREAM.MSG.DELETE.LOG": set(),
    "$JS.API.STREAM.UPDATE.LOG": {"operator"},
    "$JS.API.STREAM.DELETE.KV_keys": {"operator"},
    "$JS.API.STREAM.PURGE.KV_keys": {"operator"},
    "$JS.API.STREAM.UPDATE.KV_keys": {"operator"},
    "$JS.API.CONSUMER.DURABLE.CREATE.LOG.x": {"operator"},
    "$JS.API.CONSUMER.CREATE.LOG.x": {"projector", "operator"},
    "$JS.API.CONSUMER.DELETE.LOG.dispatcher-submit-jobs": {"operator"},
    "$JS.API.CONSUMER.MSG.NEXT.LOG.dispatcher-submit-jobs": {"dispatcher", "projector", "operator"},
    "$JS.API.CONSUMER.MSG.NEXT.LOG.ingestor-settle-results": {"ingestor", "projector", "operator"},
    "$JS.ACK.LOG.dispatcher-submit-jobs.1.1.1.1.0": {"dispatcher", "operator"},
    "$JS.ACK.LOG.ingestor-settle-results.1.1.1.1.0": {"ingestor", "operator"},
    "live.replay.dispatcher-submit-jobs": {"operator"},
    "$JS.API.STREAM.INFO.DEAD_LETTERS": {"projector", "operator"},
    "$JS.API.STREAM.MSG.DELETE.DEAD_LETTERS": {"operator"},
    "dead_letter.dispatcher-submit-jobs": {"dispatcher", "operator"},
    "dead_letter.ingestor-settle-results": {"ingestor", "operator"},
}
MARK = "$JS.API.STREAM.PURGE.LOG"  # Nobody may publish this: its refusal is certain.
NO_STREAM = {"Nats-Expected-Stream": "NO_SUCH_STREAM"}
SUBSCRIPTIONS = {
    "log.>": {"operator"},
    "_INBOX_api.>": {"api", "operator"},
    "_INBOX_dispatcher.>": {"dispatcher", "operator"},
    "live.changes": {"api", "dispatcher", "ingestor", "operator"},
    "live.usage": {"api", "operator"},
    "live.progress": {"api", "operator"},
    "live.replay.dispatcher-submit-jobs": {"dispatcher", "operator"},
    "live.replay.ingestor-settle-results": {"ingestor", "operator"},
    "live.health.projector": {"projector", "operator"},
    "live.health.dispatcher": {"dispatcher", "operator"},
}


class Watched:
    """A user's connection, and what the broker refused it."""

    def __init__(self) -> None:
        self.refused: list[str] = []
        self.client: Client = Client()

    async def open(self, url: str, user: str, password: str) -> "Watched":
        options: dict[str, Any] = {
            "error_cb": self._on_error,
            "inbox_prefix": f"_INBOX_{user}",
            "allow_reconnect": False,
        }
        self.client = await nats.connect(url, user=user, password=password, **options)
        return self

    async def refused_so_far(self) -> list[str]:
        """Return what was refused since the last call. The broker reads in order, so whatever was
        refused before the mark is known with the mark's refusal. A flush would not do: nats-py's
        ping may overtake a publish that it still holds.
        """
        await self.client.publish(MARK, b"", headers=NO_STREAM)
        await until(lambda: any(MARK.lower() in each for each in self.refused))
        found = [each for each in self.refused if MARK.lower() not in each]
        self.refused.clear()
        return found

    async def _on_error(self, error: Exception) -> None:
        self.refused.append(str(error))


@pytest.mark.parametrize("user", USERS)
async def test_a_user_may_publish_what_its_service_needs_and_nothing_else(
    broker: tuple[str, dict[str, str]], user: str
) -> None:
    url, passwords = broker
    watched = await Watched().open(url, user, passwords[user])
    for subject, allowed in LOG_SUBJECTS.items():
        # An invalid body: what may pass the gate must still change nothing behind it.
        await watched.client.publish(subject, b"", headers=NO_STREAM)
        refused = await watched.refused_so_far()
        assert (not refused) == (user in allowed), (user, subject, refused)
    await watched.client.close()


@pytest.mark.parametrize("user", USERS)
async def test_a_user_may_listen_to_what_its_service_needs_and_nothing_else(
    broker: tuple[str, dict[str, str]], user: str
) -> None:
    url, passwords = broker
    watched = await Watched().open(url, user, passwords[user])
    for subject, allowed in SUBSCRIPTIONS.items():
        subscription = await watched.client.subscribe(subject)
        refused = await watched.refused_so_far()
        assert (not refused) == (user in allowed), (user, subject, refused)
        if user in allowed:
            await subscription.unsubscribe()
    await watched.client.close()


async def test_nobody_comes_in_without_a_password(broker: tuple[str, dict[str, str]]) -> None:
    url, _ = broker

    async def ignore(_error: Exception) -> None:
        return

    strangers: tuple[dict[str, Any], ...] = ({}, {"user": "api", "password": "wrong"})
    for who in strangers:
        client = Client()
        with pytest.raises((nats.errors.NoServersError, nats.errors.Error)):
            await client.connect(url, allow_reconnect=False, error_cb=ignore, **who)
        await client.close()
