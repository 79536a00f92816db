"""Webhooks: signed as fal signs them, sent again after growing pauses until they are taken."""

import asyncio
import hashlib
import time
from base64 import urlsafe_b64encode
from typing import Any

import aiohttp
import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from simulator.requests import QueueRequest, job_of

USER_ID = "simulated-user"
TRIES_MAX = 32
ANSWER_SECONDS_MAX = 15.0
PAUSE_SECONDS_MAX = 60.0
STALE_SECONDS = 400


class Webhooks:
    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self._session: aiohttp.ClientSession | None = None
        self.sent_at: dict[str, float] = {}  # Job -> unix time of its first delivery.

    def key_set(self) -> dict[str, Any]:
        raw = self._key.public_key().public_bytes_raw()
        x = urlsafe_b64encode(raw).decode().rstrip("=")
        return {"keys": [{"kty": "OKP", "crv": "Ed25519", "x": x}]}

    def rotate(self) -> None:
        self._key = Ed25519PrivateKey.generate()

    async def deliver(self, request: QueueRequest, failure: str | None) -> None:
        """Deliver until a 2xx or 3xx answer, in at most 32 tries."""
        if request.webhook_url is None or failure == "no_webhook":
            return
        body = msgspec.json.encode(envelope(request, null_payload=failure == "empty_webhook"))
        self.sent_at.setdefault(job_of(request.webhook_url), time.time())
        for _ in range(2 if failure == "duplicate_webhook" else 1):
            await self._deliver(request, body, failure)

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def _deliver(self, request: QueueRequest, body: bytes, failure: str | None) -> None:
        for number in range(TRIES_MAX):
            only_first = failure if number == 0 else None
            headers = self.sign(request.id, body, only_first)
            sent = body + b" " if only_first == "altered_webhook" else body
            status = await self._post(str(request.webhook_url), sent, headers)
            if status is not None and 200 <= status < 400:  # noqa: PLR2004
                return
            await asyncio.sleep(min(0.5 * 2**number, PAUSE_SECONDS_MAX))

    async def _post(self, url: str, body: bytes, headers: dict[str, str]) -> int | None:
        if self._session is None:
            timeout = aiohttp.ClientTimeout(total=ANSWER_SECONDS_MAX)
            connector = aiohttp.TCPConnector(limit=64)
            self._session = aiohttp.ClientSession(timeout=timeout, connector=connector)
        try:
            async with self._session.post(
                url, data=body, headers=headers, allow_redirects=False
            ) as response:
                await response.read()
                return response.status
        except (aiohttp.ClientError, TimeoutError, OSError):
            return None

    def sign(
        self, request_id: str, body: bytes, failure: str | None = None, at: int | None = None
    ) -> dict[str, str]:
        """Return the headers, signed now or at a unix time; a failure makes one of them wrong."""
        now = int(time.time()) if at is None else at
        timestamp = str(now - (STALE_SECONDS if failure == "stale_webhook" else 0))
        key = Ed25519PrivateKey.generate() if failure == "forged_webhook" else self._key
        digest = hashlib.sha256(body).hexdigest()
        signature = key.sign(f"{request_id}\n{USER_ID}\n{timestamp}\n{digest}".encode()).hex()
        return {
            "Content-Type": "application/json",
            "X-Fal-Webhook-Request-Id": request_id,
            "X-Fal-Webhook-User-Id": USER_ID,
            "X-Fal-Webhook-Timestamp": timestamp,
            "X-Fal-Webhook-Signature": signature,
        }


def envelope(request: QueueRequest, *, null_payload: bool) -> dict[str, Any]:
    """The body of a webhook, as fal documents it."""
    fields: dict[str, Any] = {
        "request_id": request.id,
        "gateway_request_id": request.gateway_id,
        "status": "OK" if request.status == 200 else "ERROR",  # noqa: PLR2004
        "payload": request.body,
    }
    if request.status != 200:  # noqa: PLR2004
        fields["error"] = f"Invalid status code: {request.status}"
    if null_payload:
        fields |= {"payload": None, "payload_error": "Response payload is not serializable."}
    return fields
