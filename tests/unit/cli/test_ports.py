"""A world's processes listen on ports of their own, also where few are free."""

from itertools import chain, repeat
from pathlib import Path

import pytest

from cli import world


def test_no_two_of_a_worlds_processes_get_the_same_port(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The front door would answer for a service, or the broker's clients reach the simulator."""
    few = chain.from_iterable(repeat(port, 3) for port in range(20_000, 30_000))
    monkeypatch.setattr(world, "free_port", lambda: next(few))
    monkeypatch.setattr(world, "is_free", lambda *_: True)
    made = world.prepare(tmp_path, "127.0.0.1", 0)
    every = [made.port, *made.ports.values()]
    assert len(set(every)) == len(every)
    made.save()
    again = world.prepare(tmp_path, "127.0.0.1", made.ports["nats"])
    every = [again.port, *again.ports.values()]
    assert len(set(every)) == len(every), "a port that was asked for is no other's"
    assert again.ports["simulator"] == made.ports["simulator"]
