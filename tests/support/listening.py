"""A client of server-sent events that goes on where it was cut off, as a browser does."""

import json
import threading
import time
from collections.abc import Iterator
from typing import Any, Self

import httpx
from msgspec import Struct


class Event(Struct, frozen=True):
    event: str
    id: str
    data: Any


def events_of(answer: httpx.Response) -> Iterator[Event]:
    """Yield the events of one connection, until it ends."""
    fields: dict[str, str] = {}
    for line in answer.iter_lines():
        name, _, value = line.partition(": ")
        if line:
            fields[name] = value
            continue
        if "data" in fields:
            yield Event(fields["event"], fields["id"], json.loads(fields["data"]))
        fields = {}


class Listener:
    """Listens in the background, and comes back with Last-Event-ID when the connection ends."""

    def __init__(self, url: str, token: str, path: str = "/api/stream") -> None:
        self.events: list[Event] = []
        self.connected = threading.Event()
        self._url, self._token, self._path = url, token, path
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._listen)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self.connected.wait(60)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(20)
        assert not self._thread.is_alive()

    def _listen(self) -> None:
        last = ""
        while not self._stop.is_set():
            headers = {"Authorization": f"Token {self._token}"}
            if last:
                headers["Last-Event-ID"] = last
            timeout = httpx.Timeout(5.0, read=1.0)
            try:
                with httpx.stream(
                    "GET", self._url + self._path, headers=headers, timeout=timeout
                ) as answer:
                    if answer.status_code != 200:
                        time.sleep(0.2)
                        continue
                    self.connected.set()
                    for event in events_of(answer):
                        last = event.id
                        self.events.append(event)
            except httpx.HTTPError:
                time.sleep(0.1)  # Silence counts too: it comes back, and continues.


def read_one(url: str, token: str, last: str, path: str = "/api/stream") -> Event | None:
    """Connect, read one event, and cut the connection; None when nothing comes in a second."""
    headers = {"Authorization": f"Token {token}"}
    if last:
        headers["Last-Event-ID"] = last
    try:
        with httpx.stream(
            "GET", url + path, headers=headers, timeout=httpx.Timeout(5.0, read=1.0)
        ) as answer:
            assert answer.status_code == 200, answer.read()
            return next(events_of(answer), None)
    except httpx.ReadTimeout:
        return None
