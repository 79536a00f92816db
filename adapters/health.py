"""Health over the broker: each service answers for itself, the front door asks them all."""

import asyncio
from collections.abc import Callable

import msgspec
from msgspec import Struct
from nats import errors
from nats.aio.client import Client
from nats.aio.msg import Msg

SERVICES = ("dispatcher", "ingestor", "projector")
ASK_SECONDS = 0.5


class Health(Struct, frozen=True):
    """`consuming`: the service takes in work. `alarms`: what an operator has to know, in words.
    `behind`: how many commits of the log the read models do not show yet; the projector's alone.
    """

    service: str
    consuming: bool
    alarms: tuple[str, ...] = ()
    behind: int | None = None


_decoder = msgspec.json.Decoder(Health)

Check = Callable[[], Health]


async def answer_health(client: Client, service: str, check: Check) -> None:
    async def answer(message: Msg) -> None:
        await message.respond(msgspec.json.encode(check()))

    await client.subscribe(f"live.health.{service}", cb=answer)


async def ask_health(client: Client) -> list[Health]:
    """Ask all services at once; one that does not answer is not consuming."""
    return list(await asyncio.gather(*(_ask(client, service) for service in SERVICES)))


async def _ask(client: Client, service: str) -> Health:
    try:
        reply = await client.request(f"live.health.{service}", b"", timeout=ASK_SECONDS)
        return _decoder.decode(reply.data)
    except (errors.Error, OSError, msgspec.DecodeError):
        return Health(service, consuming=False, alarms=(f"{service} does not answer",))
