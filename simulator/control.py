"""The simulator's own switches, under /simulator: failures on demand, and what tests ask for.

They are for programs on this machine. The server listens on loopback only; what a web page of
another origin could send, or send under another name of this address, is refused.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from domain.wrong_fields import read_as
from simulator.failures import ABOUT, NewRule, TooManyRules
from simulator.queue import Queue, Reply

JSON = b"application/json"


class Control:
    def __init__(self, queue: Queue) -> None:
        self._queue = queue
        self._origin = queue.base_url.encode()
        host = self._origin.removeprefix(b"https://")
        self._hosts = {host, b"localhost:" + host.rpartition(b":")[2]}

    def answer(self, path: str, method: str, headers: Mapping[bytes, bytes], body: bytes) -> Reply:
        if (refusal := self._refusal(method, headers)) is not None:
            return refusal
        try:
            return (
                self._failures(method, body)
                if path == "failures"
                else self._of_tests(path, method, body)
            )
        except (msgspec.MsgspecError, RecursionError, ValueError) as error:
            return Reply(422, {"detail": str(error)})
        except TooManyRules as error:
            return Reply(409, {"detail": str(error)})

    def _refusal(self, method: str, headers: Mapping[bytes, bytes]) -> Reply | None:
        if headers.get(b"host", b"").lower() not in self._hosts:
            return Reply(403, {"detail": "the Host header names another server"})
        if headers.get(b"origin", self._origin) != self._origin:
            return Reply(403, {"detail": "no page of another origin may ask for this"})
        media_type = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
        if method == "POST" and media_type != JSON:
            return Reply(415, {"detail": "the body has to be application/json"})
        return None

    def _failures(self, method: str, body: bytes) -> Reply:
        rules = self._queue.rules
        match method:
            case "GET":
                failures = [{"failure": name, "about": about} for name, about in ABOUT.items()]
                return Reply(200, {"failures": failures, "rules": rules.rules})
            case "POST":
                return Reply(201, rules.add(read_as(NewRule, msgspec.json.decode(body))))
            case "DELETE":
                return Reply(200, {"cleared": rules.clear()})
        return Reply(405, {"detail": "GET, POST or DELETE"})

    def _of_tests(self, path: str, method: str, body: bytes) -> Reply:
        """Change how long a job takes, rotate the signing key, report what was sent."""
        match method, path:
            case "GET", _:
                return self._report(path)
            case "POST", "seconds":
                self._queue.seconds = msgspec.json.decode(body, type=float)
            case "POST", "keys":
                self._queue.webhooks.rotate()
            case _:
                return Reply(404, {"detail": "no such switch"})
        return Reply(200, {"status": "done"})

    def _report(self, path: str) -> Reply:
        requests = self._queue.requests
        answers: dict[str, Any] = {
            "posts": requests.posts,
            "prompts": [each.arguments.get("prompt") for each in requests.by_id.values()],
            "sent": self._queue.webhooks.sent_at,
            "requests": {each.id: each.state for each in requests.by_id.values()},
        }
        return Reply(200, answers[path]) if path in answers else Reply(404, {"detail": "unknown"})
