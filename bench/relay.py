"""What relaying costs: webhooks through the front door, beside the same to the ingestor."""

import asyncio
import json
import time

from application.clock import fresh_job_id
from bench.http import Connection
from bench.measures import Row
from bench.processes import cpu_by_name
from cli.world import World

CONNECTIONS = 16
WEBHOOKS = 2000
ROUNDS = 3
BODY = json.dumps({"request_id": "bench", "status": "OK", "payload": {"text": "x" * 800}}).encode()
HEADERS = "".join(
    f"X-Fal-Webhook-{name}: {value}\r\n"
    for name, value in (
        ("Request-Id", "bench"),
        ("User-Id", "bench"),
        ("Timestamp", str(int(time.time()))),
        ("Signature", "00" * 64),
    )
)


async def measure(world: World, pids: dict[str, int]) -> list[Row]:
    """Post webhooks that the ingestor refuses by their signature: what is left is the way there.

    Both ways in turn, as the machine has other things to do; CPU of both processes together.
    """
    ports = {"through": world.port, "straight": world.ports["ingestor"]}
    ours = {name: pids[name] for name in pids if name in {"api", "ingestor"}}
    assert len(ours) == 2, pids
    costs = dict.fromkeys(ports, 0.0)
    for port in ports.values():
        await _post(port, WEBHOOKS // 4)
    for _ in range(ROUNDS):
        for way, port in ports.items():
            before = sum(cpu_by_name(ours).values())
            await _post(port, WEBHOOKS)
            costs[way] += sum(cpu_by_name(ours).values()) - before
    through, straight = (cost / (ROUNDS * WEBHOOKS) * 1000 for cost in costs.values())
    return [
        Row(
            "CPU a webhook through the front door / straight to the ingestor, in turn",
            f"{through:.2f} / {straight:.2f} ms: relaying costs {through - straight:.2f} ms",
        )
    ]


async def _post(port: int, count: int) -> None:
    path = f"/api/infographs/webhook/{fresh_job_id()}/?attempt=1&token=none"
    numbers = iter(range(count))

    async def post() -> None:
        connection = await Connection("127.0.0.1", port).open()
        for _ in numbers:
            status, answer = await connection.ask("POST", path, "none", BODY, HEADERS)
            assert status == 401, answer
        connection.close()

    await asyncio.gather(*(post() for _ in range(CONNECTIONS)))
