"""Webhooks: of the attempt's own request, and each recorded once."""

import asyncio
import time

import msgspec
import pytest
from msgspec import structs

from adapters.database import DatabaseUnavailable
from application.event_log import LogUnavailable, Unavailable
from contracts.commit import Commit
from contracts.events import ResultReceived
from contracts.ids import JobId
from contracts.subjects import Subject, evidence_subject
from read_models import provider_requests
from services.ingestor.dependencies import Ingestor
from services.ingestor.handlers.receive_webhooks import Acceptance, WebhookDelivery, take_in
from services.ingestor.signatures import Rejection
from tests.support.examples import ACCOUNT, submitted
from tests.support.ingesting import IngestingWorld


def delivery(
    world: IngestingWorld, job: JobId, request_id: str = "request-1", status: str = "OK"
) -> WebhookDelivery:
    """What the provider sends for the job's first attempt, signed."""
    fields = {"request_id": request_id, "status": status, "payload": {"images": []}}
    body = msgspec.json.encode(fields)
    headers = world.provider.sign(request_id, body, at=int(time.time()))
    return WebhookDelivery(
        job=job,
        attempt="1",
        token=world.tokens.mint(ACCOUNT, job, 1),
        headers={name.lower(): value for name, value in headers.items()},
        body=body,
    )


async def submitted_job(world: IngestingWorld) -> JobId:
    """A job whose request the rows know: `request-1`."""
    job = await world.job()
    await world.add(evidence_subject("submitted"), submitted(job))
    world.project()
    return job


def results(world: IngestingWorld) -> list[ResultReceived]:
    events = (event for each in world.log.entries() for event in each.recorded().commit.events)
    return [event for event in events if isinstance(event, ResultReceived)]


def restarted(world: IngestingWorld) -> Ingestor:
    """Another process on the same world."""
    return structs.replace(world.ingestor, deliveries={}, active=set())


async def test_a_delivery_of_the_attempts_own_request_is_recorded() -> None:
    world = IngestingWorld()
    job = await submitted_job(world)
    assert await take_in(world.ingestor, delivery(world, job)) is Acceptance.ACCEPTED
    assert [event.request_id for event in results(world)] == ["request-1"]


async def test_a_delivery_of_another_request_is_refused_and_writes_nothing() -> None:
    world = IngestingWorld()
    job = await submitted_job(world)
    verdict = await take_in(world.ingestor, delivery(world, job, "somebody-elses"))
    assert verdict is Rejection.OTHER_REQUEST
    assert results(world) == []


async def test_before_the_request_is_known_the_first_result_binds() -> None:
    world = IngestingWorld()
    job = await world.job()
    world.project()
    assert await take_in(world.ingestor, delivery(world, job)) is Acceptance.ACCEPTED
    world.project()
    late = await take_in(world.ingestor, delivery(world, job, "another"))
    assert late is Rejection.OTHER_REQUEST
    assert len(results(world)) == 1


async def test_what_the_provider_answered_to_the_post_counts_more_than_who_came_first() -> None:
    world = IngestingWorld()
    job = await world.job()
    await take_in(world.ingestor, delivery(world, job, "came-first"))
    await world.add(evidence_subject("submitted"), submitted(job))
    world.project()
    assert await take_in(world.ingestor, delivery(world, job)) is Acceptance.ACCEPTED


async def test_another_attempts_request_does_not_count_for_this_one() -> None:
    world = IngestingWorld()
    job = await world.job()
    await world.add(evidence_subject("submitted"), submitted(job, attempt=2))
    world.project()
    assert await take_in(world.ingestor, delivery(world, job)) is Acceptance.ACCEPTED


async def test_twenty_replays_of_one_delivery_are_one_commit_at_once_or_one_by_one() -> None:
    world = IngestingWorld()
    job = await submitted_job(world)
    sent = delivery(world, job)
    at_once = await asyncio.gather(*(take_in(world.ingestor, sent) for _ in range(20)))
    assert at_once.count(Acceptance.ACCEPTED) == 1
    for _ in range(20):
        assert await take_in(world.ingestor, sent) is Acceptance.REPEATED
    assert len(results(world)) == 1


async def test_a_replay_to_another_process_or_after_a_restart_writes_nothing() -> None:
    world = IngestingWorld()
    job = await submitted_job(world)
    await take_in(world.ingestor, delivery(world, job))
    world.project()
    assert await take_in(restarted(world), delivery(world, job)) is Acceptance.REPEATED
    assert len(results(world)) == 1


async def test_another_verdict_of_the_same_request_is_recorded() -> None:
    world = IngestingWorld()
    job = await submitted_job(world)
    for status in ("ERROR", "OK"):
        sent = delivery(world, job, status=status)
        assert await take_in(world.ingestor, sent) is Acceptance.ACCEPTED
        world.project()


async def test_a_delivery_that_the_log_did_not_take_is_recorded_when_it_comes_again() -> None:
    world = IngestingWorld()
    job = await submitted_job(world)
    sent = delivery(world, job)
    append = world.log.append

    async def away(_subject: Subject, _commit: Commit, *, after: int | None) -> Unavailable:
        return Unavailable(f"away, {after}")

    world.log.append = away  # type: ignore[method-assign,assignment]
    with pytest.raises(LogUnavailable):
        await take_in(world.ingestor, sent)
    world.log.append = append  # type: ignore[method-assign]
    assert await take_in(world.ingestor, sent) is Acceptance.ACCEPTED


async def test_while_the_rows_are_away_a_delivery_is_recorded_all_the_same() -> None:
    world = IngestingWorld()
    job = await submitted_job(world)

    async def away(*_: object) -> object:
        raise DatabaseUnavailable

    world.database.read = away  # type: ignore[method-assign,assignment]
    assert await take_in(world.ingestor, delivery(world, job)) is Acceptance.ACCEPTED


async def test_a_wrong_token_is_an_unknown_attempt_whatever_is_signed() -> None:
    world = IngestingWorld()
    job, other = await submitted_job(world), await submitted_job(world)
    token = world.tokens.mint(ACCOUNT, other, 1)
    for changes in ({"token": token}, {"attempt": "2"}, {"attempt": "x"}, {"job": "../"}):
        sent = structs.replace(delivery(world, job), **changes)
        assert await take_in(world.ingestor, sent) is Rejection.UNKNOWN_ATTEMPT


async def test_deliveries_that_were_recorded_are_remembered_up_to_a_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("services.ingestor.handlers.receive_webhooks.DELIVERIES_KNOWN_MAX", 3)
    world = IngestingWorld()
    for _ in range(10):
        await take_in(world.ingestor, delivery(world, await submitted_job(world)))
    assert len(world.ingestor.deliveries) == 3


async def test_one_look_tells_the_request_and_what_it_said() -> None:
    world = IngestingWorld()
    job = await submitted_job(world)
    await take_in(world.ingestor, delivery(world, job))
    world.project()
    known = world.database.now(lambda each: provider_requests.of_attempt(each, job, 1))
    assert known.own == {"request-1"}
    assert known.results == {("request-1", "ok")}
