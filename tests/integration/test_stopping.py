"""Stopping: a broker that is away or frozen keeps no shutdown from going on."""

import os
import signal
import time

import pytest
from faststream.nats import NatsBroker

from adapters import subscribers
from adapters.subscribers import stream_broker
from cli.world import free_port
from tests.support.servers import Process, folder, nats_program, wait_for_port
from tests.support.waiting import until


@pytest.mark.parametrize("fault", [signal.SIGSTOP, signal.SIGKILL])
async def test_a_shutdown_goes_on_while_the_broker_does_not_answer(fault: signal.Signals) -> None:
    port = free_port()
    with folder() as path:
        server = Process([nats_program(), "-p", str(port), "-js", "-sd", str(path)])
        wait_for_port(port)
        try:
            stream = stream_broker(f"nats://127.0.0.1:{port}", None, None, "test")
            await stream.start()
            os.kill(server.pid, fault)
            await _until_lost(stream, fault)
            began_at = time.monotonic()
            await subscribers.stop(stream, 0.5)
            assert time.monotonic() - began_at < 5.0
        finally:
            os.kill(server.pid, signal.SIGCONT)
            server.stop(signal.SIGKILL)


async def _until_lost(stream: NatsBroker, fault: signal.Signals) -> None:
    """A frozen broker is not known to be; one that died is, as soon as its connection ends."""
    client = await stream.connect()
    if fault is signal.SIGKILL:
        await until(lambda: not client.is_connected)
