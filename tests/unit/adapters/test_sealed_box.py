"""A box opens with its own key, about its own thing, and stays openable."""

from adapters.attempt_tokens import AttemptTokens
from adapters.sealed_box import SealedBox, derive
from contracts.ids import JobId

MASTER = bytes(range(32))
# Written by an older version: boxes and tokens in a log have to open for ever.
OLD_BOX = "76fb41d059eeff3366ed84d214e9a3a7f4927f0325072e7d3b47c957d5f499b526"
OLD_TOKEN = "F47NuqpFF5WwsUfQO0PwpF6uJpQcEB7dETzWiRKGvxo"


def test_a_box_opens_with_its_key_and_about_its_own_thing_only() -> None:
    boxes = SealedBox(derive(MASTER, "wrap"))
    box = boxes.seal(b"plain", "demo")
    assert boxes.open(box, "demo") == b"plain"
    assert boxes.open(box, "other") is None
    assert SealedBox(derive(MASTER, "other")).open(box, "demo") is None


def test_what_is_no_box_opens_as_nothing() -> None:
    boxes = SealedBox(MASTER)
    for box in (b"", bytes(5), bytes(12), bytes(40)):
        assert boxes.open(box, "demo") is None


def test_what_an_older_version_sealed_still_opens() -> None:
    assert SealedBox(derive(MASTER, "wrap")).open(bytes.fromhex(OLD_BOX), "demo") == b"plain"
    job = JobId("0190a5a0-0000-7000-8000-000000000000")
    assert AttemptTokens(MASTER).open(OLD_TOKEN, job, 1) == "demo"


def test_no_key_serves_two_purposes() -> None:
    assert derive(MASTER, "wrap") != derive(MASTER, "attempt tokens")
