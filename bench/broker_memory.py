"""Measures the embedded broker's memory and idle CPU by the size of its log.

`python -m bench.broker_memory FOLDER MESSAGES SUBJECTS`: fills a scratch log once (it is kept in
the folder), then starts the broker on it with each candidate of Go's memory settings.
"""

import asyncio
import hashlib
import os
import subprocess
import sys
import time
from pathlib import Path
from uuid import UUID

from nats.aio.client import Client
from nats.js.api import StorageType, StreamConfig

from adapters.broker import connect
from bench.processes import cost_of
from cli.world import free_port

BODY_BYTES = 700  # The usual size of a commit.
PUBLISHES_A_ROUND = 2_000
READS = 2_000
SETTLE_SECONDS = 10.0
MEASURE_SECONDS = 20.0
START_SECONDS_MAX = 120.0
CANDIDATES: tuple[dict[str, str], ...] = (
    *({}, {"GOGC": "50"}, {"GOGC": "25"}, {"GOMEMLIMIT": "200MiB"}),
)


def main() -> None:
    folder, messages, subjects = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    asyncio.run(_run(folder, messages, subjects))


async def _run(folder: Path, messages: int, subjects: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "filled").exists():
        server, client, seconds = await _start(folder, {}, sync="10s")
        await _fill(client, messages, subjects)
        await _stop(server, client)
        (folder / "filled").touch()
    print(f"{messages:,} messages on {subjects:,} subjects")
    for candidate in CANDIDATES:
        server, client, seconds = await _start(folder, candidate, sync="always")
        await _warm_up(client, messages, subjects)
        await asyncio.sleep(SETTLE_SECONDS)
        before = cost_of([server.pid])
        await _idle(client)
        after = cost_of([server.pid])
        share = (after.cpu_seconds - before.cpu_seconds) / MEASURE_SECONDS
        print(
            f"{candidate or 'no limit'}: up in {seconds:.1f} s, {after.rss_megabytes:.0f} MB,"
            f" idle {share:.1%} of a core",
            flush=True,
        )
        await _stop(server, client)


async def _start(
    folder: Path, environment: dict[str, str], *, sync: str
) -> tuple[subprocess.Popen[bytes], Client, float]:
    port = free_port()
    config = folder / "nats.conf"
    config.write_text(
        f'listen: "127.0.0.1:{port}"\nmax_payload: 1MB\n'
        f'jetstream {{ store_dir: "{folder}/store", sync_interval: {sync}, max_mem: 64MB }}\n'
    )
    program = str(Path(sys.executable).with_name("nats-server"))
    began_at = time.monotonic()
    server = subprocess.Popen(
        [program, "-c", str(config)],
        env={"PATH": os.environ["PATH"], **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    async with asyncio.timeout(START_SECONDS_MAX):
        client = await connect(f"nats://127.0.0.1:{port}", None, None, "bench")
    return server, client, time.monotonic() - began_at


async def _stop(server: "subprocess.Popen[bytes]", client: Client) -> None:
    await client.close()
    server.terminate()
    server.wait()


async def _fill(client: Client, messages: int, subjects: int) -> None:
    config = StreamConfig(name="LOG", subjects=["log.>"], storage=StorageType.FILE)
    await client.jetstream().add_stream(config)
    body = b"x" * BODY_BYTES
    for start in range(0, messages, PUBLISHES_A_ROUND):
        for number in range(start, min(start + PUBLISHES_A_ROUND, messages) - 1):
            await client.publish(_subject(number, messages, subjects), body)
        await client.request(_subject(start, messages, subjects), body, timeout=10)


async def _warm_up(client: Client, messages: int, subjects: int) -> None:
    """Read as decisions do, so that the broker's indexes are warm."""
    step = max(1, messages // READS)
    for number in range(0, messages, step):
        wanted = f'{{"last_by_subj":"{_subject(number, messages, subjects)}"}}'
        await client.request("$JS.API.STREAM.MSG.GET.LOG", wanted.encode(), timeout=10)


async def _idle(client: Client) -> None:
    """Do what a world does in which nothing happens: ask about health, look at the log."""
    for _ in range(int(MEASURE_SECONDS)):
        await asyncio.sleep(1.0)
        await client.publish("live.health", b"")
        await client.request("$JS.API.STREAM.INFO.LOG", b"", timeout=10)


def _subject(number: int, messages: int, subjects: int) -> str:
    """A job's commits stand near each other in the log."""
    job = (number * subjects // messages).to_bytes(8)
    return f"log.job.{UUID(bytes=hashlib.sha256(job).digest()[:16])}"


if __name__ == "__main__":
    main()
