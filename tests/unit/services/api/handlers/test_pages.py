"""Pages of lists: where the next one goes on."""

import pytest

from domain.refusals import Refused
from services.api.handlers.pages import place_of


def test_a_page_goes_on_after_the_place_that_the_cursor_names() -> None:
    assert place_of(None) is None
    assert place_of("0") == 0
    assert place_of("9" * 18) == 10**18 - 1


@pytest.mark.parametrize("cursor", ["", "-1", "1.5", "1 ", "e.1.0", "9" * 19, "\u0661", "1\n"])
def test_what_is_no_cursor_of_a_list_is_refused(cursor: str) -> None:
    with pytest.raises(Refused) as caught:
        place_of(cursor)
    assert caught.value.errors[0]["field"] == "cursor"
