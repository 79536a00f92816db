"""Lines about refused requests are few, whoever sends however many, and say what was left out."""

from adapters import refusal_log
from adapters.refusal_log import LINES_A_SECOND, LINES_AT_ONCE, LineAllowance


def test_a_flood_gets_what_was_saved_up_and_then_so_many_a_second() -> None:
    allowance = LineAllowance()
    taken = sum(allowance.take(1000.0) for _ in range(1000))
    assert taken == LINES_AT_ONCE
    assert allowance.left_out == 1000 - taken
    later = sum(allowance.take(1000.0 + tick / 100) for tick in range(1000))
    assert abs(later - 10 * LINES_A_SECOND) <= 1


def test_strangers_take_no_line_of_a_members() -> None:
    assert refusal_log._of_members is not refusal_log._of_strangers
