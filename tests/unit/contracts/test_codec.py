"""Commits decode for ever, and what is no commit is told apart from a crash."""

from typing import Any

import pytest
from msgspec import structs

from contracts import codec
from contracts.codec import Undecodable, UnknownEvent, UnknownState, WrittenByNewer
from contracts.events import CreditsGranted
from contracts.ids import RunId
from contracts.job_state import Attempt, Outcome
from contracts.run_state import RunState, StepState
from domain.job import requested as requested_state
from tests.support.examples import ACCOUNT, a_job_id, commit, requested, reserved

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


@pytest.mark.parametrize("tag", ["job.requested.v99", "job.praised.v1"])
def test_an_event_of_a_newer_version_is_named(tag: str) -> None:
    body = HEAD + f'{{"type":"{tag}"}}]}}'.encode()
    with pytest.raises(UnknownEvent, match="newer version") as caught:
        codec.decode(body)
    assert caught.value.tag == tag
    assert tag in str(caught.value)


@pytest.mark.parametrize(
    "body", [b"{}", HEAD + b"1]}", HEAD + b"{}]}", HEAD + b'{"type":"job.requested.v1"}]}']
)
def test_what_nobody_wrote_is_not_called_a_newer_version(body: bytes) -> None:
    with pytest.raises(Undecodable) as caught:
        codec.decode(body)
    assert not isinstance(caught.value, WrittenByNewer)


@pytest.mark.parametrize("field", ['"hold":1', '"outcome":"open"', '"requested_sequence":3'])
def test_a_carried_state_with_a_newer_field_is_refused_and_never_written_without_it(
    field: str,
) -> None:
    job = a_job_id()
    state = requested_state(requested(job), 3)
    state = structs.replace(state, attempts=(Attempt(outcome=Outcome.OPEN),))
    body = codec.encode(commit(reserved(job), job=state))
    assert codec.decode(body).job == state
    newer = body.replace(field.encode(), field.encode() + b',"colour":"red"', 1)
    assert newer != body
    with pytest.raises(UnknownState, match="newer version"):
        codec.decode(newer)


def test_a_carried_run_with_a_newer_field_is_refused_too() -> None:
    step = StepState(step=2, job_id=a_job_id())
    run = RunState(
        run_id=RunId(a_job_id()),
        account_id=ACCOUNT,
        funnel="f",
        exclusive_key="r",
        requested_sequence=3,
        steps=(step,),
    )
    body = codec.encode(structs.replace(commit(reserved(a_job_id())), run=run))
    assert codec.decode(body).run == run
    for field in (b'"step":2', b'"funnel":"f"'):
        with pytest.raises(UnknownState):
            codec.decode(body.replace(field, field + b',"colour":"red"'))


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


@pytest.mark.parametrize("reason", ["\x00", "a\x00\x00b", "\\\x00", "\\u0000", "\\\\\x00x"])
def test_a_nul_that_was_taken_once_is_read_as_a_mark(reason: str) -> None:
    granted = CreditsGranted(account_id=ACCOUNT, amount=1, reason=reason)
    (event,) = codec.decode(codec.encode(commit(granted))).events
    assert isinstance(event, CreditsGranted)
    assert event.reason == reason.replace("\x00", "\ufffd")


@pytest.mark.parametrize("text", [rb"\ud800", rb"\udc00\ud800", b"\xed\xa0\x80"])
def test_no_commit_can_hold_half_of_a_character(text: bytes) -> None:
    granted = CreditsGranted(account_id=ACCOUNT, amount=1, reason="REASON")
    with pytest.raises(codec.Undecodable):
        codec.decode(codec.encode(commit(granted)).replace(b"REASON", text))
