"""500 seeds of everything going wrong at once: nothing is lost, nobody pays twice."""

import pytest
import structlog

from tests.faults.simulation import simulate
from tests.support.memory import MemoryDatabase

SEEDS = 500
CHUNK = 50


@pytest.fixture(scope="module")
def database() -> MemoryDatabase:
    return MemoryDatabase()


@pytest.mark.parametrize("first", range(0, SEEDS, CHUNK))
def test_every_seed_ends_whole(database: MemoryDatabase, first: int) -> None:
    try:
        for seed in range(first, first + CHUNK):
            try:
                simulate(seed, database)
            except Exception as error:
                command = f"python -m tests.faults.simulation {seed}"
                pytest.fail(f"seed {seed}: {error!r}\nrepeat it with: {command}")
    finally:
        structlog.reset_defaults()


def test_a_seed_repeats_itself(database: MemoryDatabase) -> None:
    def told() -> list[str]:
        world = simulate(7, database)
        return [f"{entry.subject} {len(entry.body)}" for entry in world.log.entries()]

    try:
        assert told() == told()
    finally:
        structlog.reset_defaults()
