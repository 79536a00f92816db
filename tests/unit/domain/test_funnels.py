"""Funnels: what a step is asked, which is always a prompt that the provider takes."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.funnels import (
    COURSE_FUNNEL,
    EARLIER_CHARACTERS_MAX,
    FUNNELS,
    INTAKE_CHARACTERS_MAX,
    Funnel,
    Step,
    prompt_of,
)
from domain.job_kinds import parse
from domain.job_kinds.base import text_output
from domain.job_kinds.funnel_step import PROMPT_CHARACTERS_MAX

TEXTS = st.text(alphabet=st.characters(categories=None), max_size=50)
OFFER = Step(number=2, name="Offer", prompt="Write the offer.")
DECK = Step(number=7, name="Deck", prompt="Outline the deck.", uses=(2,))
PAGE = Step(number=4, name="Page", prompt="Write the page.", uses=(7, 2))
FUNNEL = Funnel(name="short", title="Short", steps=(OFFER, DECK, PAGE))


@given(TEXTS, st.dictionaries(st.sampled_from([2, 3, 5]), TEXTS))
def test_no_earlier_text_makes_a_prompt_that_is_refused(
    intake: str, earlier: dict[int, str]
) -> None:
    for step in COURSE_FUNNEL.steps:
        prompt = prompt_of(step, COURSE_FUNNEL, intake, earlier)
        assert parse("funnel_step", {"prompt": prompt})


def test_a_step_is_given_its_task_the_intake_and_the_texts_it_uses_in_the_order_it_names_them() -> (
    None
):
    prompt = prompt_of(PAGE, FUNNEL, "reefs", {2: "the offer's text", 7: "the deck's text"})
    assert prompt == (
        "Write the page.\n\n"
        "What we know:\nreefs\n\n"
        "Deck, as written before:\nthe deck's text\n\n"
        "Offer, as written before:\nthe offer's text"
    )


def test_a_step_is_not_given_the_texts_of_steps_it_does_not_use() -> None:
    prompt = prompt_of(DECK, FUNNEL, "reefs", {4: "the page's text", 7: "an older deck"})
    assert prompt == "Outline the deck.\n\nWhat we know:\nreefs"


def test_a_step_is_asked_without_the_text_of_an_earlier_step_that_failed() -> None:
    prompt = prompt_of(PAGE, FUNNEL, "reefs", {2: "the offer's text"})
    assert "Offer, as written before:\nthe offer's text" in prompt
    assert "Deck" not in prompt


def test_the_intake_and_each_earlier_text_are_cut_to_lengths_of_their_own() -> None:
    intake, text = "i" * (INTAKE_CHARACTERS_MAX + 1), "t" * (EARLIER_CHARACTERS_MAX + 1)
    prompt = prompt_of(PAGE, FUNNEL, intake, {2: text, 7: text})
    lengths = [len(run) for run in re.findall("i{9,}|t{9,}", prompt)]
    assert lengths == [INTAKE_CHARACTERS_MAX, EARLIER_CHARACTERS_MAX, EARLIER_CHARACTERS_MAX]


def test_a_prompt_of_many_long_texts_is_cut() -> None:
    many = tuple(Step(number=each, name=f"Step {each}", prompt="Write.") for each in range(20))
    last = Step(number=20, name="Last", prompt="Sum up.", uses=tuple(range(20)))
    funnel = Funnel(name="long", title="Long", steps=(*many, last))
    prompt = prompt_of(last, funnel, "x" * 100_000, dict.fromkeys(range(20), "y" * 10_000))
    assert len(prompt) == PROMPT_CHARACTERS_MAX
    assert parse("funnel_step", {"prompt": prompt})


def test_a_form_feed_of_a_model_goes_on_as_a_mark() -> None:
    text = text_output({"output": "The Offer\x0cPage two\x00"}).text
    prompt = prompt_of(COURSE_FUNNEL.step(3), COURSE_FUNNEL, "x", {2: text})
    assert "The Offer\ufffdPage two\ufffd" in prompt


def test_the_course_funnel_has_its_steps_in_the_order_in_which_they_go() -> None:
    assert [(step.number, step.name) for step in COURSE_FUNNEL.steps] == [
        (2, "Offer"),
        (3, "Deck Structure"),
        (5, "Enrollment Pages"),
        (8, "Watch Pages"),
        (9, "Registration Pages"),
        (11, "AI Followup Sequence"),
        (0, "Marketing Profile"),
    ]


@pytest.mark.parametrize("funnel", FUNNELS.values(), ids=FUNNELS)
def test_a_step_uses_only_texts_that_are_written_before_it(funnel: Funnel) -> None:
    numbers = [step.number for step in funnel.steps]
    assert len(set(numbers)) == len(numbers)
    for place, step in enumerate(funnel.steps):
        assert set(step.uses) <= set(numbers[:place])


@pytest.mark.parametrize("funnel", FUNNELS.values(), ids=FUNNELS)
def test_the_provider_is_asked_in_words_and_not_in_names_of_the_code(funnel: Funnel) -> None:
    assert not [step.prompt for step in funnel.steps if "_" in step.prompt]


def test_a_step_is_found_by_its_number_which_may_be_0_and_is_not_its_place() -> None:
    assert COURSE_FUNNEL.step(0).name == "Marketing Profile"
    assert COURSE_FUNNEL.step(2).name == "Offer"


def test_a_step_that_the_funnel_does_not_have_is_an_error() -> None:
    with pytest.raises(KeyError):
        COURSE_FUNNEL.step(1)
