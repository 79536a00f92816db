"""The infograph: one image that explains a prompt, and the blog page it may come with."""

from typing import Annotated, Any, ClassVar

from msgspec import Meta
from msgspec.structs import force_setattr

from domain.addresses import URL_LENGTH_MAX, URL_PATTERN, check_url
from domain.job_kinds.base import Gathered, JobKind, Output, files_of
from domain.text import InvalidField, Prose, clean_prose

ASPECT_RATIOS = (
    *("auto", "21:9", "16:9", "3:2", "4:3", "5:4"),
    *("1:1", "4:5", "3:4", "2:3", "9:16"),
)
RESOLUTIONS = ("1K", "2K", "4K")
SOURCE_CHARACTERS_MAX = 20_000


class Infograph(JobKind, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Input of an infograph. `16/9` and `16x9` are taken as `16:9`."""

    name: ClassVar[str] = "infograph"
    title: ClassVar[str] = "Infograph"
    price_credits: ClassVar[int] = 1
    endpoint: ClassVar[str] = "fal-ai/nano-banana-pro"

    prompt: Annotated[Prose, Meta(min_length=1, max_length=4000)]
    blog_url: (
        Annotated[str, Meta(max_length=URL_LENGTH_MAX, extra_json_schema={"pattern": URL_PATTERN})]
        | None
    ) = None
    aspect_ratio: Annotated[str, Meta(extra_json_schema={"enum": list(ASPECT_RATIOS)})] = "1:1"
    resolution: Annotated[str, Meta(extra_json_schema={"enum": list(RESOLUTIONS)})] = "2K"

    def __post_init__(self) -> None:
        if self.blog_url is not None:
            check_url("blog_url", self.blog_url)
        force_setattr(self, "aspect_ratio", self.aspect_ratio.replace("/", ":").replace("x", ":"))
        if self.aspect_ratio not in ASPECT_RATIOS:
            raise InvalidField("aspect_ratio", f"must be one of {', '.join(ASPECT_RATIOS)}")
        if self.resolution not in RESOLUTIONS:
            raise InvalidField("resolution", f"must be one of {', '.join(RESOLUTIONS)}")

    def source_url(self) -> str | None:
        return self.blog_url

    def arguments(self, gathered: Gathered) -> dict[str, Any]:
        prompt = f"Create infographic: {self.prompt}"
        if gathered.source_text is not None:
            prompt = f"{prompt}\n{clean_prose(gathered.source_text, SOURCE_CHARACTERS_MAX)}"
        return {
            "prompt": prompt,
            "num_images": 1,
            "aspect_ratio": self.aspect_ratio,
            "resolution": self.resolution,
            "output_format": "png",
        }

    def duration_class(self) -> str:
        return self.resolution

    @staticmethod
    def outputs(payload: Any) -> tuple[Output, ...]:
        return files_of(payload, "images")[:1]
