"""What cannot be meant on the command line is refused and said, all of it at once."""

import pytest

from tests.e2e.test_refusals import ACCOUNT, check
from tests.support.worlds import RunningWorld, darkroom

pytestmark = pytest.mark.same_on_any_database

MISLED: dict[str, tuple[tuple[str, ...], int, str]] = {
    "half a filter": (("events", "list", "--id", "demo"), 2, "belong together"),
    "two filters": (
        ("events", "list", "--job", "a", "--boundary", "job", "--id", "a"),
        2,
        "leave --boundary",
    ),
    "an event's name": (("events", "list", "--type", "jobrequested"), 2, "mean JobRequested?"),
    "no name of an input": (("jobs", "create", "p", "--field", "=b"), 2, "NAME=VALUE"),
    "no value of an input": (("jobs", "create", "p", "--field", "wide"), 2, "NAME=VALUE"),
    "a field twice": (("jobs", "create", "p", "--field", "prompt=q"), 2, "prompt is given twice"),
    "a field that the kind does not have": (
        ("jobs", "create", "p", "--field", "colour=red", "--field", "size=1"),
        2,
        "colour: infograph has no such field\ndarkroom: size: infograph has no such field",
    ),
    "a kind that is none": (("jobs", "create", "--kind", "poem", "--field", "a=b"), 4, "kind"),
    "no prompt": (("jobs", "create"), 4, "prompt"),
    "an empty token": (("jobs", "list", "--token", ""), 2, "not a token"),
    "a token of two lines": (("jobs", "list", "--token", "a\nb"), 2, "not a token"),
    "a token that is no ASCII": (("jobs", "list", "--token", "é"), 2, "not a token"),
    "an unknown token": (("jobs", "list", "--token", "dkr_x"), 4, "not known there"),
    "a path": (("jobs", "show", "../../health/live"), 2, "not an id"),
    "no id": (("jobs", "show", ""), 2, "not an id"),
    "an empty key": (
        ("credits", "grant", *ACCOUNT, "--amount", "1", "--reason", "r", "--key", ""),
        2,
        "key",
    ),
    "all wrong options at once": (
        ("credits", "grant", "--account", "a b", "--amount", "x"),
        2,
        "Error: Missing option '--reason'",
    ),
    "all wrong combinations at once": (
        ("events", "list", "--job", "a", "--boundary", "job", "--type", "jobrequested"),
        2,
        "mean JobRequested?",
    ),
    "all wrong fields at once": (
        ("jobs", "create", "p", "--field", "resolution=9K", "--field", "aspect_ratio=7:5"),
        4,
        "darkroom: resolution: must be one of",
    ),
    "a status": (("jobs", "list", *ACCOUNT, "--status", "lost"), 4, "status: must be one of"),
    "nothing to change": (("webhooks", "change", "ep_1"), 2, "--enabled or --disabled"),
    "no intake": (("runs", "create", "p"), 2, "one of --intake and --intake-file"),
    "no time": (("events", "list", "--since", "yesterday"), 2, "not a time"),
    "a log of no bytes": (("broker", "setup", "--max-bytes", "0"), 2, "--max-bytes"),
    "more replicas than servers": (("broker", "setup", "--replicas", "3"), 4, "the broker refuses"),
}


@pytest.mark.parametrize("case", MISLED)
def test_what_cannot_be_meant_is_refused_and_said(case: str, world: RunningWorld) -> None:
    """It is not passed over, nor taken for something else."""
    arguments, code, words = MISLED[case]
    done = darkroom(world.path, *arguments)
    check({case: done}, {case: code})
    assert words in done.stderr
