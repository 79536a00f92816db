"""A load generator's client: raw HTTP/1.1 on kept connections, as cheap as it can be."""

import asyncio
import json
from typing import Any


class Connection:
    """One connection, one request at a time."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def open(self) -> "Connection":
        self._reader, self._writer = await asyncio.open_connection(self._host, self._port)
        return self

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()

    async def ask(
        self, method: str, path: str, token: str, body: bytes = b"", headers: str = ""
    ) -> tuple[int, bytes]:
        """Send a request; return the status and the body."""
        assert self._reader is not None
        assert self._writer is not None
        head = (
            f"{method} {path} HTTP/1.1\r\nHost: {self._host}\r\nAuthorization: Token {token}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n{headers}\r\n"
        )
        self._writer.write(head.encode() + body)
        answer = await self._reader.readuntil(b"\r\n\r\n")
        status = int(answer[9:12])
        length = 0
        for line in answer.split(b"\r\n"):
            if line.lower().startswith(b"content-length:"):
                length = int(line[15:])
        return status, await self._reader.readexactly(length) if length else b""


async def create(connection: Connection, token: str, prompt: str) -> str:
    body = json.dumps({"prompt": prompt}).encode()
    status, answer = await connection.ask(
        "POST", "/api/infographs/create/", token, body, "Prefer: respond-async\r\n"
    )
    assert status == 201, answer
    document: dict[str, Any] = json.loads(answer)
    return str(document["infographs"][0]["id"])


async def status_of(connection: Connection, token: str, job: str) -> str:
    status, answer = await connection.ask("GET", f"/api/infographs/status/{job}/", token)
    assert status == 200, answer
    return str(json.loads(answer)["status"])
