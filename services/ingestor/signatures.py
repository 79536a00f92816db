"""Signatures of webhooks: Ed25519 over the raw body, against the provider's published keys."""

import asyncio
import hashlib
from base64 import urlsafe_b64decode
from collections.abc import Mapping
from enum import StrEnum

import httpx
import msgspec
import structlog
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from msgspec import Struct

logger = structlog.get_logger()

WINDOW_SECONDS = 300  # fal's documentation: reject when the timestamp is further away.
KEYS_SECONDS_MAX = 24 * 3600.0  # fal's documentation: cache keys at most a day.
REFRESH_SECONDS_MIN = 60.0
FIRST_REFRESH_SECONDS_MIN = 5.0  # Without any key no delivery can be accepted.
STALE_ALARM = 3
FETCH_SECONDS = 5.0
HEADER_LENGTH_MAX = 200
SIGNATURE_BYTES = 64


class Rejection(StrEnum):
    """Why a delivery is refused. The sender gets the same answer for most of them."""

    MISSING_HEADER = "missing_header"
    BAD_TIMESTAMP = "bad_timestamp"
    STALE = "stale"
    OTHER_USER = "other_user"
    BAD_SIGNATURE = "bad_signature"
    NO_KEYS = "no_keys"
    OTHER_REQUEST = "other_request"
    UNKNOWN_ATTEMPT = "unknown_attempt"


class _Key(Struct):
    kty: str = ""
    crv: str = ""
    x: str = ""


class _KeySet(Struct):
    keys: list[_Key]


class Signatures:
    """Keys are fetched once and kept. When a signature matches none of them they are fetched
    again, at most once a minute. While the provider's key server is away the last good keys are
    used.
    """

    def __init__(self, url: str, expected_user: str, client: httpx.AsyncClient) -> None:
        self._url = url
        self._expected_user = expected_user
        self._client = client
        self._keys: list[Ed25519PublicKey] = []
        self._fetched_at = -KEYS_SECONDS_MAX
        self._tried_at = -KEYS_SECONDS_MAX
        self._fetching = asyncio.Lock()
        self._stale_in_a_row = 0

    async def check(
        self, headers: Mapping[str, str], body: bytes, unix_seconds: float
    ) -> Rejection | None:
        """Return why the delivery is refused, None when the signature holds."""
        names = ("request-id", "user-id", "timestamp", "signature")
        values = [headers.get(f"x-fal-webhook-{name}", "") for name in names]
        if not all(0 < len(value) <= HEADER_LENGTH_MAX for value in values):
            return Rejection.MISSING_HEADER
        request_id, user_id, timestamp, signature = values
        if not (timestamp.isascii() and timestamp.isdigit()):
            return Rejection.BAD_TIMESTAMP
        if self._expected_user and user_id != self._expected_user:
            return Rejection.OTHER_USER
        digest = hashlib.sha256(body).hexdigest()
        message = f"{request_id}\n{user_id}\n{timestamp}\n{digest}".encode()
        rejection = await self._verify(signature, message)
        if rejection is None:
            # Counted for authentic deliveries only: anybody can send a wrong time.
            is_stale = abs(unix_seconds - int(timestamp)) > WINDOW_SECONDS
            self._stale_in_a_row = self._stale_in_a_row + 1 if is_stale else 0
            return Rejection.STALE if is_stale else None
        return rejection

    @property
    def alarms(self) -> tuple[str, ...]:
        if self._stale_in_a_row < STALE_ALARM:
            return ()
        return ("authentic webhooks are outside the time window: check this machine's clock",)

    async def _verify(self, signature: str, message: bytes) -> Rejection | None:
        try:
            raw = bytes.fromhex(signature)
        except ValueError:
            return Rejection.BAD_SIGNATURE
        if len(raw) != SIGNATURE_BYTES:
            return Rejection.BAD_SIGNATURE
        is_old = asyncio.get_running_loop().time() - self._fetched_at > KEYS_SECONDS_MAX
        if is_old and self._may_ask:
            await self._refresh()
        if _matches(self._keys, raw, message):
            return None
        if self._may_ask:
            await self._refresh()
            if _matches(self._keys, raw, message):
                return None
        return Rejection.BAD_SIGNATURE if self._keys else Rejection.NO_KEYS

    @property
    def _may_ask(self) -> bool:
        pause = REFRESH_SECONDS_MIN if self._keys else FIRST_REFRESH_SECONDS_MIN
        return asyncio.get_running_loop().time() - self._tried_at > pause

    async def _refresh(self) -> None:
        asked_at = asyncio.get_running_loop().time()
        async with self._fetching:
            if self._tried_at >= asked_at:
                return  # They were fetched while this call waited.
            try:
                async with asyncio.timeout(FETCH_SECONDS):
                    response = await self._client.get(self._url)
                keys = _parse(response.raise_for_status().content)
            except (httpx.HTTPError, TimeoutError, ValueError) as error:
                logger.warning("webhook_keys_not_fetched", reason=repr(error))
                keys = []
            # Set at the end: calls that came meanwhile wait for this answer.
            self._tried_at = asyncio.get_running_loop().time()
            if keys:
                self._keys = keys
                self._fetched_at = self._tried_at


def _matches(keys: list[Ed25519PublicKey], signature: bytes, message: bytes) -> bool:
    for key in keys:
        try:
            key.verify(signature, message)
        except InvalidSignature:
            continue
        return True
    return False


def _parse(body: bytes) -> list[Ed25519PublicKey]:
    """Read a key set, passing over keys of other kinds and broken ones; `x` may have no padding."""
    found = []
    for key in msgspec.json.decode(body, type=_KeySet).keys:
        if key.kty != "OKP" or key.crv != "Ed25519":
            continue
        try:
            raw = urlsafe_b64decode(key.x + "=" * (-len(key.x) % 4))
            found.append(Ed25519PublicKey.from_public_bytes(raw))
        except ValueError:
            logger.warning("webhook_key_not_readable")
    return found
