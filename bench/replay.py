"""Replays a world's log into empty read models, and prints how many commits, and how many a second.

`python -m bench.replay DATA_DIR`, beside the world that runs there.
"""

import asyncio
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import uvloop

from adapters.database import open_database
from cli.connection import connected
from services.projector.dependencies import Projector
from services.projector.handlers.project_commits import project_commits


async def replay(data_dir: Path) -> tuple[int, float]:
    async with connected(data_dir) as connection:
        end = await connection.log.end()
        with TemporaryDirectory() as folder:
            database = open_database(f"sqlite:///{folder}/replay.sqlite3", read_only=False)
            projector = Projector(connection.log, database, None)
            began_at = time.perf_counter()
            projecting = asyncio.create_task(project_commits(projector))
            while projector.position < end:
                await asyncio.sleep(0.01)
            seconds = time.perf_counter() - began_at
            projecting.cancel()
            await asyncio.gather(projecting, return_exceptions=True)
            await database.close()
    return end, end / seconds


if __name__ == "__main__":
    print(*uvloop.run(replay(Path(sys.argv[1]))))
