"""What a provider answered is a result, a failure in plain words, or nothing yet."""

import pytest

from contracts.events.evidence import Verdict
from domain.provider_results import (
    BadEnvelope,
    Failure,
    failure_in_words,
    failure_of,
    read_envelope,
)
from domain.refusals import JOB_CODES


def test_fals_envelope_and_the_bare_result_of_the_seeds_are_both_read() -> None:
    wrapped = read_envelope(b'{"request_id":"r","status":"OK","payload":{"images":[]}}')
    assert (wrapped.verdict, wrapped.request_id) == (Verdict.OK, "r")
    bare = read_envelope(b'{"images":[{"url":"u"}]}')
    assert (bare.verdict, bare.payload) == (Verdict.OK, {"images": [{"url": "u"}]})


def test_an_error_envelope_is_an_error() -> None:
    body = b'{"request_id":"r","status":"ERROR","error":"422","payload":{"detail":[]}}'
    assert read_envelope(body).verdict is Verdict.ERROR


@pytest.mark.parametrize("status", ["OK", "ERROR"])
def test_a_null_payload_says_nothing_in_either_case(status: str) -> None:
    body = f'{{"request_id":"r","status":"{status}","payload":null,"payload_error":"x"}}'
    assert read_envelope(body.encode()).verdict is Verdict.NO_PAYLOAD


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b"{", b"[" * 100_000, b"\xff"])
def test_what_is_no_envelope_is_refused(body: bytes) -> None:
    with pytest.raises(BadEnvelope):
        read_envelope(body)


@pytest.mark.parametrize(
    ("type_", "code"),
    [
        ("content_policy_violation", "content_policy"),
        ("sequence_too_long", "invalid_input"),
        ("missing", "invalid_input"),
        ("a_type_of_tomorrow", "invalid_input"),
        ("generation_timeout", "provider_failed"),
        ("no_media_generated", "provider_failed"),
    ],
)
def test_what_the_user_can_change_is_told_from_what_only_the_provider_can(
    type_: str, code: str
) -> None:
    assert failure_of({"detail": [{"type": type_, "msg": "m"}]}, "").code == code


def test_a_runner_error_is_the_providers() -> None:
    payload = {"detail": "Request timed out", "error_type": "request_timeout"}
    failure = failure_of(payload, "Invalid status code: 504")
    assert (failure.code, failure.detail) == ("provider_failed", '"Request timed out"')


def test_an_owner_reads_a_plain_message_and_what_the_provider_said_of_the_input() -> None:
    assert Failure("deadline").message == JOB_CODES["deadline"]
    refused = failure_in_words("Too dark.")
    assert refused.message == f"{JOB_CODES['provider_failed']} The provider said: Too dark."
