"""Runs the benchmark and writes its table: `make bench`."""

import asyncio
import os
import platform
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import uvloop

from bench import measures, relay, streams
from bench.measures import Row
from cli.running import running
from cli.supervisor import Supervisor
from cli.world import World

JOBS = int(os.environ.get("BENCH_JOBS", "4000"))
WARM_UP = 500
RESULTS = Path(__file__).with_name("RESULTS.md")
ENVIRONMENT = {
    "SIMULATOR_SECONDS": "0",
    "SIMULATOR_JOURNAL": "off",
    "ARTIFACTS": "link",
    "LOG_LEVEL": "warning",
    "ACCOUNT_READS_PER_MINUTE": "10000000",
}
NOT_OURS = {"simulator"}  # It stands for the provider.


def main() -> None:
    os.environ.update(ENVIRONMENT)
    rows = uvloop.run(_run())
    table = _table(rows)
    RESULTS.write_text(table)
    print(table)


async def _run() -> list[Row]:
    with TemporaryDirectory(prefix="darkroom-bench-") as folder:
        path = Path(folder)
        async with running(path, "127.0.0.1", 0, tell=print) as found:
            return await _measure(*found)


async def _measure(world: World, supervisor: Supervisor) -> list[Row]:
    pids = {name: pid for name, pid in supervisor.pids.items() if name not in NOT_OURS}
    everything = supervisor.pids | {"up": os.getpid()}
    await asyncio.sleep(1)
    rows = await measures.idle(everything)
    rows += await measures.broker_limit(world)
    tokens = await measures.open_accounts(
        world, *(f"bench-{number}" for number in range(measures.ACCOUNTS))
    )
    await measures.throughput(world, pids, tokens, WARM_UP)
    rows += await measures.throughput(world, pids, tokens, JOBS)
    rows += await relay.measure(world, pids)
    await measures.simulate(world, measures.SIMULATED_SECONDS)
    rows += await measures.steady(world, pids, tokens)
    rows += await streams.measure(world, pids, tokens)
    rows += await measures.replay(world)
    return rows


def _table(rows: list[Row]) -> str:
    now = datetime.now(UTC)
    machine = f"{_processor()}, {os.cpu_count()} cores · {platform.system()} {platform.release()}"
    body = "".join(f"| {row.what} | {row.value} |\n" for row in rows)
    return f"""# Results of `make bench`

{now:%Y-%m-%d %H:%M} UTC · {machine} · Python {platform.python_version()}

{JOBS} jobs of {measures.ACCOUNTS} accounts; the provider answers at once, `ARTIFACTS=link`,
`Prefer: respond-async`; every commit is flushed to disk before it is acknowledged. Load generator
and provider share the machine and are not counted in the CPU of a job.

| what | measured |
|---|---|
{body}"""


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


if __name__ == "__main__":
    main()
