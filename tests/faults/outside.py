"""What lies outside, as one process sees it: the provider, customers' servers, their secrets."""

import asyncio
from typing import Any

import httpx

from adapters.fal import ProviderRequest
from contracts.ids import EndpointId
from tests.faults import acts
from tests.faults.broker import Broker
from tests.faults.processes import Process
from tests.faults.scripted_provider import ScriptedProvider

DEAD, GOOD = "dead.example", "good.example"
SECRET = "whsec_c2VjcmV0c2VjcmV0c2VjcmV0"


class Gateway:
    """The provider as one process sees it: the process may die before and after each call."""

    def __init__(self, provider: ScriptedProvider, broker: Broker, process: Process) -> None:
        self._provider, self._acts, self._process = provider, broker.acts, process

    def request_of(self, endpoint: str, request_id: str) -> ProviderRequest:
        return self._provider.request_of(endpoint, request_id)

    async def cancel(self, endpoint: str, found: ProviderRequest) -> str | None:
        self._process.point()
        key = acts.cancelled(found.request_id)
        self._acts.begins(key)
        answer = await self._provider.cancel(endpoint, found)
        if answer is not None:
            self._acts.answered(key, self._process)
        self._process.point()
        return answer

    def __getattr__(self, name: str) -> Any:
        async def call(*arguments: Any) -> Any:
            self._process.point()
            answer = await getattr(self._provider, name)(*arguments)
            self._process.point()
            return answer

        return call


class Customers(httpx.AsyncBaseTransport):
    """Customers' servers: one that takes what it is told, if not always, and says so in its own
    time; one that hangs.
    """

    def __init__(self, broker: Broker, process: Process) -> None:
        self._broker, self._process = broker, process

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self._process.point()
        key = acts.told(request.headers["webhook-id"].removeprefix("msg_"))
        self._broker.acts.begins(key)
        if request.url.host == DEAD:
            await asyncio.sleep(3600)
        weather = self._broker.weather
        if weather.is_faulty(0.1):
            raise httpx.ReadError("the reply was lost")
        if weather.is_faulty(0.1):
            return _answer(500)
        self._broker.acts.answered(key, self._process)
        await asyncio.sleep(weather.dice.uniform(0, 8 if weather.is_faulty(0.3) else 0.3))
        self._process.point()
        return _answer(200)


class Secrets:
    """Every endpoint has the same secret."""

    async def holding(self, endpoint: EndpointId) -> list[str]:
        del endpoint
        return [SECRET]


def _answer(status: int) -> httpx.Response:
    return httpx.Response(status, stream=httpx.ByteStream(b"ok"))
