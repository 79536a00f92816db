"""The balance of an account: the five moves of credits, and what each adds to which sum."""

from typing import Literal

from contracts import events

Move = Literal["granted", "revoked", "reserved", "charged", "released"]

# The move's name in the ledger, and how often it adds its amount to each sum of the account.
MOVES: dict[type[events.Event], tuple[Move, dict[str, int]]] = {
    events.CreditsGranted: ("granted", {"granted": 1}),
    events.CreditsRevoked: ("revoked", {"revoked": 1}),
    events.CreditsReserved: ("reserved", {"held": 1}),
    events.CreditsCharged: ("charged", {"charged": 1, "held": -1}),
    events.CreditsReleased: ("released", {"held": -1}),
}
EFFECTS: dict[Move, dict[str, int]] = dict(MOVES.values())  # The same by the move's name.

# What each event adds to the number of jobs in flight.
JOBS_OPEN: dict[type[events.Event], int] = {
    events.JobRequested: 1,
    **dict.fromkeys(events.JOB_ENDS, -1),
}


def available(*, granted: int, revoked: int, charged: int, held: int) -> int:
    return granted - revoked - charged - held
