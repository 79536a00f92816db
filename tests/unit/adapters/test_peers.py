"""Peers: what is shared out among the processes of a service is shared out whole, and once."""

import asyncio

import msgspec
import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg

from adapters.peers import GONE_SECONDS, Peers
from tests.support.virtual_time import VirtualLoop, run


async def hear(listener: Peers, speaker: Peers) -> None:
    nobody = Client()
    await listener._hear(Msg(nobody, data=msgspec.json.encode(speaker.name)))


async def three(at_work_max: int | None = None) -> list[Peers]:
    peers = [Peers("dispatcher", None, at_work_max) for _ in range(3)]
    for listener in peers:
        for speaker in peers:
            await hear(listener, speaker)
    return peers


def test_who_is_alone_takes_everything() -> None:
    async def play() -> None:
        peers = Peers("dispatcher", None)
        await peers.start()
        assert (peers.count, peers.share_of(7), peers.is_mine("x")) == (1, 7, True)

    run(play(), VirtualLoop())


def test_each_key_is_one_processs_and_the_shares_add_up() -> None:
    async def play() -> None:
        peers = await three()
        keys = [f"job-{number}" for number in range(300)]
        owners = [[each.is_mine(key) for each in peers].count(True) for key in keys]
        assert set(owners) == {1}
        assert min(sum(each.is_mine(key) for key in keys) for each in peers) > 50
        assert sum(each.share_of(10) for each in peers) == 10

    run(play(), VirtualLoop())


@pytest.mark.parametrize("room", [1, 2, 3])
def test_nobody_takes_keys_who_has_no_part_of_the_room(room: int) -> None:
    async def play() -> None:
        peers = await three(room)
        keys = [f"job-{number}" for number in range(300)]
        owners = [[each for each in peers if each.is_mine(key)] for key in keys]
        assert {len(each) for each in owners} == {1}
        assert all(each.share_of(room) == 1 for (each,) in owners)

    run(play(), VirtualLoop())


def test_what_a_dead_process_had_goes_to_the_others_and_nothing_else_moves() -> None:
    async def play() -> None:
        first, second, third = await three()
        keys = [f"job-{number}" for number in range(300)]
        before = {key for key in keys if first.is_mine(key)}
        await asyncio.sleep(GONE_SECONDS + 0.1)
        await hear(first, second)
        await hear(second, first)
        assert first.count == 2
        assert before < {key for key in keys if first.is_mine(key)}
        assert all(first.is_mine(key) != second.is_mine(key) for key in keys)
        del third

    run(play(), VirtualLoop())
