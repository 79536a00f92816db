"""Fair slots: a few pages are read at once, and waiting accounts take turns."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from contracts.ids import AccountId


class FairSlots:
    """Limits how many tasks hold a slot at once. A slot that becomes free goes to the next waiting
    account in turn, so that an account with many pages delays another one by a page or two.
    """

    def __init__(self, slots: int) -> None:
        self._free = slots
        self._waiting: dict[AccountId, deque[asyncio.Future[None]]] = {}

    @asynccontextmanager
    async def slot(self, account: AccountId) -> AsyncIterator[None]:
        if self._free > 0:
            self._free -= 1
        else:
            await self._wait_for_turn(account)
        try:
            yield
        finally:
            self._release()

    async def _wait_for_turn(self, account: AccountId) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(account, deque()).append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():  # The slot was handed over already: pass it on.
                self._release()
            raise

    def _release(self) -> None:
        while self._waiting:
            account = next(iter(self._waiting))
            queue = self._waiting.pop(account)
            turn = queue.popleft()
            if queue:
                self._waiting[account] = queue  # Behind all other accounts.
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1
