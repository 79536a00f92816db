"""Relays the provider's webhooks to the ingestor, byte for byte: the front door parses nothing."""

import httpx
from litestar import Response, post
from litestar.params import FromPath

from adapters.http_server import AnyRequest, AnyResponse
from domain.refusals import Refused
from services.api.dependencies import api_of

BODY_BYTES_MAX = 512 * 1024
PASSED_HEADERS = ("content-type", "user-agent")
PASSED_PREFIX = "x-fal-"


@post("/webhook/{id:str}", status_code=200, request_max_body_size=BODY_BYTES_MAX)
async def relay_webhook(request: AnyRequest, id: FromPath[str]) -> AnyResponse:  # noqa: A002
    """Answer with the ingestor's answer; 503 when it is away, so that the provider retries."""
    api = api_of(request)
    if not api.settings.ingestor_url:
        raise Refused("unavailable", "webhooks are not taken at this address")
    headers = {
        name: value
        for name, value in request.headers.items()
        if name in PASSED_HEADERS or name.startswith(PASSED_PREFIX)
    }
    try:
        answer = await api.relay.post(
            f"{api.settings.ingestor_url}/api/infographs/webhook/{id}/?{request.url.query}",
            content=await request.body(),
            headers=headers,
        )
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise Refused("unavailable", "the ingestor does not answer: send it again") from error
    media_type = answer.headers.get("content-type", "application/json")
    passed = {"Retry-After": value} if (value := answer.headers.get("retry-after")) else {}
    return Response(
        answer.content, status_code=answer.status_code, headers=passed, media_type=media_type
    )
