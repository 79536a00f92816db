"""Every kind of job takes text by the one rule, a kind that is added tomorrow too."""

from typing import Any

import msgspec
import pytest

from domain.job_kinds import KINDS, parse, recall
from domain.job_kinds.character_image import CharacterImage
from domain.job_kinds.funnel_step import FunnelStep
from domain.refusals import Refused
from tests.support.strange_text import MARK, example, marked_texts


def inputs(kind: str) -> list[tuple[str, dict[str, Any]]]:
    """Return the kind's input once for each of its texts, with a mark behind it."""
    template = "#/components/schemas/{name}"
    (schema,), found = msgspec.json.schema_components([KINDS[kind]], ref_template=template)
    document = {"components": {"schemas": found}}
    plain = example(document, schema) | ({"character_id": "a"} if kind == "character_image" else {})
    return [(where, each) for where, each in marked_texts(plain) if not where.endswith("(name)")]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("strange", ["\x00", "\x0c", "\x7f", "\x85", "\ud800"])
def test_no_text_of_a_kind_takes_control_characters(kind: str, strange: str) -> None:
    found = inputs(kind)
    assert found
    for where, marked in found:
        name = where.strip()
        with pytest.raises(Refused) as refused:
            parse(kind, marked | {name: marked[name].replace(MARK, strange)})
        assert [each["field"] for each in refused.value.errors] == [name]
        assert "regex" not in refused.value.detail


def test_an_input_that_was_taken_under_an_older_rule_is_mended() -> None:
    old = msgspec.json.encode({"prompt": "a\x7fb\x00"})
    kind = recall("funnel_step", old)
    assert isinstance(kind, FunnelStep)
    assert kind.prompt == "a\ufffdb\ufffd"
    assert recall("funnel_step", b'{"prompt":7}') is None
    assert recall("retired", old) is None


def test_a_name_is_one_line_and_a_description_may_be_several() -> None:
    fields = {"character_id": "c", "name": "Mara", "description": "tall\nand quiet"}
    assert isinstance(parse("character_image", fields), CharacterImage)
    with pytest.raises(Refused, match="name"):
        parse("character_image", fields | {"name": "Mara\nMara"})
