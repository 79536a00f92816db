"""The simulator's switches: programs on this machine may use them, web pages may not."""

from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from simulator.control import Control
from simulator.failures import RULES_MAX
from simulator.queue import Queue, Reply
from simulator.requests import QueueRequests
from simulator.webhooks import Webhooks

OWN = {b"host": b"127.0.0.1:8443", b"content-type": b"application/json; charset=utf-8"}


@pytest.fixture
def control() -> Control:
    webhooks = Webhooks(Ed25519PrivateKey.generate())
    return Control(Queue("https://127.0.0.1:8443", 0.0, QueueRequests(None), webhooks))


def ask(
    control: Control, method: str, body: Any = None, headers: dict[bytes, bytes] = OWN
) -> Reply:
    return control.answer("failures", method, headers, msgspec.json.encode(body))


@pytest.mark.parametrize(
    "changed",
    [
        {b"host": b"rebound.example:8443"},
        {b"host": b"127.0.0.1:80"},
        {b"host": b""},
        {b"origin": b"https://elsewhere.example"},
        {b"origin": b"http://127.0.0.1:8443"},
        {b"origin": b"null"},
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_a_page_of_another_origin_gets_and_changes_nothing(
    control: Control, method: str, changed: dict[bytes, bytes]
) -> None:
    ask(control, "POST", {"failure": "slow"})
    answer = ask(control, method, {"failure": "slow"}, OWN | changed)
    assert answer.status == 403
    assert len(ask(control, "GET").body["rules"]) == 1


@pytest.mark.parametrize("path", ["seconds", "keys", "prompts", "posts", "sent", "requests"])
def test_the_other_switches_are_guarded_too(control: Control, path: str) -> None:
    method = "POST" if path in {"seconds", "keys"} else "GET"
    answer = control.answer(path, method, OWN | {b"host": b"rebound.example"}, b"1")
    assert answer.status == 403


@pytest.mark.parametrize(
    "media_type", [b"", b"text/plain", b"application/x-www-form-urlencoded", b"application/jsonx"]
)
def test_a_form_of_a_page_is_no_json(control: Control, media_type: bytes) -> None:
    answer = ask(control, "POST", {"failure": "slow"}, OWN | {b"content-type": media_type})
    assert answer.status == 415
    assert ask(control, "GET").body["rules"] == []


def test_both_names_of_this_machine_may_ask(control: Control) -> None:
    local = OWN | {b"host": b"localhost:8443", b"origin": b"https://127.0.0.1:8443"}
    assert ask(control, "POST", {"failure": "slow"}, local).status == 201


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"failure": "slow", "next": 0}, "next: must be at least 1"),
        ({"failure": "slow", "prompt_contains": ""}, "prompt_contains: must not"),
        ({"failure": "slow", "often": 1}, "often: there is no such field"),
        ({"failure": "sloww"}, "sloww: did you mean slow?"),
        ({"failure": "x"}, "there is post_401, "),
        ([], "object"),
    ],
)
def test_a_wrong_rule_is_refused_by_its_field(control: Control, body: Any, named: str) -> None:
    answer = ask(control, "POST", body)
    assert (answer.status, named in answer.body["detail"]) == (422, True)
    assert ask(control, "GET").body["rules"] == []


def test_what_is_no_json_is_refused(control: Control) -> None:
    assert control.answer("failures", "POST", OWN, b"{").status == 422
    assert control.answer("seconds", "POST", OWN, b'"soon"').status == 422
    assert control.answer("failures", "POST", OWN, b'{"failure":"\xff"}').status == 422
    assert control.answer("failures", "POST", OWN, b'{"x":' + b"[" * 50_000).status == 422


def test_too_many_rules_are_refused(control: Control) -> None:
    for _ in range(RULES_MAX):
        assert ask(control, "POST", {"failure": "slow"}).status == 201
    assert ask(control, "POST", {"failure": "slow"}).status == 409
    assert ask(control, "DELETE").body == {"cleared": RULES_MAX}
    assert ask(control, "POST", {"failure": "slow"}).status == 201


def test_other_methods_and_paths_are_refused(control: Control) -> None:
    assert ask(control, "PUT").status == 405
    assert control.answer("nothing", "POST", OWN, b"1").status == 404
    assert control.answer("nothing", "GET", OWN, b"").status == 404
