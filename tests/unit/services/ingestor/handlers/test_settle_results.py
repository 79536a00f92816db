"""Settling: what can never be done ends the job, what cannot be done now waits."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import msgspec
import pytest

from adapters.storage import StorageUnavailable
from adapters.vault import KeysUnavailable, Vault
from application import clock
from contracts.events import (
    AnyEvent,
    JobCancelled,
    JobCompleted,
    JobFailed,
    ResultReceived,
    SubmissionStarted,
)
from contracts.ids import AccountId, CommitId, JobId
from contracts.sealed import Sealed, StoredBox
from domain.artifacts import OUTPUTS_MAX
from domain.job import Cancel
from domain.job_kinds.base import files_of
from domain.job_kinds.infograph import Infograph
from services.ingestor.handlers.settle_results import settle
from services.ingestor.handlers.sweep_waiting import sweeps
from tests.support.examples import ACCOUNT, OTHER, at
from tests.support.ingesting import MASTER_KEY, IngestingWorld, picture
from tests.support.memory import MemoryKeyStore, MemoryStorage

CAUSE = CommitId("cause")
RED = {"images": [{"url": "https://media.example/red"}]}


async def completed(world: IngestingWorld, job: JobId) -> JobCompleted:
    event = (await world.end_of(job))[0]
    assert isinstance(event, JobCompleted)
    return event


async def settled(world: IngestingWorld, payload: Any, account: AccountId = ACCOUNT) -> JobId:
    job = await world.job(account)
    await settle(world.ingestor, await world.result(job, payload, account), CAUSE)
    return job


async def failure_of(world: IngestingWorld, job: JobId) -> str:
    event: AnyEvent = (await world.end_of(job))[0]
    assert isinstance(event, JobFailed), event
    return event.code


async def test_two_jobs_with_the_same_picture_have_two_artifacts() -> None:
    world = IngestingWorld()
    jobs = [await settled(world, RED), await settled(world, RED), await settled(world, RED, OTHER)]
    ends = [await completed(world, job) for job in jobs]
    assert len({end.artifacts[0].key for end in ends}) == 3
    assert len({end.artifacts[0].sha256 for end in ends}) == 1


async def test_a_repeated_settle_writes_the_same_object() -> None:
    world = IngestingWorld()
    job = await world.job()
    result = await world.result(job, RED)

    class Died(Exception):
        pass

    async def die(*_: object, **__: object) -> None:
        raise Died

    jobs = world.ingestor.jobs
    decide, jobs.decide = jobs.decide, die  # type: ignore[method-assign,assignment]
    with pytest.raises(Died):
        await settle(world.ingestor, result, CAUSE)
    before = dict(world.storage.objects)
    jobs.decide = decide  # type: ignore[method-assign]
    await settle(world.ingestor, result, CAUSE)
    assert world.storage.objects == before
    assert (await completed(world, job)).artifacts[0].key in before


@pytest.mark.parametrize(
    "body",
    [
        Sealed(),
        Sealed(box=b""),
        Sealed(box=bytes(100)),
        Sealed(stored=StoredBox(key="sealed/none", sha256="", size_bytes=1)),
        Sealed(stored=StoredBox(key="../etc", sha256="", size_bytes=1)),
    ],
)
async def test_a_result_that_can_never_be_read_ends_the_job(body: Sealed) -> None:
    world = IngestingWorld()
    await world.vault.seal(ACCOUNT, b"the account has a key")
    job = await world.job()
    event = msgspec.structs.replace(await world.result(job, RED), body=body)
    await settle(world.ingestor, event, CAUSE)
    assert await failure_of(world, job) == "bad_result"


async def test_a_job_ends_even_when_its_accounts_key_is_lost_for_good() -> None:
    world = IngestingWorld()
    job = await world.job()
    result = await world.result(job, RED)
    world.storage.objects.clear()
    empty = MemoryKeyStore()
    empty.makes_keys = False
    world.ingestor.vault = Vault(MASTER_KEY, empty, world.storage)
    await settle(world.ingestor, result, CAUSE)
    assert await failure_of(world, job) == "bad_result"


class AwayKeys(MemoryKeyStore):
    async def get(self, account: AccountId) -> bytes | None:
        raise KeysUnavailable(account)


class AwayStorage(MemoryStorage):
    async def put(self, key: str, body: bytes) -> None:
        raise StorageUnavailable(key, body)


async def waits_and_then_ends(world: IngestingWorld, job: JobId, result: ResultReceived) -> None:
    """It is neither ended nor a dead letter, its row is swept, and the storing limit ends it."""
    await settle(world.ingestor, result, CAUSE)
    assert isinstance((await world.end_of(job))[0], SubmissionStarted)
    world.project()
    world.ingestor.vault = world.vault
    clock.use(lambda: at(10))
    try:
        sweep = sweeps(world.ingestor)["storing"]
        await sweep.once()
        await sweep.until_idle()
    finally:
        clock.use()
    assert isinstance((await world.end_of(job))[0], JobCompleted | JobFailed)


async def test_while_keys_or_storage_are_away_a_result_waits_in_its_row() -> None:
    world = IngestingWorld()
    job = await world.job()
    result = await world.result(job, RED)
    world.ingestor.vault = Vault(MASTER_KEY, AwayKeys(), world.storage)
    await waits_and_then_ends(world, job, result)
    job = await world.job()
    result = await world.result(job, RED)
    world.ingestor.storage = AwayStorage()
    await settle(world.ingestor, result, CAUSE)
    assert isinstance((await world.end_of(job))[0], SubmissionStarted)


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("https://media.example\t.evil.example/red", "bad_result"),
        ("https://media.example/\x00red", "bad_result"),
        ("https://[", "media_host_refused"),
        ("https://media.example/" + "r" * 5000, "bad_result"),
        ("https://media.example@evil.example/red", "media_host_refused"),
        ("https://media.example\\@evil.example/red", "media_host_refused"),
        ("https://user@media.example/red", "media_host_refused"),
        ("https://media.example:8443/red", "media_host_refused"),
        ("http://media.example/red", "media_host_refused"),
        ("file:///etc/passwd", "media_host_refused"),
        ("", "bad_result"),
    ],
)
@pytest.mark.parametrize("artifacts", ["copy", "link"])
async def test_a_file_with_a_url_that_will_never_do_ends_the_job(
    url: str, code: str, artifacts: str
) -> None:
    world = IngestingWorld(artifacts=artifacts)
    job = await settled(world, {"images": [{"url": url}]})
    assert await failure_of(world, job) == code


async def test_a_linked_file_has_a_media_type_and_no_other_text() -> None:
    world = IngestingWorld(artifacts="link")
    for said, shown in (("image/webp", "image/webp"), ("text/html\r\nX: y", "image/png")):
        image = {"url": "https://media.example/red", "content_type": said}
        job = await settled(world, {"images": [image]})
        assert (await completed(world, job)).artifacts[0].media_type == shown


async def test_a_result_of_more_files_than_fit_into_a_commit_ends_the_job(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        Infograph, "outputs", staticmethod(lambda payload: files_of(payload, "images"))
    )
    world = IngestingWorld()
    job = await settled(world, {"images": RED["images"] * (OUTPUTS_MAX + 1)})
    assert await failure_of(world, job) == "bad_result"


async def test_a_file_that_takes_too_long_is_left_to_the_sweep() -> None:
    world = IngestingWorld()

    async def never(_: httpx.Request) -> httpx.Response:
        await asyncio.Event().wait()
        raise AssertionError

    world.ingestor.media = httpx.AsyncClient(transport=httpx.MockTransport(never))
    job = await world.job()
    await settle(world.ingestor, await world.result(job, RED), CAUSE, seconds=0.01)
    assert isinstance((await world.end_of(job))[0], SubmissionStarted), "it has no end yet"
    assert job not in world.ingestor.active


async def test_a_job_that_is_cancelled_while_its_file_is_copied_leaves_no_file() -> None:
    world = IngestingWorld()
    job = await world.job()

    async def cancel_meanwhile(_: httpx.Request) -> httpx.Response:
        loaded = await world.ingestor.jobs.load(job)
        assert loaded is not None
        await world.ingestor.jobs.decide(loaded, Cancel(by="t", reason="r"))
        return httpx.Response(200, content=pieces())

    async def pieces() -> AsyncIterator[bytes]:
        yield picture("red")

    world.ingestor.media = httpx.AsyncClient(transport=httpx.MockTransport(cancel_meanwhile))
    await settle(world.ingestor, await world.result(job, RED), CAUSE)
    assert isinstance((await world.end_of(job))[0], JobCancelled)
    assert not files_in(world)


async def test_a_result_of_which_one_file_is_refused_leaves_none_of_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        Infograph, "outputs", staticmethod(lambda payload: files_of(payload, "images"))
    )
    world = IngestingWorld()
    payload = {"images": [*RED["images"], {"url": "https://elsewhere.example/red"}]}
    job = await settled(world, payload)
    assert await failure_of(world, job) == "media_host_refused"
    assert not files_in(world)


def files_in(world: IngestingWorld) -> list[str]:
    return [key for key in world.storage.objects if key.startswith("artifacts/")]
