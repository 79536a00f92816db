"""FairSlots: a few at once, one account after the other, and nobody's place is lost."""

import asyncio

from contracts.ids import AccountId
from services.dispatcher.source_pages.fair_slots import FairSlots
from tests.support.examples import ACCOUNT, OTHER


async def test_another_accounts_one_waits_for_a_turn_or_two_and_not_for_the_heap() -> None:
    slots, order = FairSlots(2), list[AccountId]()

    async def read(account: AccountId) -> None:
        async with slots.slot(account):
            order.append(account)
            await asyncio.sleep(0)

    heap = [asyncio.create_task(read(ACCOUNT)) for _ in range(60)]
    await asyncio.sleep(0)
    await asyncio.gather(read(OTHER), read(OTHER), *heap)
    assert len(order) == 62
    assert [place for place, account in enumerate(order) if account == OTHER][1] <= 8


async def test_no_more_are_in_than_there_are_places() -> None:
    slots, inside, most = FairSlots(3), 0, 0

    async def read(account: AccountId) -> None:
        nonlocal inside, most
        async with slots.slot(account):
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0)  # The others have their turn.
            inside -= 1

    await asyncio.gather(*(read(AccountId(f"a{number % 5}")) for number in range(40)))
    assert most == 3


async def test_who_gives_up_waiting_leaves_the_place_to_the_next() -> None:
    slots, entered = FairSlots(1), asyncio.Event()

    async def read(account: AccountId, hold: asyncio.Event | None = None) -> None:
        async with slots.slot(account):
            entered.set()
            if hold is not None:
                await hold.wait()

    hold = asyncio.Event()
    first = asyncio.create_task(read(ACCOUNT, hold))
    await entered.wait()
    waiting = [asyncio.create_task(read(ACCOUNT)) for _ in range(3)]
    await asyncio.sleep(0)
    waiting[0].cancel()  # While it waits.
    await asyncio.sleep(0)
    hold.set()
    await asyncio.sleep(0)  # Now the second has its place, and does not know it yet.
    waiting[1].cancel()
    async with asyncio.timeout(5):
        await asyncio.gather(first, *waiting, return_exceptions=True)
        await read(OTHER)
    assert waiting[2].exception() is None
