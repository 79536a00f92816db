"""Funnels: a step's prompt is one that the provider takes, whatever was written before."""

from hypothesis import given
from hypothesis import strategies as st

from domain.funnels import COURSE_FUNNEL, Funnel, Step, prompt_of
from domain.job_kinds import parse
from domain.job_kinds.base import text_output
from domain.job_kinds.funnel_step import PROMPT_CHARACTERS_MAX

TEXTS = st.text(alphabet=st.characters(categories=None), max_size=50)


@given(TEXTS, st.dictionaries(st.sampled_from([2, 3, 5]), TEXTS))
def test_no_earlier_text_makes_a_prompt_that_is_refused(
    intake: str, earlier: dict[int, str]
) -> None:
    for step in COURSE_FUNNEL.steps:
        prompt = prompt_of(step, COURSE_FUNNEL, intake, earlier)
        assert parse("funnel_step", {"prompt": prompt})


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
