"""What an answer to a POST means decides about money: each case is told apart."""

import httpx
import pytest

from adapters.fal import (
    FalGateway,
    OperatorTrouble,
    ProviderRequest,
    SubmissionRefused,
    SubmissionRejected,
    SubmissionUnknown,
    classify,
)


@pytest.mark.parametrize("status", [401, 402, 403])
def test_a_refused_account_is_the_operators_trouble(status: int) -> None:
    assert isinstance(classify(status, {}, "locked"), OperatorTrouble)


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_refusal_took_nothing(status: int) -> None:
    assert isinstance(classify(status, {}, "<center>nginx</center>"), SubmissionRefused)


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_an_error_that_names_a_request_may_have_taken_it(status: int) -> None:
    assert isinstance(classify(status, {"x-fal-request-id": "r"}, ""), SubmissionUnknown)
    assert isinstance(classify(status, {}, '{"request_id":"r"}'), SubmissionUnknown)


@pytest.mark.parametrize("status", [400, 404, 405, 409, 422])
def test_what_will_never_be_taken_is_final(status: int) -> None:
    is_input_refused = status == 422
    assert classify(status, {}, "no") == SubmissionRejected(f"HTTP {status}: no", is_input_refused)


def test_retry_after_is_read_when_it_is_a_number() -> None:
    assert classify(429, {"retry-after": "7"}, "") == SubmissionRefused(
        "HTTP 429: ", 7.0, is_busy=True
    )
    assert classify(429, {"retry-after": "tomorrow"}, "") == SubmissionRefused(
        "HTTP 429: ", None, is_busy=True
    )


@pytest.mark.parametrize("status", [401, 402, 403, 408, 425, 429, 500, 503])
async def test_a_cancellation_that_was_not_heard_is_not_taken_for_an_answer(status: int) -> None:
    gateway = FalGateway("key")
    answer = httpx.MockTransport(lambda _: httpx.Response(status, json={"detail": "later"}))
    gateway._http = httpx.AsyncClient(transport=answer)
    assert await gateway.cancel("a/b", ProviderRequest("r1")) is None
    await gateway.close()
