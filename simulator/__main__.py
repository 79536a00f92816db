"""Starts the simulator: `python -m simulator`, with the settings of `simulator.settings`."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import uvicorn
import uvloop
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from adapters.http_server import QuietServer
from adapters.process import EXIT_USAGE, PRIVATE
from adapters.settings import BadSetting, load, write_secret
from simulator import certificates
from simulator.app import Simulator
from simulator.journal import Journal
from simulator.queue import Queue
from simulator.requests import QueueRequests
from simulator.settings import SimulatorSettings
from simulator.webhooks import Webhooks


def main() -> None:
    os.umask(PRIVATE)
    try:
        settings = load(SimulatorSettings)
    except BadSetting as error:
        print(error, file=sys.stderr)  # noqa: T201
        sys.exit(EXIT_USAGE)
    folder = Path(settings.simulator_dir).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    print("simulator: requests sent here cost no money", file=sys.stderr)  # noqa: T201
    uvloop.run(_run(folder, settings))


async def _run(folder: Path, settings: SimulatorSettings) -> None:
    port, seconds = settings.simulator_port, settings.simulator_seconds
    server_pem, _ = certificates.make(folder)
    key = _signing_key(folder / "webhook.key")
    kept = settings.simulator_journal == "on"
    requests = QueueRequests(Journal(folder / "requests.sealed", key) if kept else None)
    webhooks = Webhooks(key)
    queue = Queue(f"https://127.0.0.1:{port}", seconds, requests, webhooks)
    queue.resume()
    config = uvicorn.Config(
        Simulator(queue),
        host="127.0.0.1",
        port=port,
        http="httptools",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        ssl_certfile=server_pem,
        ssl_keyfile=server_pem,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=1,
        backlog=4096,
    )
    server = QuietServer(config)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, setattr, server, "should_exit", True)  # noqa: FBT003
    await server.serve()
    await queue.close()


def _signing_key(path: Path) -> Ed25519PrivateKey:
    if not path.exists():
        write_secret(path, Ed25519PrivateKey.generate().private_bytes_raw().hex())
    return Ed25519PrivateKey.from_private_bytes(bytes.fromhex(path.read_text()))


if __name__ == "__main__":
    main()
