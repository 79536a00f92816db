"""How many connections there is room for, where the system allows few open files."""

import resource

import pytest

from adapters.http_door import FILES_KEPT, Bounds

MANY = Bounds(connections_max=8000, connections_per_address_max=4000)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """A system that allows 1024 open files, and 4096 to who asks; what it is asked for."""
    asked: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1024, 4096))
    monkeypatch.setattr(resource, "setrlimit", lambda _, limits: asked.append(limits))
    return asked


def test_a_listener_stays_below_the_limit_of_open_files(asked: list[tuple[int, int]]) -> None:
    bounds = MANY.within_file_limit()
    assert asked == [(4096, 4096)]
    assert bounds.connections_max == 4096 - FILES_KEPT
    assert bounds.connections_per_address_max == bounds.connections_max // 2


def test_an_address_without_a_limit_stays_without(asked: list[tuple[int, int]]) -> None:
    bounds = Bounds(connections_per_address_max=0).within_file_limit()
    assert asked
    assert bounds.connections_per_address_max == 0


def test_where_there_is_room_nothing_is_asked_for(asked: list[tuple[int, int]]) -> None:
    few = Bounds(connections_max=500, connections_per_address_max=400)
    assert few.within_file_limit() == few
    assert asked == []
