"""The character image: a portrait of one character, drawn from its description."""

from typing import Annotated, Any, ClassVar

from msgspec import Meta, field

from domain.job_kinds.base import Gathered, JobKind, Output, check_text, image_files


class CharacterImage(JobKind, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Input of a portrait. One of a character may be open at a time."""

    name: ClassVar[str] = "character_image"
    title: ClassVar[str] = "Character image"
    price_credits: ClassVar[int] = 1
    endpoint: ClassVar[str] = "fal-ai/nano-banana-pro"

    character_id: Annotated[str, Meta(pattern="^[A-Za-z0-9_-]{1,64}$")]
    character_name: Annotated[str, Meta(min_length=1, max_length=200)] = field(name="name")
    description: Annotated[str, Meta(min_length=1, max_length=4000)]
    style: Annotated[str, Meta(max_length=200)] | None = None

    def __post_init__(self) -> None:
        check_text("name", self.character_name)
        check_text("description", self.description)
        if self.style is not None:
            check_text("style", self.style)

    def resource(self) -> str | None:
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
        return image_files(payload)[:1]
