"""Reads server-sent events from the bytes of a stream, within limits."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator

from msgspec import Struct

from darkroom_client.errors import BadAnswer, Unreachable

FRAME_BYTES_MAX = 32 * 1024 * 1024  # A resync holds all open jobs, with their inputs.
LINE_BYTES = 64  # What a line costs in memory beside its text.
FIRST_BYTES_SECONDS_MAX = 10.0  # A stream begins at once, unless something on the way hoards it.
SILENCE_SECONDS_MAX = 35.0  # The server pings every 15 seconds.


class Frame(Struct, frozen=True):
    """One event, or a sign of life without any (`event` is empty)."""

    event: str = ""
    id: str = ""
    data: bytes = b""


async def frames_of(
    chunks: AsyncIterator[bytes], silence_seconds_max: float = SILENCE_SECONDS_MAX
) -> AsyncGenerator[Frame, None]:
    """Yield every event and every sign of life. Raise Unreachable when there is none for too long,
    BadAnswer when an event is too large.
    """
    reader = _Reader()
    seconds = min(FIRST_BYTES_SECONDS_MAX, silence_seconds_max)
    while True:
        try:
            async with asyncio.timeout(seconds):
                chunk = await anext(chunks, None)
        except TimeoutError:
            raise Unreachable(f"the stream was silent for {seconds:g} seconds") from None
        if chunk is None:
            return
        seconds = silence_seconds_max
        yield Frame()
        for frame in reader.read(chunk):
            yield frame


class _Reader:
    def __init__(self) -> None:
        self._rest = bytearray()
        self._looked_at = 0  # How much of the rest holds no line break.
        self._fields: dict[bytes, bytes] = {}
        self._data: list[bytes] = []
        self._length = 0

    def read(self, chunk: bytes) -> list[Frame]:
        self._rest += chunk
        frames = []
        while (end := self._rest.find(b"\n", self._looked_at)) >= 0:
            line = bytes(self._rest[:end]).rstrip(b"\r")
            del self._rest[: end + 1]
            self._looked_at = 0
            if line:
                self._keep(line)
            elif self._fields or self._data:
                frames.append(self._frame())
        self._looked_at = len(self._rest)
        if self._length + self._looked_at > FRAME_BYTES_MAX:
            raise BadAnswer(f"an event of the stream has more than {FRAME_BYTES_MAX} bytes")
        return frames

    def _keep(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            self._data.append(value)
            self._length += len(value) + LINE_BYTES
        elif name in {b"event", b"id"}:
            self._fields[name] = value

    def _frame(self) -> Frame:
        fields, data = self._fields, self._data
        self._fields, self._data, self._length = {}, [], 0
        event_id = fields.get(b"id", b"").decode(errors="replace")
        if not data:
            return Frame(id=event_id)
        event = fields.get(b"event", b"message").decode(errors="replace")
        return Frame(event, event_id, b"\n".join(data))
