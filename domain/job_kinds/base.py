"""What a kind of job has to tell: its price, its request to the provider, how to read results."""

from typing import Any, ClassVar
from urllib.parse import urlsplit

from msgspec import Struct

URL_LENGTH_MAX = 2048


class InvalidField(ValueError):
    """A field's value is wrong in a way that its type cannot say."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field
        self.message = message


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
    media_type: str = "text/markdown"


Output = ProviderFile | ProviderText


class Gathered(Struct, frozen=True):
    """What the dispatcher has gathered for a job before it is submitted."""

    source_text: str | None = None  # Of the page that `source_url` names.
    text_model: str = ""  # The language model that the operator has chosen.


class JobKind(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An instance is one job's input, already checked.

    A kind also has `arguments(gathered)`, what the provider is sent, and `outputs(payload)`,
    which reads its result: files and texts. It raises BadResult for what this kind does not make,
    ProviderSaidNo for a failure that came as a success.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    price_credits: ClassVar[int]
    endpoint: ClassVar[str]

    def source_url(self) -> str | None:
        """Return the page to read before the job is submitted, if there is one."""
        return None

    def resource(self) -> str | None:
        """Name what only one job at a time may be open for, as `character:ID`."""
        return None

    def option(self) -> str:
        """Say what the job's duration depends on, beside its kind."""
        return ""


def check_text(field: str, text: str) -> None:
    """Refuse what a database or a provider would choke on: NUL and other control characters."""
    if not text.strip():
        raise InvalidField(field, "must not be empty or only white space")
    if any(character < " " and character not in "\t\n\r" for character in text):
        raise InvalidField(field, "must not hold control characters")
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise InvalidField(field, "must be valid Unicode")


def check_url(field: str, url: str) -> None:
    check_text(field, url)
    try:
        parts = urlsplit(url)
        port_is_sane = parts.port is None or parts.port > 0
    except ValueError:
        raise InvalidField(field, "is not a URL") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname or not port_is_sane:
        raise InvalidField(field, "must be an http or https URL")
    if parts.username is not None or parts.password is not None:
        raise InvalidField(field, "must not hold a user name or password")
    if len(url) > URL_LENGTH_MAX or any(character.isspace() for character in url):
        raise InvalidField(field, f"must be at most {URL_LENGTH_MAX} characters, without spaces")


def image_files(payload: Any) -> tuple[ProviderFile, ...]:
    """Read `{"images": [{"url", "content_type", "width", "height"}]}`; raise BadResult.

    Only `url` is certain (fal's schema of nano-banana-pro); the rest may be absent or null.
    """
    images = payload.get("images") if isinstance(payload, dict) else None
    if not isinstance(images, list) or not images:
        msg = "the result holds no images"
        raise BadResult(msg)
    return tuple(_image_file(image) for image in images)


def text_output(payload: Any) -> ProviderText:
    """Read `{"output", "error"?}` of fal's openrouter/router: an error comes as a success too."""
    fields = payload if isinstance(payload, dict) else {}
    if fields.get("error"):
        raise ProviderSaidNo(str(fields["error"])[:2000])
    output = fields.get("output")
    if not isinstance(output, str) or not output.strip():
        msg = "the result holds no text"
        raise BadResult(msg)
    return ProviderText(text=output.replace("\x00", ""))


def _image_file(image: Any) -> ProviderFile:
    url = image.get("url") if isinstance(image, dict) else None
    if not isinstance(url, str) or not url:
        msg = "an image of the result has no URL"
        raise BadResult(msg)
    content_type, width, height = (image.get(key) for key in ("content_type", "width", "height"))
    return ProviderFile(
        url=url,
        content_type=content_type if isinstance(content_type, str) else None,
        width=width if isinstance(width, int) else None,
        height=height if isinstance(height, int) else None,
    )
