"""The reference as a page: whole, without scripts, and sent once to whom has it."""

import base64
import hashlib
import re

import httpx
import pytest

from services.api.handlers.reference_page import html_of
from services.api.handlers.reference_style import STYLE
from tests.support.described_api import an_api, openapi

DOCUMENT = openapi()
PAGE = html_of(DOCUMENT)


def test_every_operation_and_schema_has_its_place() -> None:
    places = re.findall(r' id="([^"]+)"', PAGE)
    assert len(places) == len(set(places))
    operations = [
        operation["operationId"]
        for group in (DOCUMENT["paths"], DOCUMENT["webhooks"])
        for path in group.values()
        for operation in path.values()
    ]
    assert {*operations, *DOCUMENT["components"]["schemas"]} <= set(places)


def test_every_link_leads_somewhere() -> None:
    places = set(re.findall(r' id="([^"]+)"', PAGE))
    links = set(re.findall(r'href="([^"]+)"', PAGE))
    assert {link.removeprefix("#") for link in links if link.startswith("#")} <= places
    assert {link for link in links if not link.startswith("#")} == {"/api/openapi.json"}


def test_it_loads_nothing_and_runs_nothing() -> None:
    assert not re.search(r"<(script|link|img|iframe)|\b(src|style|on[a-z]+)=", PAGE)


def test_an_operation_that_takes_a_body_shows_how_to_send_it() -> None:
    assert "-d &#x27;{&quot;kind&quot;: &quot;infograph&quot;" in PAGE
    assert "$DARKROOM_URL/api/generate/content?projectId=PROJECTID&amp;step=STEP" in PAGE


@pytest.mark.parametrize("path", ["/docs", "/docs/", "/api/openapi.json"])
async def test_it_needs_no_token_and_is_not_sent_twice(path: str) -> None:
    transport = httpx.ASGITransport(an_api())  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url="http://darkroom") as client:
        first = await client.get(path)
        again = await client.get(path, headers={"If-None-Match": first.headers["etag"]})
    assert (first.status_code, again.status_code, again.content) == (200, 304, b"")


async def test_only_its_own_style_is_allowed() -> None:
    transport = httpx.ASGITransport(an_api())  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url="http://darkroom") as client:
        answer = await client.get("/docs")
    digest = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    policy = answer.headers["content-security-policy"]
    assert policy.startswith(f"default-src 'none'; style-src 'sha256-{digest}'")
    assert f"<style>{STYLE}</style>" in answer.text
