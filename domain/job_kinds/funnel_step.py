"""The funnel step: one text of a funnel, written by a language model."""

from typing import Annotated, Any, ClassVar

from msgspec import Meta

from domain.job_kinds.base import Gathered, JobKind, Output, text_output
from domain.text import Prose

PROMPT_CHARACTERS_MAX = 60_000


class FunnelStep(JobKind, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Input of a text. In a run the prompt is built when the step is started."""

    name: ClassVar[str] = "funnel_step"
    title: ClassVar[str] = "Funnel step"
    price_credits: ClassVar[int] = 1
    endpoint: ClassVar[str] = "openrouter/router"

    prompt: Annotated[Prose, Meta(min_length=1, max_length=PROMPT_CHARACTERS_MAX)]

    def arguments(self, gathered: Gathered) -> dict[str, Any]:
        return {"prompt": self.prompt, "model": gathered.text_model}

    @staticmethod
    def outputs(payload: Any) -> tuple[Output, ...]:
        return (text_output(payload),)
