"""Outputs: what each model makes, as its result describes it and as the file has it."""

import io
import re
from collections.abc import Callable
from typing import Any

from msgspec import Struct
from PIL import Image

from simulator import documents, films, pictures

Arguments = dict[str, Any]


class MadeFile(Struct, frozen=True):
    """A type of file: its extension, its media type, under which name results have it."""

    extension: str
    media_type: str
    name: str
    make: Callable[[str], bytes] | None = None  # From the prompt; None: a picture is drawn.


PNG = MadeFile("png", "image/png", "images")
FILES = (
    PNG,
    MadeFile("jpeg", "image/jpeg", "images"),
    MadeFile("webp", "image/webp", "images"),
    MadeFile("gif", "image/gif", "images"),
    MadeFile("mp4", "video/mp4", "video", films.mp4),
    MadeFile("webm", "video/webm", "video", films.webm),
    MadeFile("mp3", "audio/mpeg", "audio", documents.mp3),
    MadeFile("wav", "audio/wav", "audio", documents.wav),
    MadeFile("glb", "model/gltf-binary", "model_mesh", documents.glb),
    MadeFile("pdf", "application/pdf", "file", documents.pdf),
    MadeFile("json", "application/json", "file", documents.json),
    MadeFile("txt", "text/plain", "file", documents.text),
)
# A word of an endpoint's name -> what its model makes where no `output_format` is asked for.
_MAKERS = (
    (re.compile("video|veo|kling|sora"), "mp4"),
    (re.compile("speech|music|audio|tts"), "mp3"),
    (re.compile("3d|mesh|trellis"), "glb"),
    (re.compile("whisper|transcri"), "json"),
    (re.compile("pdf"), "pdf"),
)


def file_of(endpoint: str, arguments: Arguments) -> MadeFile:
    """Return what a model makes: the `output_format` that it is asked for, or what its name says;
    else a PNG.
    """
    asked = str(arguments.get("output_format", "")).lower()
    named = next((found for word, found in _MAKERS if word.search(endpoint)), "png")
    return next((each for each in FILES if each.extension == (asked or named)), PNG)


def described(endpoint: str, arguments: Arguments, url: str, odd: str) -> Arguments:
    """Return the result of a model that makes a file. `url` is the file's, without an extension."""
    made = file_of(endpoint, arguments)
    name = url.rpartition("/")[2]
    file: Arguments = {
        "url": f"{url}.{made.extension}",
        "content_type": f"{made.media_type}{odd}",
        "file_name": f"{name}{odd}.{made.extension}",
        "file_size": None,
    }
    if made.make is not None:
        return {made.name: file}
    ratio, resolution = arguments.get("aspect_ratio", "1:1"), arguments.get("resolution", "1K")
    width, height = pictures.size_of(str(ratio), str(resolution))
    return {made.name: [file | {"width": width, "height": height}], "description": odd}


def content_of(endpoint: str, arguments: Arguments) -> bytes:
    made = file_of(endpoint, arguments)
    if made.make is not None:
        return made.make(str(arguments.get("prompt", "")))
    names = ("prompt", "aspect_ratio", "resolution")
    picture = pictures.draw(*(str(arguments.get(name, "1:1")) for name in names))
    return picture if made is PNG else _converted(picture, made.extension)


def _converted(picture: bytes, format_name: str) -> bytes:
    body = io.BytesIO()
    with Image.open(io.BytesIO(picture)) as image:
        image.save(body, format_name)
    return body.getvalue()
