"""The funnels: steps as data, with the earlier steps that each of them builds on."""

from msgspec import Struct

from domain.job_kinds.funnel_step import PROMPT_CHARACTERS_MAX
from domain.text import clean_prose

EARLIER_CHARACTERS_MAX = 6000  # Of each earlier text in a later prompt.
INTAKE_CHARACTERS_MAX = 16_000


class Step(Struct, frozen=True, kw_only=True):
    """`prompt` says what to write; `uses` are numbers of earlier steps whose texts it is given."""

    number: int
    name: str
    prompt: str
    uses: tuple[int, ...] = ()


class Funnel(Struct, frozen=True, kw_only=True):
    """Steps in the order in which they run. Their numbers are names: some are left out."""

    name: str
    title: str
    steps: tuple[Step, ...]

    def step(self, number: int) -> Step:
        """Return a step; raise KeyError."""
        return next((each for each in self.steps if each.number == number), None) or _no(number)


def _no(number: int) -> Step:
    raise KeyError(number)


COURSE_FUNNEL = Funnel(
    name="course_funnel",
    title="Course funnel",
    steps=(
        Step(
            number=2,
            name="Offer",
            prompt="Write the offer: the promise, what is included, the price and the guarantee.",
        ),
        Step(
            number=3,
            name="Deck Structure",
            prompt="Outline the presentation, slide by slide, that leads to the offer.",
            uses=(2,),
        ),
        Step(
            number=5,
            name="Enrollment Pages",
            prompt="Write the enrollment page: headline, benefits, questions and answers.",
            uses=(2,),
        ),
        Step(
            number=8,
            name="Watch Pages",
            prompt="Write the page on which the presentation is watched, and its call to action.",
            uses=(2, 3),
        ),
        Step(
            number=9,
            name="Registration Pages",
            prompt="Write the page on which people register for the presentation.",
            uses=(2, 3),
        ),
        Step(
            number=11,
            name="AI Followup Sequence",
            prompt="Write a sequence of five follow-up messages to those who registered.",
            uses=(2, 5),
        ),
        Step(
            number=0,
            name="Marketing Profile",
            prompt="Sum up the marketing profile: audience, voice, channels, what sets it apart.",
            uses=(2,),
        ),
    ),
)

FUNNELS = {COURSE_FUNNEL.name: COURSE_FUNNEL}


def prompt_of(step: Step, funnel: Funnel, intake: str, earlier: dict[int, str]) -> str:
    """Build what a step is asked: its task, the intake, and the texts that it uses.

    The text of a step that failed is not there; the step is asked all the same. Whatever was
    written before, the prompt is one that a FunnelStep takes.
    """
    parts = [step.prompt, f"What we know:\n{intake[:INTAKE_CHARACTERS_MAX]}"]
    for number in step.uses:
        if number in earlier:
            name = funnel.step(number).name
            parts.append(f"{name}, as written before:\n{earlier[number][:EARLIER_CHARACTERS_MAX]}")
    return clean_prose("\n\n".join(parts), PROMPT_CHARACTERS_MAX)
