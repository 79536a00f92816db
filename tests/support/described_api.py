"""The OpenAPI document, and an api that needs no world to describe itself."""

from typing import Any

import msgspec
from litestar import Litestar
from msgspec import structs

from services.api.app import build
from services.api.dependencies import Api
from services.api.handlers.describe_api import described
from services.api.settings import ApiSettings
from tests.support.absent import Absent


def openapi() -> dict[str, Any]:
    """Return the OpenAPI document."""
    return described(an_api())


def an_api() -> Litestar:
    """Return an api that is connected to nothing."""
    parts: dict[str, Any] = {each.name: Absent() for each in structs.fields(Api) if each.required}
    return build(Api(**parts | {"settings": ApiSettings()}))


def openapi_text() -> str:
    return msgspec.json.format(msgspec.json.encode(openapi())).decode() + "\n"
