"""Some seeds of everything going wrong at once: nothing is lost, nobody pays or is told twice."""

import structlog

from tests.faults.seeds import run_seeds
from tests.faults.simulation import simulate
from tests.support.memory import MemoryDatabase

SEEDS = 120  # `make faults` runs 2,000.


def test_every_seed_ends_whole() -> None:
    seen = run_seeds(range(SEEDS))
    assert not seen.failed
    rare = ("stood still", "projected anew", "set back", "heap and dead endpoint")
    assert all(seen.troubles[each] > 0 for each in rare), seen.troubles


def test_a_seed_repeats_itself() -> None:
    database = MemoryDatabase()

    def told() -> list[str]:
        world = simulate(7, database)
        return [f"{entry.subject} {len(entry.body)}" for entry in world.log.entries()]

    try:
        assert told() == told()
    finally:
        structlog.reset_defaults()
