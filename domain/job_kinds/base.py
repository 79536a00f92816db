"""What a kind of job has to tell: its price, its request to the provider, how to read results."""

from typing import Any, ClassVar, Literal

from msgspec import Struct

from domain.addresses import URL_LENGTH_MAX
from domain.media_types import PICTURES, MediaType
from domain.text import clean_line, clean_prose, is_line

WORDS_CHARACTERS_MAX = 2000
SIDE_PIXELS_MAX = 1_000_000


class BadResult(ValueError):
    """What the provider sent is not what this kind makes."""


class ProviderSaidNo(Exception):
    """The result is a failure in the provider's own words."""


class ProviderFile(Struct, frozen=True, kw_only=True):
    """A file that the provider made, as its result describes it. Sizes may be missing or wrong."""

    url: str
    content_type: str | None = None
    width: int | None = None
    height: int | None = None


class ProviderText(Struct, frozen=True, kw_only=True):
    """A text that the provider wrote."""

    text: str
    media_type: Literal["text/markdown", "text/plain", "application/json"] = "text/markdown"


Output = ProviderFile | ProviderText


class Gathered(Struct, frozen=True):
    """What the dispatcher has gathered for a job before it is submitted."""

    source_text: str | None = None  # Of the page that `source_url` names.
    text_model: str = ""  # The language model that the operator has chosen.


class JobKind(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An instance is one job's input, already checked.

    A kind also has `arguments(gathered)`, what the provider is sent, and `outputs(payload)`,
    which reads its result: files and texts. It raises BadResult for what this kind does not make,
    ProviderSaidNo for a failure that came as a success. A file is accepted if its bytes say that it
    is one of `media_types`.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    price_credits: ClassVar[int]
    endpoint: ClassVar[str]
    media_types: ClassVar[tuple[MediaType, ...]] = PICTURES

    def source_url(self) -> str | None:
        """Return the page to read before the job is submitted, if there is one."""
        return None

    def exclusive_key(self) -> str | None:
        """Name what only one job at a time may be open for, as `character:ID`."""
        return None

    def duration_class(self) -> str:
        """Say what the job's duration depends on, beside its kind."""
        return ""


def files_of(payload: Any, name: str) -> tuple[ProviderFile, ...]:
    """Read the file or files of a result that are called `name`; raise BadResult.

    fal's shapes: `{"images": [{"url", "content_type", "width", "height"}]}` of a model that makes
    several, `{"video": {"url", ...}}` of one that makes one. Only `url` is certain; the rest may be
    absent or null.
    """
    found = payload.get(name) if isinstance(payload, dict) else None
    files = found if isinstance(found, list) else [found]
    if not found:
        raise BadResult(f"the result has no {name}")
    return tuple(_provider_file(each) for each in files)


def text_output(payload: Any) -> ProviderText:
    """Read `{"output", "error"?}` of fal's openrouter/router: an error comes as a success too."""
    fields = payload if isinstance(payload, dict) else {}
    if fields.get("error"):
        raise ProviderSaidNo(clean_prose(str(fields["error"]), WORDS_CHARACTERS_MAX))
    output = fields.get("output")
    if not isinstance(output, str) or not output.strip():
        raise BadResult("the result holds no text")
    return ProviderText(text=clean_prose(output, len(output)))


def _provider_file(file: Any) -> ProviderFile:
    url = file.get("url") if isinstance(file, dict) else None
    if not is_line(url) or len(url) > URL_LENGTH_MAX:
        raise BadResult("a file of the result has no URL that can be kept")
    content_type = file.get("content_type")
    return ProviderFile(
        url=url,
        content_type=clean_line(content_type) or None if isinstance(content_type, str) else None,
        width=_side(file.get("width")),
        height=_side(file.get("height")),
    )


def _side(pixels: Any) -> int | None:
    return pixels if isinstance(pixels, int) and 0 < pixels <= SIDE_PIXELS_MAX else None
