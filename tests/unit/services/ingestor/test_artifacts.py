"""Artifacts: each belongs to one job, also where names of before were shared."""

import msgspec

from contracts.events import Artifact, JobCompleted, JobDeleted
from contracts.ids import CommitId, JobId
from contracts.subjects import job_subject
from domain.artifacts import Place, key_of
from read_models import jobs
from services.ingestor.artifacts import removable
from services.ingestor.handlers.settle_results import settle
from tests.support.examples import ACCOUNT, OTHER
from tests.support.ingesting import MASTER_KEY, IngestingWorld

RED = {"images": [{"url": "https://media.example/red"}]}
SHARED = Artifact(media_type="image/png", key="artifacts/0123456789abcdef.png", sha256="00")


async def completed_before(world: IngestingWorld, artifact: Artifact = SHARED) -> JobId:
    """A job that a first version completed: its artifact's name is its content's."""
    job = await world.job()
    end = JobCompleted(job_id=job, account_id=ACCOUNT, attempt=1, artifacts=(artifact,))
    await world.add(job_subject(job), end)
    return job


async def keys_of(world: IngestingWorld, job: JobId) -> tuple[str, ...]:
    world.project()
    found = world.database.now(lambda connection: jobs.find(connection, job))
    assert found is not None
    return await removable(world.ingestor, found)


async def test_a_jobs_own_artifact_is_removed_with_it() -> None:
    world = IngestingWorld()
    made = []
    for _ in range(2):
        job = await world.job()
        await settle(world.ingestor, await world.result(job, RED), CommitId("c"))
        made.append(job)
    keys = [await keys_of(world, job) for job in made]
    assert len({*keys[0], *keys[1]}) == 2
    for each in keys:
        assert set(each) <= world.storage.objects.keys()


async def test_a_shared_artifact_of_before_stays_while_another_job_shows_it() -> None:
    world = IngestingWorld()
    one, two = await completed_before(world), await completed_before(world)
    assert await keys_of(world, one) == ()
    await world.add(job_subject(one), JobDeleted(job_id=one, account_id=ACCOUNT, by="owner"))
    assert await keys_of(world, two) == (SHARED.key,)


async def test_an_artifact_of_before_that_nobody_shares_is_removed() -> None:
    world = IngestingWorld()
    alone = msgspec.structs.replace(SHARED, key="artifacts/fedcba9876543210.png")
    job = await completed_before(world, alone)
    await completed_before(world)
    assert await keys_of(world, job) == (alone.key,)


def test_a_name_tells_account_job_place_and_content_apart() -> None:
    one, two = JobId("one"), JobId("two")
    names = {
        key_of(MASTER_KEY, account, Place(job, index), digest)
        for account in (ACCOUNT, OTHER)
        for job in (one, two)
        for index in (0, 1)
        for digest in ("aa", "bb")
    }
    assert len(names) == 16
