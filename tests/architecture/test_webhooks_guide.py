"""What the guide says of webhooks is what the code does."""

import re

from application.notifications import PAYLOADS
from domain.addresses import WEB_PORTS
from domain.endpoints import ALL_TYPES, ENDPOINTS_MAX
from domain.notifications import DISABLE_AFTER, PAUSES
from services.dispatcher.handlers.notify_customers import ANSWER_SECONDS_MAX, DELIVERIES_PACE
from tests.architecture.sources import ROOT
from tests.support.payloads import read_strictly

GUIDE = (ROOT / "docs" / "guides" / "webhooks.md").read_text()
NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


def test_each_type_has_a_line_an_example_and_a_payload() -> None:
    assert tuple(PAYLOADS) == ALL_TYPES
    assert tuple(re.findall(r"^\| `((?:job|run)\.\w+)` \|", GUIDE, re.MULTILINE)) == ALL_TYPES
    examples = re.findall(r"```json\n(.*?)```", GUIDE, re.DOTALL)
    assert tuple(read_strictly(each.encode()).type for each in examples) == ALL_TYPES


def test_the_pauses_are_those_of_the_code() -> None:
    assert f"{NUMBERS[len(PAUSES)]} times, after {_in_words()}, each up to a tenth" in GUIDE


def _in_words() -> str:
    words = []
    for pause in PAUSES:
        seconds = int(pause.total_seconds())
        size, unit = next(each for each in UNITS if seconds % each[0] == 0)
        words.append(f"{seconds // size} {unit}")
    return f"{', '.join(words[:-1])} and {words[-1]}"


UNITS = ((3600, "hours"), (60, "minutes"), (1, "seconds"))


def test_the_limits_are_those_of_the_code() -> None:
    assert f"may have {ENDPOINTS_MAX} of them" in GUIDE
    assert f"within {ANSWER_SECONDS_MAX:.0f} seconds" in GUIDE
    assert f"Up to {NUMBERS[DELIVERIES_PACE.at_once_of_lane]} deliveries" in GUIDE
    assert f"for {NUMBERS[DISABLE_AFTER.days]} days" in GUIDE
    first, *others, last = sorted(WEB_PORTS)
    assert f"port {', '.join(map(str, (first, *others)))} or {last}" in GUIDE
