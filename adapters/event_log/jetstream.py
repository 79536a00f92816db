"""The log in a JetStream stream: the only place that maps the broker's answers to outcomes."""

import asyncio
from base64 import b64decode
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import structlog
from msgspec import Struct
from nats import errors
from nats.aio.client import Client
from nats.aio.msg import Msg

from adapters.event_log.follower import follow
from application.event_log import (
    AlreadyMine,
    AppendOutcome,
    Conflict,
    LogMessage,
    LogSetBack,
    LogTooOld,
    LogUnavailable,
    Stored,
    Unavailable,
)
from contracts import codec
from contracts.commit import COMMIT_BYTES_MAX, Commit, Mark, Recorded
from contracts.subjects import STREAM, Subject

logger = structlog.get_logger()

EPOCH_KEY = "darkroom-epoch"
FORMAT_KEY, FORMAT = "darkroom-format", "2"  # Raised when old logs cannot be read any more.
READ_TIMEOUT_SECONDS = 2.0
ALARM_SHARE = 0.7  # Of the log's limit: from here on an alarm asks to raise it.

# Error codes of JetStream 2.15, measured on one server and on three (nats.io names in brackets).
_CONFLICT_CODES = {10071, 10164}  # Wrong last sequence; the same, while another one is in flight.
_IN_FLIGHT_CODE = 10158  # The same message id is being stored right now.
_FULL_CODES = {10077, 10047}  # Maximum bytes exceeded; insufficient resources.
_NO_MESSAGE_CODE = 10037

_AWAY = (errors.TimeoutError, errors.NoRespondersError, errors.ConnectionClosedError)
_UNREACHABLE = (*_AWAY, errors.ConnectionDrainingError, errors.OutboundBufferLimitError, OSError)


class _Error(Struct):
    err_code: int = 0
    description: str = ""


class _Ack(Struct):
    seq: int = 0
    duplicate: bool = False
    error: _Error | None = None


class _Stored(Struct):
    subject: str
    seq: int
    data: str = ""


class _Found(Struct):
    message: _Stored | None = None
    error: _Error | None = None


class _State(Struct, frozen=True):
    last_seq: int = 0
    bytes: int = 0


class _Config(Struct, frozen=True):
    max_bytes: int = -1
    metadata: dict[str, str] = {}


class _Info(Struct):
    state: _State = _State()
    config: _Config = _Config()
    error: _Error | None = None


_acks = msgspec.json.Decoder(_Ack)
_founds = msgspec.json.Decoder(_Found)
_infos = msgspec.json.Decoder(_Info)


class JetStreamLog:
    """One stream; guarded by `Nats-Expected-Last-Subject-Sequence`; read from its leader."""

    def __init__(self, client: Client, epoch: str, append_timeout_seconds: float = 3.0) -> None:
        self.epoch = epoch
        self.trouble = ""  # Why nothing may be decided on this log, in words; empty: all is well.
        self._client = client
        self._timeout_seconds = append_timeout_seconds
        self._expected = Mark(epoch, 0)  # The newest commit that this log is known to have had.
        self._checked = -1  # Up to which reconnect it is known to be the log that is expected.
        self._checking = asyncio.Lock()

    @classmethod
    async def open(cls, client: Client) -> "JetStreamLog":
        """Return the log of the stream that exists already; raise LogUnavailable."""
        log = cls(client, "")
        info = await log._info()
        log.epoch = _epoch_of(info)
        if not log.epoch:
            raise LogUnavailable(
                f"the stream {STREAM} has no epoch: it was not made by `darkroom broker setup`"
            )
        require_format(info.config.metadata if info.config else None)
        log.expect(Mark(log.epoch, 0))
        return log

    async def append(self, subject: Subject, commit: Commit, *, after: int | None) -> AppendOutcome:
        body = codec.encode(commit)
        if len(body) > COMMIT_BYTES_MAX:
            return Unavailable(f"the commit has {len(body)} bytes", full=True)
        headers = {"Nats-Msg-Id": commit.id, "Darkroom-Commit-Kind": commit.kind.value}
        if after is not None:
            headers["Nats-Expected-Last-Subject-Sequence"] = str(after)
        clock = asyncio.get_running_loop().time
        deadline = clock() + self._timeout_seconds
        reason, was_sent = "", False
        while (seconds_left := deadline - clock()) > 0:
            try:
                reply = await self._request(subject, body, min(seconds_left, 1.0), headers)
            except LogSetBack as error:
                return Unavailable(str(error), full=not was_sent)
            except (*_UNREACHABLE, LogUnavailable) as error:
                # While there is no connection nothing is sent, and nothing is kept to be sent.
                was_sent |= not isinstance(error, errors.OutboundBufferLimitError | LogUnavailable)
                reason = type(error).__name__
                await asyncio.sleep(0.05)
                continue
            was_sent = True
            outcome = await self._outcome(_acks.decode(reply.data), subject, commit, after)
            if outcome is not None:
                if isinstance(outcome, Stored | AlreadyMine):
                    self.saw(Mark(self.epoch, outcome.sequence, commit.id))
                return outcome
            await asyncio.sleep(0.02)
        reason = f"the broker did not acknowledge: {reason or 'still in flight'}"
        return Unavailable(reason, full=not was_sent)

    async def _outcome(
        self, ack: _Ack, subject: Subject, commit: Commit, after: int | None
    ) -> AppendOutcome | None:
        """Map an answer; None means: ask again."""
        if ack.error is None:
            return AlreadyMine(ack.seq) if ack.duplicate else Stored(ack.seq)
        if ack.error.err_code == _IN_FLIGHT_CODE:
            return None
        if ack.error.err_code in _CONFLICT_CODES:
            try:
                return await self._mine(subject, commit, after or 0)
            except LogUnavailable as error:
                return Unavailable(str(error))
        return Unavailable(ack.error.description, full=ack.error.err_code in _FULL_CODES)

    async def _mine(self, subject: Subject, commit: Commit, after: int) -> AppendOutcome:
        """Look for our random id among all commits after the guard."""
        while (found := await self.next(subject, after + 1)) is not None:
            if found.commit.id == commit.id:
                return AlreadyMine(found.sequence)
            after = found.sequence
        return Conflict()

    async def last(self, subject: Subject) -> Recorded | None:
        return await self._get({"last_by_subj": subject})

    async def next(self, subject: Subject, sequence: int) -> Recorded | None:
        return await self._get({"next_by_subj": subject, "seq": sequence})

    async def read(self, sequence: int) -> Recorded | None:
        return await self._get({"seq": sequence}) if sequence > 0 else None

    async def end(self) -> int:
        return (await self._info()).state.last_seq

    async def fill(self) -> tuple[int, int]:
        """Return the stream's size and its limit, in bytes; the limit is -1 for none."""
        info = await self._info()
        return info.state.bytes, info.config.max_bytes

    def expect(self, mark: Mark) -> None:
        self._expected = mark
        self._checked = -1

    def saw(self, mark: Mark) -> None:
        if mark.sequence > self._expected.sequence:
            self._expected = mark

    async def check(self) -> None:
        """Compare the log with what is known of it; raise LogSetBack. Done once a connection."""
        async with self._checking:
            reconnects = self._client.stats["reconnects"]
            if self._checked == reconnects:
                return
            before, self.trouble = self.trouble, await self._difference()
            if self.trouble != before:
                logger.error("alarm", alarm=self.trouble or "the log is the one that it was again")
            if self.trouble:
                raise LogSetBack(self.trouble)
            self._checked = reconnects

    async def _difference(self) -> str:
        expected = self._expected
        info = _info_of(await self._send(f"$JS.API.STREAM.INFO.{STREAM}", b""))
        epoch, end = _epoch_of(info), info.state.last_seq
        if epoch and expected.epoch and epoch != expected.epoch:
            return f"the log is another one: its epoch is {epoch}, {expected.epoch} was expected"
        if expected.sequence > end:
            return f"the log was set back: it ends at {end}, and had {expected.sequence} commits"
        if expected.sequence:
            wanted = msgspec.json.encode({"seq": expected.sequence})
            found = _found(await self._send(f"$JS.API.STREAM.MSG.GET.{STREAM}", wanted))
            if found is not None and found.commit.id != expected.commit_id:
                return f"the log was set back: its commit {expected.sequence} is another one"
        return ""

    def follow(self, after: int) -> AsyncIterator[list[LogMessage]]:
        return follow(self._client, after, self.check)

    async def _get(self, wanted: dict[str, Any]) -> Recorded | None:
        reply = await self._ask(f"$JS.API.STREAM.MSG.GET.{STREAM}", msgspec.json.encode(wanted))
        found = _found(reply)
        if found is not None:  # A process that writes nothing knows by what it reads, too.
            self.saw(Mark(self.epoch, found.sequence, found.commit.id))
        return found

    async def _info(self) -> _Info:
        return _info_of(await self._ask(f"$JS.API.STREAM.INFO.{STREAM}", b""))

    async def _ask(self, subject: str, body: bytes) -> Msg:
        try:
            return await self._request(subject, body, READ_TIMEOUT_SECONDS)
        except _UNREACHABLE as error:
            raise LogUnavailable(
                f"the broker did not answer {subject}: {error or 'it took too long'}"
            ) from error

    async def _request(
        self, subject: str, body: bytes, seconds: float, headers: dict[str, str] | None = None
    ) -> Msg:
        if self._checked != self._client.stats["reconnects"]:
            await self.check()
        return await self._send(subject, body, seconds, headers)

    async def _send(
        self,
        subject: str,
        body: bytes,
        seconds: float = READ_TIMEOUT_SECONDS,
        headers: dict[str, str] | None = None,
    ) -> Msg:
        """Bound the whole: the client bounds the wait for a reply, not that for a connection."""
        async with asyncio.timeout(seconds + 0.5):
            return await self._client.request(subject, body, timeout=seconds, headers=headers)


def require_format(metadata: dict[str, str] | None) -> None:
    """Raise LogTooOld for a log from before the names in events were settled."""
    if (metadata or {}).get(FORMAT_KEY) != FORMAT:
        raise LogTooOld(
            "the log is of an earlier version, whose events have other names: begin in an empty"
            " folder, or delete this world (`make clean-world`)"
        )


def _found(reply: Msg) -> Recorded | None:
    found = _founds.decode(reply.data)
    if found.error is not None and found.error.err_code == _NO_MESSAGE_CODE:
        return None
    if found.message is None:
        raise LogUnavailable(found.error.description if found.error else "no message")
    message = found.message
    return LogMessage(message.seq, Subject(message.subject), b64decode(message.data)).recorded()


def _info_of(reply: Msg) -> _Info:
    info = _infos.decode(reply.data)
    if info.error is not None:
        raise LogUnavailable(info.error.description)
    return info


def _epoch_of(info: _Info) -> str:
    return info.config.metadata.get(EPOCH_KEY, "")
