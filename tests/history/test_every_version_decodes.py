"""One recorded example of every event version ever shipped decodes, for ever."""

import json
from pathlib import Path
from typing import get_args

import pytest

from contracts import codec
from contracts.events import AnyEvent

EXAMPLES = sorted(Path(__file__).parent.glob("*.json"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_recorded_example_decodes(path: Path) -> None:
    commit = codec.decode(path.read_bytes())
    tags = [event["type"] for event in json.loads(path.read_bytes())["events"]]
    assert path.stem in tags
    assert len(commit.events) == len(tags)


def test_every_current_version_has_a_recorded_example() -> None:
    tags = {event.__struct_config__.tag for event in get_args(AnyEvent)}
    assert tags <= {path.stem for path in EXAMPLES}
