"""The five moves of credits: what each does to what an account has and holds."""

import pytest

from contracts.events import (
    CreditsCharged,
    CreditsGranted,
    CreditsReleased,
    CreditsReserved,
    CreditsRevoked,
    Event,
)
from domain.balance import EFFECTS, MOVES, available


@pytest.mark.parametrize(
    ("move", "in_all", "held"),
    [
        (CreditsGranted, 1, 0),
        (CreditsRevoked, -1, 0),
        (CreditsReserved, -1, 1),
        (CreditsCharged, 0, -1),
        (CreditsReleased, 1, -1),
    ],
)
def test_a_move_changes_what_is_available_and_what_is_held(
    move: type[Event], in_all: int, held: int
) -> None:
    sums = dict.fromkeys(("granted", "revoked", "charged", "held"), 0) | MOVES[move][1]
    assert (available(**sums), sums["held"]) == (in_all, held)


def test_the_ledger_names_every_move_once() -> None:
    assert list(EFFECTS) == ["granted", "revoked", "reserved", "charged", "released"]
