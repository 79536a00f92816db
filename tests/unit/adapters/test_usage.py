"""Usage: so many requests a minute, in all processes of a service together."""

from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest
from nats.aio.client import Client

from adapters import usage as usage_module
from adapters.usage import Usage
from domain.refusals import Refused
from tests.support.loopback_client import LoopbackClient

MINUTE = 1_767_225_600  # One that begins on the second.
LIMIT = 3


class Time:
    """The wall clock, by hand."""

    def __init__(self) -> None:
        self.at = float(MINUTE)

    def time(self) -> float:
        return self.at


@pytest.fixture(autouse=True)
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    found = Time()
    monkeypatch.setattr(usage_module, "time", SimpleNamespace(time=found.time))
    return found


@pytest.fixture
def client() -> LoopbackClient:
    return LoopbackClient()


async def processes(client: LoopbackClient, count: int = 2) -> list[Usage]:
    found = [Usage(f"process-{number}") for number in range(count)]
    for each in found:
        await each.start(cast("Client", client))
    return found


async def tell(usage: Usage, client: LoopbackClient) -> None:
    await usage.send(cast("Client", client))


def is_refused(usage: Usage, name: str = "a", limit: int = LIMIT) -> bool:
    try:
        usage.take(name, limit)
    except Refused as refused:
        return refused.code == "rate_limited"
    return False


def reports(client: LoopbackClient) -> list[Any]:
    return [msgspec.json.decode(data)["counts"] for _, data in client.published]


def test_as_many_requests_as_the_limit_are_taken_in_a_minute() -> None:
    usage = Usage("one")
    assert [is_refused(usage) for _ in range(LIMIT + 2)] == [False] * LIMIT + [True] * 2


def test_each_name_has_a_count_of_its_own() -> None:
    usage = Usage("one")
    usage.take("a", 1)
    assert is_refused(usage, "a", 1)
    assert not is_refused(usage, "b", 1)


@pytest.mark.parametrize(("second", "wait"), [(0, 60), (1, 59), (30.9, 30), (59.9, 1)])
def test_a_refusal_says_after_how_many_seconds_the_next_minute_begins(
    time: Time, second: float, wait: int
) -> None:
    usage = Usage("one")
    time.at += second
    usage.take("a", 1)
    with pytest.raises(Refused) as caught:
        usage.take("a", 1)
    assert caught.value.extra["retry_after_seconds"] == wait


def test_the_next_minute_counts_from_0(time: Time) -> None:
    usage = Usage("one")
    time.at += 59.9
    assert [is_refused(usage) for _ in range(LIMIT + 1)][-1]
    time.at += 0.1
    assert [is_refused(usage) for _ in range(LIMIT + 1)] == [False] * LIMIT + [True]


def test_a_request_that_stands_for_many_counts_as_many() -> None:
    usage = Usage("one")
    usage.take("a", 100, 99)
    usage.take("a", 100)
    assert is_refused(usage, "a", 100)


def test_a_request_that_stands_for_many_is_taken_while_one_is_left() -> None:
    usage = Usage("one")
    usage.take("a", 100, 99)
    usage.take("a", 100, 50)
    assert is_refused(usage, "a", 148)


async def test_what_one_process_reports_is_counted_by_the_others_and_not_again_by_itself(
    client: LoopbackClient,
) -> None:
    one, other = await processes(client)
    one.take("a", LIMIT)
    one.take("a", LIMIT)
    await tell(one, client)
    assert [is_refused(one) for _ in range(2)] == [False, True]
    assert [is_refused(other) for _ in range(2)] == [False, True]


async def test_a_report_holds_only_what_is_new_and_nothing_new_is_no_report(
    client: LoopbackClient,
) -> None:
    (usage,) = await processes(client, 1)
    await tell(usage, client)
    usage.take("a", LIMIT)
    await tell(usage, client)
    await tell(usage, client)
    usage.take("a", LIMIT)
    usage.take("b", LIMIT, 2)
    await tell(usage, client)
    assert reports(client) == [{"a": 1}, {"a": 1, "b": 2}]


async def test_a_refused_request_is_not_reported(client: LoopbackClient) -> None:
    (usage,) = await processes(client, 1)
    usage.take("a", 1)
    assert is_refused(usage, "a", 1)
    await tell(usage, client)
    assert reports(client) == [{"a": 1}]


async def test_a_report_about_a_minute_that_is_over_changes_nothing(
    client: LoopbackClient, time: Time
) -> None:
    one, other = await processes(client)
    one.take("a", LIMIT, LIMIT)
    time.at += 60
    other.take("a", LIMIT)
    await tell(one, client)
    assert not is_refused(other)


async def test_a_report_about_the_next_minute_begins_it(client: LoopbackClient, time: Time) -> None:
    one, other = await processes(client)
    other.take("a", LIMIT)
    time.at += 60
    one.take("a", LIMIT, LIMIT)
    await tell(one, client)
    await tell(other, client)
    assert is_refused(other)
    assert reports(client) == [{"a": LIMIT}], "what is left of the minute before is not told"


def test_when_there_are_too_many_names_a_new_one_is_not_counted_and_an_old_one_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(usage_module, "NAMES_MAX", 2)
    usage = Usage("one")
    for name in ("a", "b", "c"):
        usage.take(name, 2)
    assert [is_refused(usage, "c", 2) for _ in range(3)] == [False] * 3
    assert [is_refused(usage, "a", 2) for _ in range(2)] == [False, True]
