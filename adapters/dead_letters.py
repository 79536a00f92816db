"""Dead letters: commits that a handler gave up on, for an operator to see, replay or discard."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js.errors import NotFoundError

from application.event_log import EventLog
from contracts.commit import Recorded
from contracts.subjects import DEAD_LETTER_STREAM, STREAM, dead_letter_subject, replay_subject

GIVEN_UP = f"$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.{STREAM}.>"
REPLAY_SECONDS = 80.0
ANSWER_SECONDS_MAX = REPLAY_SECONDS + 5.0

Handler = Callable[[Recorded], Awaitable[None]]


class DeadLetter(Struct, frozen=True, kw_only=True):
    """A commit that a handler failed to handle after several deliveries. `id` is its sequence in
    the stream of dead letters; `sequence` that of the commit in the log, which keeps it.
    """

    durable: str
    sequence: int
    reason: str
    deliveries: int
    at: datetime
    id: int = 0


class _Advisory(Struct):
    """What the broker publishes when it gave up a message: no delivery of it was answered."""

    consumer: str
    stream_seq: int
    deliveries: int
    timestamp: datetime


class _Answer(Struct, frozen=True):
    error: str = ""


_letter = msgspec.json.Decoder(DeadLetter)
_advisory = msgspec.json.Decoder(_Advisory)
_answer = msgspec.json.Decoder(_Answer)


class DeadLetters:
    """The stream of dead letters, as operators use it."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._jetstream = client.jetstream()

    async def all(self) -> list[DeadLetter]:
        """Return all dead letters, oldest first."""
        found: list[DeadLetter] = []
        while letter := await self._get(found[-1].id + 1 if found else 1, subject=">", next=True):
            found.append(letter)
        return found

    async def count(self) -> int:
        info = await self._jetstream.stream_info(DEAD_LETTER_STREAM)
        return int(info.state.messages)

    async def find(self, place: int) -> DeadLetter | None:
        return await self._get(place)

    async def replay(self, letter: DeadLetter) -> str:
        """Let a service handle the commit once more; return why it could not, or nothing."""
        reply = await self._client.request(
            replay_subject(letter.durable),
            str(letter.sequence).encode(),
            timeout=ANSWER_SECONDS_MAX,
        )
        return _answer.decode(reply.data).error

    async def discard(self, letter: DeadLetter) -> None:
        """Forget the dead letter. The commit itself stays in the log."""
        await self._jetstream.delete_msg(DEAD_LETTER_STREAM, letter.id)

    async def _get(self, place: int, **wanted: Any) -> DeadLetter | None:
        try:
            message = await self._jetstream.get_msg(DEAD_LETTER_STREAM, place, **wanted)
        except NotFoundError:
            return None
        return _read(str(message.subject), message.data or b"", int(message.seq or 0))


def _read(subject: str, body: bytes, place: int) -> DeadLetter:
    if subject.startswith("dead_letter."):
        return msgspec.structs.replace(_letter.decode(body), id=place)
    advisory = _advisory.decode(body)
    return DeadLetter(
        durable=advisory.consumer,
        sequence=advisory.stream_seq,
        reason="the broker gave up: no delivery was answered",
        deliveries=advisory.deliveries,
        at=advisory.timestamp,
        id=place,
    )


async def store_dead_letter(client: Client, letter: DeadLetter) -> None:
    """Store it durably; raise nats' errors when the broker does not acknowledge it."""
    headers = {"Nats-Msg-Id": f"{letter.durable}.{letter.sequence}"}
    subject = dead_letter_subject(letter.durable)
    await client.request(subject, msgspec.json.encode(letter), timeout=3.0, headers=headers)


async def answer_replays(client: Client, durable: str, log: EventLog, handler: Handler) -> None:
    """Handle a commit again when an operator asks for it, in one process of the service."""

    async def answer(message: Msg) -> None:
        error = await _replay(log, handler, int(message.data))
        await message.respond(msgspec.json.encode(_Answer(error)))

    await client.subscribe(replay_subject(durable), queue=durable, cb=answer)


async def _replay(log: EventLog, handler: Handler, sequence: int) -> str:
    try:
        async with asyncio.timeout(REPLAY_SECONDS):
            recorded = await log.read(sequence)
            if recorded is None:
                return f"the log has no commit {sequence}"
            await handler(recorded)
    except Exception as error:  # noqa: BLE001 - whatever it is, the operator reads it.
        return f"{type(error).__name__}: {error}"[:500]
    return ""
