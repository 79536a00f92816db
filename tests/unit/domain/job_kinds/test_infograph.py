"""An infograph's input is checked field by field, and becomes the provider's arguments."""

from typing import Any

import msgspec
import pytest

from domain import job_kinds
from domain.job_kinds.base import BadResult, Gathered, ProviderFile
from domain.job_kinds.infograph import Infograph
from domain.refusals import Refused


def refusal(**fields: Any) -> Refused:
    with pytest.raises(Refused) as caught:
        job_kinds.parse("infograph", fields)
    return caught.value


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({}, "prompt"),
        ({"prompt": ""}, "prompt"),
        ({"prompt": " \n\t"}, "prompt"),
        ({"prompt": "x" * 4001}, "prompt"),
        ({"prompt": "a\x00b"}, "prompt"),
        ({"prompt": "a\ud800b"}, "prompt"),
        ({"prompt": 7}, "prompt"),
        ({"prompt": "x", "aspect_ratio": "7:5"}, "aspect_ratio"),
        ({"prompt": "x", "aspect_ratio": 1}, "aspect_ratio"),
        ({"prompt": "x", "resolution": "8K"}, "resolution"),
        ({"prompt": "x", "colour": "red"}, "colour"),
        ({"prompt": "x", "blog_url": "ftp://example.com"}, "blog_url"),
        ({"prompt": "x", "blog_url": "https://user:secret@example.com"}, "blog_url"),
        ({"prompt": "x", "blog_url": "https://example.com:99999"}, "blog_url"),
        ({"prompt": "x", "blog_url": "https://exa mple.com"}, "blog_url"),
        ({"prompt": "x", "blog_url": "https://"}, "blog_url"),
    ],
)
def test_a_wrong_value_is_refused_with_its_field(fields: dict[str, Any], field: str) -> None:
    caught = refusal(**fields)
    assert caught.code == "invalid"
    assert [error["field"] for error in caught.errors] == [field]


@pytest.mark.parametrize("written", ["16:9", "16/9", "16x9"])
def test_the_three_ways_to_write_an_aspect_ratio_are_one(written: str) -> None:
    kind = job_kinds.parse("infograph", {"prompt": "x", "aspect_ratio": written})
    assert kind.arguments(Gathered())["aspect_ratio"] == "16:9"


def test_the_provider_gets_the_prompt_and_what_the_page_says() -> None:
    kind = Infograph(prompt="reefs", blog_url="https://example.com/reefs")
    assert kind.source_url() == "https://example.com/reefs"
    assert kind.arguments(Gathered("They bleach.")) == {
        "prompt": "Create infographic: reefs\nThey bleach.",
        "num_images": 1,
        "aspect_ratio": "1:1",
        "resolution": "2K",
        "output_format": "png",
    }


def test_an_input_comes_back_from_the_log_as_it_was_asked_for() -> None:
    kind = Infograph(prompt="reefs", resolution="4K")
    assert job_kinds.recall("infograph", msgspec.json.encode(kind)) == kind
    assert job_kinds.recall("retired", b"{}") is None


def test_the_first_image_of_the_result_is_the_infograph() -> None:
    files = Infograph.outputs({"images": [{"url": "https://a/1.png", "width": None}, {"url": "b"}]})
    assert files == (ProviderFile(url="https://a/1.png"),)


@pytest.mark.parametrize(
    "payload", [None, [], {}, {"images": []}, {"images": [{}]}, {"images": "x"}]
)
def test_a_result_without_an_image_is_a_bad_one(payload: Any) -> None:
    with pytest.raises(BadResult):
        Infograph.outputs(payload)


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(Refused) as caught:
        job_kinds.parse("video", {})
    assert caught.value.errors[0]["field"] == "kind"
