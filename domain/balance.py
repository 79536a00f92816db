"""The balance of an account: the five moves of credits, and what each adds to which sum."""

from contracts.events import (
    JOB_ENDS,
    CreditsCharged,
    CreditsGranted,
    CreditsReleased,
    CreditsReserved,
    CreditsRevoked,
    Event,
    JobRequested,
)

# The move's name in the ledger, and how often it adds its amount to each sum of the account.
MOVES: dict[type[Event], tuple[str, dict[str, int]]] = {
    CreditsGranted: ("granted", {"granted": 1}),
    CreditsRevoked: ("revoked", {"revoked": 1}),
    CreditsReserved: ("reserved", {"held": 1}),
    CreditsCharged: ("charged", {"charged": 1, "held": -1}),
    CreditsReleased: ("released", {"held": -1}),
}
EFFECTS: dict[str, dict[str, int]] = dict(MOVES.values())  # The same by the move's name.

# What each event adds to the number of jobs in flight.
JOBS_OPEN: dict[type[Event], int] = {JobRequested: 1, **dict.fromkeys(JOB_ENDS, -1)}


def available(*, granted: int, revoked: int, charged: int, held: int) -> int:
    return granted - revoked - charged - held
