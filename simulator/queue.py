"""The simulated queue: what fal answers to each call, and how requests go through it."""

import asyncio
from collections import defaultdict
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from msgspec import Struct

from simulator import outputs
from simulator.failures import FailureRules, Stage
from simulator.requests import QueueRequest, QueueRequests
from simulator.texts import text_for
from simulator.webhooks import Webhooks

HUNG_SECONDS = 120.0
SLOW_TIMES = 5
LATE_SECONDS = 0.5
STRANGE = "\x00\x01\x0c\x1b\x7f\x85\u2028\u202e"  # Characters that a model may write by accident.


class Reply(Struct, frozen=True):
    """An answer to send; `lost` means that the connection breaks instead."""

    status: int
    body: Any
    headers: dict[str, str] = {}
    lost: bool = False


# Failure -> the answer to a request that is not accepted, in the words that fal uses.
_REFUSALS = {
    "post_401": Reply(401, {"detail": "No user found for Key ID and Secret"}),
    "post_402": Reply(402, {"detail": "Payment required"}),
    "post_403": Reply(403, {"detail": "User is locked. Reason: Exhausted balance."}),
    "post_404": Reply(404, {"detail": 'Application "x" not found'}),
    "post_422": Reply(422, {"detail": [{"loc": ["body"], "msg": "wrong", "type": "missing"}]}),
    "post_429": Reply(429, {"detail": "queue is full"}, {"Retry-After": "1"}),
    "post_503": Reply(503, "<html><center>nginx</center></html>"),
}


def _invalid(location: list[str], message: str, kind: str) -> tuple[int, Any, str]:
    return 422, {"detail": [{"loc": location, "msg": message, "type": kind}]}, ""


def _broken(status: int, message: str, kind: str) -> tuple[int, Any, str]:
    return status, {"detail": message, "error_type": kind}, kind


# Failure -> status, body and error type of the result.
_FAILURES: dict[str, tuple[int, Any, str]] = {
    "content_policy": _invalid(["body", "prompt"], "flagged", "content_policy_violation"),
    "result_422": _invalid(["body", "prompt"], "too long", "sequence_too_long"),
    "strange_words": _invalid([STRANGE], f"flagged{STRANGE}!", f"odd{STRANGE}"),
    "result_500": _broken(500, "The runner failed", "runner_server_error"),
    "result_504": _broken(504, "Request timed out", "request_timeout"),
}
_CANCELLED = _broken(499, "Request was cancelled", "client_cancelled")


class Queue:
    """`seconds` is how long a request takes: half of them in the queue, half in progress."""

    def __init__(
        self, base_url: str, seconds: float, requests: QueueRequests, webhooks: Webhooks
    ) -> None:
        self.base_url = base_url
        self.seconds = seconds
        self.requests = requests
        self.webhooks = webhooks
        self.rules = FailureRules()
        self._tasks: set[asyncio.Task[None]] = set()
        self._cancelled: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)

    def resume(self) -> None:
        for request in self.requests.open_ones():
            self._start(request)

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.webhooks.close()
        self.requests.close()

    async def submit(
        self, endpoint: str, arguments: dict[str, Any], webhook_url: str | None
    ) -> Reply:
        failure = self.rules.take(Stage.POST, arguments)
        self.requests.count_post(webhook_url)
        if failure in _REFUSALS:
            return _REFUSALS[failure]
        if failure == "lost_post":
            return Reply(200, {}, lost=True)
        request = self.requests.accept(endpoint, arguments, webhook_url)
        request.failures = self.rules.take_later_ones(arguments)
        headers = {"x-fal-request-id": request.id}
        self._start(request)
        if failure == "post_503_taken":
            return Reply(503, {"detail": "accepted, but"}, headers)
        if failure == "hung_reply":
            await asyncio.sleep(HUNG_SECONDS)
        if failure == "late_reply":
            await asyncio.sleep(self.seconds + LATE_SECONDS)
        reply = self._describe(request) | {"gateway_request_id": request.gateway_id}
        if failure == "strange_id":
            reply["request_id"] += STRANGE
        return Reply(200, reply, headers, lost=failure == "lost_reply")

    def status(self, request_id: str, *, with_logs: bool) -> Reply:
        request = self.requests.by_id.get(request_id)
        if request is None:
            return Reply(404, {"status": "NOT_FOUND"})
        body = self._describe(request)
        if with_logs:
            message = f"{request.state.lower()}{STRANGE}"
            body["logs"] = [{"message": message, "timestamp": "2026-01-01T00:00:00"}]
        if request.state != "COMPLETED":
            return Reply(202, body)
        if request.error_type:
            body |= {"error": "Request failed", "error_type": request.error_type}
        return Reply(200, body | {"metrics": {"inference_time": self.seconds / 2}})

    def result(self, request_id: str) -> Reply:
        request = self.requests.by_id.get(request_id)
        if request is None or request.error_type == "expired":
            return Reply(404, {"detail": "Request not found"})
        if request.state != "COMPLETED":
            return Reply(400, {"detail": "Request is still in progress"})
        headers = {"x-fal-request-id": request.id}
        if request.error_type:
            headers["X-Fal-Error-Type"] = request.error_type
        return Reply(request.status, request.body, headers)

    def listed(self, endpoint: str, since: float, *, with_payloads: bool) -> Reply:
        """List an endpoint's requests that have ended: the platform does not list the others."""
        items = [
            {
                "request_id": each.id,
                "endpoint_id": each.endpoint,
                "sent_at": datetime.fromtimestamp(each.submitted_at, UTC).isoformat(),
                "status_code": each.status,
                **({"json_input": each.arguments} if with_payloads else {}),
            }
            for each in self.requests.by_id.values()
            if each.endpoint == endpoint
            and each.submitted_at >= since
            and each.state == "COMPLETED"
        ]
        return Reply(200, {"items": items, "next_cursor": None, "has_more": False})

    def cancel(self, request_id: str) -> Reply:
        request = self.requests.by_id.get(request_id)
        if request is None:
            return Reply(404, {"status": "NOT_FOUND"})
        if request.state == "COMPLETED":
            return Reply(400, {"status": "ALREADY_COMPLETED"})
        request.cancelled = True
        self._cancelled[request_id].set()
        return Reply(202, {"status": "CANCELLATION_REQUESTED"})

    def _describe(self, request: QueueRequest) -> dict[str, Any]:
        url = f"{self.base_url}/{request.app_path}/requests/{request.id}"
        return {
            "status": request.state,
            "request_id": request.id,
            "response_url": url,
            "status_url": f"{url}/status",
            "cancel_url": f"{url}/cancel",
            "logs": None,
            "metrics": {},
            **({"queue_position": 0} if request.state == "IN_QUEUE" else {}),
        }

    def _start(self, request: QueueRequest) -> None:
        task = asyncio.create_task(self._run(request))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, request: QueueRequest) -> None:
        failure = request.failures.get(Stage.RUN)
        half = self.seconds / 2 * (SLOW_TIMES if failure == "slow" else 1)
        await asyncio.sleep(half)
        request.state = "IN_PROGRESS"
        if failure == "requeued":
            request.state, request.gateway_id = "IN_QUEUE", str(uuid4())
            await asyncio.sleep(half)
            request.state = "IN_PROGRESS"
        await asyncio.sleep(half)
        if failure == "never_ends":
            await self._cancelled[request.id].wait()
        self._cancelled.pop(request.id, None)
        if failure == "deaf":  # It ignores that it was cancelled.
            request.cancelled = False
        self._end(request, failure)
        await self.webhooks.deliver(request, request.failures.get(Stage.WEBHOOK))

    def _end(self, request: QueueRequest, failure: str | None) -> None:
        if request.cancelled:
            request.status, request.body, request.error_type = _CANCELLED
        elif failure in _FAILURES:
            request.status, request.body, request.error_type = _FAILURES[failure]
        else:
            host = "https://media.invalid" if failure == "other_host" else self.base_url
            request.body = _output(request, host, failure)
            request.error_type = "expired" if failure == "expired" else ""
        request.state = "COMPLETED"
        self.requests.write(request)


def _output(request: QueueRequest, host: str, failure: str | None) -> dict[str, Any]:
    """Return the output of the model: a text of a language model, or else a file."""
    arguments = request.arguments
    odd = STRANGE if failure == "strange_result" else ""
    if request.endpoint == "openrouter/router":
        if failure == "failed_text":  # A failure with the status of a success.
            return {"output": "", "error": "The model is overloaded."}
        text = text_for(str(arguments.get("prompt", ""))) + odd
        return {"output": text, "usage": {"completion_tokens": 90}}
    return outputs.described(request.endpoint, arguments, f"{host}/files/{request.id}", odd)
