"""The long fault runs: `make faults`. Prints a table, and writes it to RESULTS.md beside this."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from tests.faults import dead_endpoint, front_door, old_rows, real_runs, seeds
from tests.faults.real_runs import Result
from tests.support.worlds import RunningWorld, running_world

RESULTS = Path(__file__).with_name("RESULTS.md")
SEEDS = 2000
RUNS: tuple[tuple[dict[str, str], Callable[[RunningWorld], Result]], ...] = (
    (real_runs.SETTINGS, lambda world: real_runs.kill_services(world, 60)),
    (real_runs.SETTINGS, lambda world: real_runs.kill_broker(world, 6)),
    (real_runs.SETTINGS, lambda world: real_runs.freeze_broker(world, 30)),
    (real_runs.SETTINGS, lambda world: real_runs.lose_replies(world, 1000)),
    (real_runs.SETTINGS, lambda world: real_runs.lock_database(world, 15)),
    (real_runs.SETTINGS, lambda world: real_runs.drown_in_webhooks(world, 120)),
    (real_runs.COPYING, lambda world: real_runs.take_storage_away(world, 20)),
    (real_runs.SMALL_LOG, real_runs.fill_log),
    (real_runs.SETTINGS, lambda world: front_door.besiege(world, 1000, 50)),
    (old_rows.IMPATIENT, lambda world: old_rows.freeze_projector(world, 10)),
    (old_rows.IMPATIENT, lambda world: old_rows.set_broker_back(world, 500)),
    (real_runs.SETTINGS, lambda world: old_rows.kill_broker_and_follow(world, 5)),
    (real_runs.WRONG_CLOCKS, lambda world: real_runs.skew_clocks(world, 40)),
)


def main() -> None:
    rows = [_simulate(SEEDS)]
    print(f"held: {rows[-1].fault}")
    for settings, run in RUNS:
        with running_world(**settings) as world:
            real_runs.grant_plenty(world)
            rows.append(run(world))
            print(f"held: {rows[-1].fault}")
    rows.append(dead_endpoint.starve(1000))
    print(f"held: {rows[-1].fault}")
    table = _table(rows)
    RESULTS.write_text(table)
    print(table)


def _simulate(count: int) -> Result:
    """Everything at once, on virtual time (simulation.py): so many seeds, of which none fails."""
    began_at = time.monotonic()
    seen = seeds.run_seeds(range(count), told=True)
    assert not seen.failed, f"{len(seen.failed)} seeds failed"
    note = f"{count:,} seeds on virtual time, {seen.commits:,} commits"
    return Result("everything at once, by dice", seen.jobs, note, time.monotonic() - began_at)


def _table(rows: list[Result]) -> str:
    body = "".join(
        f"| {row.fault} | {row.note} | {row.jobs} | 0 | 0 | {row.seconds_to_recover:.0f} s |\n"
        for row in rows
    )
    return f"""# Results of `make faults`

{datetime.now(UTC):%Y-%m-%d %H:%M} UTC. After each run the invariants were checked from outside
(`tests/faults/invariants.py`): one end and one settlement a job, no account overdrawn, no POST
without its record, rebuilt rows equal to the live ones, carried states equal to their folds.

| what breaks | how | jobs accepted | lost | charged twice | all ended and checked after |
|---|---|---|---|---|---|
{body}"""


if __name__ == "__main__":
    main()
