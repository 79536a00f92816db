"""Starts the simulator: `python -m simulator`, configured by four environment variables."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import uvicorn
import uvloop
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from adapters.http_server import QuietServer
from adapters.settings import write_secret
from simulator import certificates
from simulator.app import Simulator
from simulator.queue import Queue
from simulator.requests import Requests
from simulator.webhooks import Webhooks

DEFAULT_SECONDS = "5"


def main() -> None:
    folder = Path(os.environ.get("SIMULATOR_DIR", ".darkroom/simulator")).resolve()
    port = int(os.environ.get("SIMULATOR_PORT", "8443"))
    seconds = float(os.environ.get("SIMULATOR_SECONDS", DEFAULT_SECONDS))
    journal = os.environ.get("SIMULATOR_JOURNAL", "on") != "off"
    folder.mkdir(parents=True, exist_ok=True)
    print("simulator: requests sent here cost no money", file=sys.stderr)  # noqa: T201
    uvloop.run(_run(folder, port, seconds, journal=journal))


async def _run(folder: Path, port: int, seconds: float, *, journal: bool) -> None:
    server_pem, _ = certificates.make(folder)
    requests = Requests(folder / "requests.jsonl" if journal else None)
    webhooks = Webhooks(_signing_key(folder / "webhook.key"))
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
