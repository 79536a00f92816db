"""Many seeds at once, on all cores: what failed in each, and what came about in all of them."""

import os
import sys
import traceback
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from msgspec import Struct

CHUNK = 10


class Seen(Struct):
    """What came of some seeds; `troubles` counts in how many each of them came about."""

    failed: dict[int, str] = {}
    troubles: Counter[str] = Counter()
    jobs: int = 0
    commits: int = 0


def run_seeds(seeds: Iterable[int], *, told: bool = False) -> Seen:
    """Run all of them, however many fail."""
    wanted, whole = list(seeds), Seen()
    chunks = [wanted[first : first + CHUNK] for first in range(0, len(wanted), CHUNK)]
    with ProcessPoolExecutor(os.cpu_count() or 1, get_context("spawn")) as pool:
        for seen in pool.map(_run, chunks):
            whole.failed |= seen.failed
            whole.troubles += seen.troubles
            whole.jobs += seen.jobs
            whole.commits += seen.commits
            for seed, words in seen.failed.items() if told else ():
                print(f"seed {seed}: {words}", flush=True)
    return whole


def _run(seeds: list[int]) -> Seen:
    """Imported here, so that whoever starts the pool need not load the whole world."""
    from tests.faults.simulation import simulate  # noqa: PLC0415
    from tests.support.memory import MemoryDatabase  # noqa: PLC0415

    database, seen = MemoryDatabase(), Seen(failed={}, troubles=Counter())
    for seed in seeds:
        try:
            world = simulate(seed, database)
        except Exception as error:
            command = f"python -m tests.faults.simulation {seed}"
            place = traceback.extract_tb(error.__traceback__)[-1]
            seen.failed[seed] = f"{repr(error)[:600]} in {place.name}; repeat it with: {command}"
        else:
            seen.troubles += world.came_about
            seen.jobs += len(world.accepted)
            seen.commits += world.services.broker.end
    return seen


def main() -> None:
    first, last = int(sys.argv[1]), int(sys.argv[2])
    seen = run_seeds(range(first, last), told=True)
    print(f"{len(seen.failed)} of {last - first} failed; {seen.jobs} jobs, {seen.commits} commits")
    print(dict(seen.troubles))


if __name__ == "__main__":
    main()
