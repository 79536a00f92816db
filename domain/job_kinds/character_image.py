"""The character image: a portrait of one character, drawn from its description."""

from typing import Annotated, Any, ClassVar

from msgspec import Meta, field

from domain.job_kinds.base import Gathered, JobKind, Output, files_of
from domain.text import Id, Line, Prose


class CharacterImage(JobKind, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Input of a portrait. One of a character may be open at a time."""

    name: ClassVar[str] = "character_image"
    title: ClassVar[str] = "Character image"
    price_credits: ClassVar[int] = 1
    endpoint: ClassVar[str] = "fal-ai/nano-banana-pro"

    character_id: Id
    character_name: Annotated[Line, Meta(min_length=1, max_length=200)] = field(name="name")
    description: Annotated[Prose, Meta(min_length=1, max_length=4000)]
    style: Annotated[Line, Meta(max_length=200)] | None = None

    def exclusive_key(self) -> str | None:
        return f"character:{self.character_id}"

    def arguments(self, gathered: Gathered) -> dict[str, Any]:
        del gathered
        prompt = f"Portrait of {self.character_name}: {self.description}"
        if self.style:
            prompt = f"{prompt}\nStyle: {self.style}"
        return {
            "prompt": prompt,
            "num_images": 1,
            "aspect_ratio": "1:1",
            "resolution": "1K",
            "output_format": "png",
        }

    @staticmethod
    def outputs(payload: Any) -> tuple[Output, ...]:
        return files_of(payload, "images")[:1]
