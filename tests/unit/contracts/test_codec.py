"""Commits decode for ever, and what is no commit is told apart from a crash."""

from typing import Any

import pytest

from contracts import codec
from contracts.codec import Undecodable
from tests.support.examples import a_job_id, commit, requested, reserved

HEAD = b'{"id":"x","at":"2026-01-01T00:00:00Z","events":['


def test_a_commit_comes_back_as_it_went() -> None:
    job = a_job_id()
    written = commit(reserved(job), requested(job))
    assert codec.decode(codec.encode(written)) == written


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"{}",
        b"[" * 100_000,
        b"\xff",
        HEAD + b'{"type":"job.requested.v99"}]}',
    ],
)
def test_what_is_no_commit_is_undecodable(body: bytes) -> None:
    with pytest.raises(Undecodable):
        codec.decode(body)


def test_an_old_version_is_upcast_step_by_step(monkeypatch: pytest.MonkeyPatch) -> None:
    def to_v2(fields: dict[str, Any]) -> dict[str, Any]:
        return {**fields, "type": "credits.granted.v0_2", "amount": fields["credits"]}

    def to_current(fields: dict[str, Any]) -> dict[str, Any]:
        known = {name: fields[name] for name in ("account_id", "amount")}
        return {**known, "type": "credits.granted.v1", "reason": "before reasons were kept"}

    steps = {"credits.granted.v0_1": to_v2, "credits.granted.v0_2": to_current}
    monkeypatch.setattr(codec, "UPCASTERS", steps)
    body = HEAD + b'{"type":"credits.granted.v0_1","account_id":"a","credits":5}]}'
    (event,) = codec.decode(body).events
    assert getattr(event, "amount", None) == 5


def test_an_unknown_field_of_a_newer_version_is_passed_over() -> None:
    job = a_job_id()
    body = codec.encode(commit(reserved(job)))
    assert codec.decode(body.replace(b'"amount":1', b'"amount":1,"colour":"red"')).events
