"""Verifies webhooks, by the words of Standard Webhooks."""

import base64
import binascii
import hashlib
import hmac
import time
from collections.abc import Mapping, Sequence

import msgspec
from msgspec import Struct

from darkroom_client.errors import UNREADABLE, BadAnswer, NotFromDarkroom
from darkroom_client.models import NOTIFICATIONS, Notification

TOLERANCE_SECONDS = 300.0
BODY_BYTES_MAX = 1024 * 1024
SIGNATURES_MAX = 20
SECRET_PREFIX = "whsec_"  # noqa: S105 - What each secret begins with.
TIMESTAMP_DIGITS_MAX = 12
NO_SECRET = "the secret is not what the endpoint's registration showed"  # noqa: S105 - Words.


class _Kind(Struct, frozen=True):
    type: str


def verify(
    body: bytes,
    headers: Mapping[str, str],
    secret: str | Sequence[str],
    *,
    tolerance_seconds: float = TOLERANCE_SECONDS,
    now: float | None = None,
) -> Notification:
    """Return what a webhook says. Raise NotFromDarkroom when it is forged or too old; BadAnswer
    when it is signed, and yet cannot be read: answer 200 to what you do not know.

    `body` is what came, byte for byte: decoding it and encoding it again breaks the signature.
    `secret` is the endpoint's, or each one that may be in use. The same `webhook-id` may come more
    than once: act on it once.
    """
    given = {name.lower(): text for name, text in headers.items()}
    try:
        message_id, sent_at = given["webhook-id"], given["webhook-timestamp"]
        signatures = given["webhook-signature"].split(" ", SIGNATURES_MAX)[:SIGNATURES_MAX]
    except KeyError as error:
        raise NotFromDarkroom(f"the header {error} is missing") from None
    if len(body) > BODY_BYTES_MAX:
        raise NotFromDarkroom("the body is too large")
    secrets = [secret] if isinstance(secret, str) else secret
    signed = _bytes_of(f"{message_id}.{sent_at}.") + body
    if not any(_is_signed(signed, signatures, each) for each in secrets):
        raise NotFromDarkroom("no signature is of this secret")
    _check_time(sent_at, time.time() if now is None else now, tolerance_seconds)
    try:
        kind = msgspec.json.decode(body, type=_Kind).type
        return msgspec.json.decode(body, type=NOTIFICATIONS[kind])
    except KeyError as error:
        raise BadAnswer(f"{error} is a type of a newer server") from None
    except UNREADABLE as error:
        raise BadAnswer(f"the body is not what the reference says: {error}") from error


def _is_signed(signed: bytes, signatures: list[str], secret: str) -> bool:
    """Compare with every signature, in a time that tells nothing of the right one."""
    try:
        key = base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError(NO_SECRET) from error
    if not key:  # Anybody can sign with nothing, and a setting that is missing is often that.
        raise ValueError(NO_SECRET)
    right = b"v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256))
    matches = [hmac.compare_digest(right, _bytes_of(each)) for each in signatures]
    return any(matches)


def _bytes_of(header: str) -> bytes:
    """Some servers hand over what is no UTF-8 as lone surrogates."""
    return header.encode(errors="surrogatepass")


def _check_time(sent_at: str, now: float, tolerance_seconds: float) -> None:
    if not (sent_at.isascii() and sent_at.isdigit() and len(sent_at) <= TIMESTAMP_DIGITS_MAX):
        raise NotFromDarkroom("the timestamp is no number")
    if abs(now - int(sent_at)) > tolerance_seconds:
        raise NotFromDarkroom("it was sent too long ago, or the clocks differ")
