"""A webhook is believed only when it is signed, whole and new."""

import base64
import hashlib
import hmac

import msgspec
import pytest
from darkroom_client import BadAnswer, NotFromDarkroom, verify
from darkroom_client.models import JobNotification

from tests.support.python_client.writing import read

NOW = 1_800_000_000.0
SECRET = "whsec_" + base64.b64encode(b"k" * 32).decode()
OTHER = "whsec_" + base64.b64encode(b"o" * 32).decode()
EXAMPLES = {
    name: each["post"]["requestBody"]["content"]["application/json"]["example"]
    for name, each in read()["webhooks"].items()
}
BODY = msgspec.json.encode(EXAMPLES["job.failed"])


def signed(secret: str, body: bytes = BODY, at: str = str(int(NOW))) -> str:
    key = base64.b64decode(secret.removeprefix("whsec_"))
    message = b"msg_1." + at.encode() + b"." + body
    return "v1," + base64.b64encode(hmac.digest(key, message, hashlib.sha256)).decode()


def headers(*signatures: str, at: str = str(int(NOW))) -> dict[str, str]:
    return {
        "Webhook-Id": "msg_1",
        "Webhook-Timestamp": at,
        "Webhook-Signature": " ".join(signatures),
    }


def test_a_signed_one_is_read() -> None:
    told = verify(BODY, headers(signed(SECRET)), SECRET, now=NOW)
    assert isinstance(told, JobNotification)
    assert (told.type, told.data.status) == ("job.failed", "failed")


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_type_is_read(name: str) -> None:
    body = msgspec.json.encode(EXAMPLES[name])
    assert verify(body, headers(signed(SECRET, body)), SECRET, now=NOW).type == name


def test_one_of_several_signatures_and_of_several_secrets_is_enough() -> None:
    both = headers(signed(OTHER), signed(SECRET))
    assert verify(BODY, both, SECRET, now=NOW) == verify(BODY, both, OTHER, now=NOW)
    assert verify(BODY, headers(signed(OTHER)), [SECRET, OTHER], now=NOW)


@pytest.mark.parametrize(
    ("body", "given", "reason"),
    [
        (BODY, headers(signed(OTHER)), "no signature"),
        (BODY + b" ", headers(signed(SECRET)), "no signature"),
        (BODY, headers(signed(SECRET), at=str(int(NOW) + 1)), "no signature"),
        (BODY, headers("v1a," + signed(SECRET)[3:]), "no signature"),
        (BODY, headers("v1,ä"), "no signature"),
        (BODY, headers(*["v1,x"] * 30, signed(SECRET)), "no signature"),
        (BODY, {"webhook-id": "msg_1"}, "webhook-timestamp"),
        (b"x" * 2_000_000, headers(signed(SECRET)), "too large"),
    ],
)
def test_a_forged_one_is_refused(body: bytes, given: dict[str, str], reason: str) -> None:
    with pytest.raises(NotFromDarkroom, match=reason):
        verify(body, given, SECRET, now=NOW)


@pytest.mark.parametrize("seconds", [-301, 301])
def test_an_old_one_and_one_of_the_future_are_refused(seconds: int) -> None:
    given = headers(signed(SECRET))
    assert verify(BODY, given, SECRET, now=NOW + seconds // 301 * 299)
    with pytest.raises(NotFromDarkroom, match="too long ago"):
        verify(BODY, given, SECRET, now=NOW + seconds)


def test_a_time_that_is_no_number_is_refused() -> None:
    for at in ("soon", "١٢", "9" * 40):
        with pytest.raises(NotFromDarkroom, match="no number"):
            verify(BODY, headers(signed(SECRET, at=at), at=at), SECRET, now=NOW)


@pytest.mark.parametrize(
    "body",
    [b"{", b'{"type":"job.renamed"}', b'{"type":"job.failed"}', b'{"type":"\xff"}'],
)
def test_a_signed_one_that_cannot_be_read_is_another_error(body: bytes) -> None:
    with pytest.raises(BadAnswer):
        verify(body, headers(signed(SECRET, body)), SECRET, now=NOW)


def test_a_secret_that_is_none_is_the_callers_mistake() -> None:
    with pytest.raises(ValueError, match="registration"):
        verify(BODY, headers(signed(SECRET)), "whsec_%%%", now=NOW)


@pytest.mark.parametrize("secret", ["", "whsec_"])
def test_an_empty_secret_verifies_nothing(secret: str) -> None:
    """Anybody can sign with it."""
    with pytest.raises(ValueError, match="registration"):
        verify(BODY, headers(signed(secret)), secret, now=NOW)


@pytest.mark.parametrize("name", ["Webhook-Id", "Webhook-Timestamp", "Webhook-Signature"])
def test_headers_that_are_no_utf_8_are_refused(name: str) -> None:
    """Some servers, aiohttp for one, hand them over with lone surrogates in them."""
    given = headers(signed(SECRET)) | {name: "v1,\udcff"}
    with pytest.raises(NotFromDarkroom):
        verify(BODY, given, SECRET, now=NOW)
