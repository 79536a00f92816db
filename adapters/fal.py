"""fal.ai: one POST for each submission, through its own client, and what became of it."""

import asyncio
from datetime import datetime
from http import HTTPStatus
from typing import Any

import httpx
import msgspec
from fal_client.auth import FAL_QUEUE_RUN_HOST
from fal_client.client import USER_AGENT, AsyncRequestHandle
from msgspec import Struct

from adapters import fal_words, one_post
from domain.lost_replies import ListedRequest
from domain.text import clean_line, clean_prose

POST_SECONDS = 30.0
LOOK_SECONDS = 20.0
CONNECT_SECONDS = 5.0
LISTING_PAGES_MAX = 20
OWN_HOST = f"https://{FAL_QUEUE_RUN_HOST}/"
SERVER_TROUBLE = 500  # This status and all above it.
# The operator's account is refused, or requests come too fast: nothing is said of the job itself.
_NOT_NOW = {401, 402, 403, 408, 425, 429}
# InvalidURL: an address in the log may be one that httpx does not take.
_UNUSABLE = (httpx.HTTPError, httpx.InvalidURL, TimeoutError)


class ProviderRequest(Struct, frozen=True):
    """A job as the provider has it. A URL that is not known is empty."""

    request_id: str
    status_url: str = ""
    response_url: str = ""
    cancel_url: str = ""


class SubmissionAccepted(ProviderRequest, frozen=True):
    """The provider has the job."""


class SubmissionRefused(Struct, frozen=True):
    """The provider took nothing: no connection, or 429 or 5xx without a request id. `is_busy` says
    that it was a 429, and that the provider is not in trouble.
    """

    words: str
    retry_after_seconds: float | None = None
    is_busy: bool = False


class SubmissionRejected(Struct, frozen=True):
    """The provider will never take this (404, 422, other 4xx). `is_input_refused`: a 422."""

    words: str
    is_input_refused: bool = False


class OperatorTrouble(Struct, frozen=True):
    """The operator's account is the reason (401, 402, 403): no job's fault."""

    words: str


class SubmissionUnknown(Struct, frozen=True):
    """Nobody knows whether the POST was taken. `has_hung`: no answer came until the time was up."""

    words: str
    has_hung: bool = False


SubmissionOutcome = (
    SubmissionAccepted
    | SubmissionRefused
    | SubmissionRejected
    | OperatorTrouble
    | SubmissionUnknown
)


class StillRunning(Struct, frozen=True):
    """The provider is not done. `queue_position` counts the requests ahead; `lines` are its log."""

    queue_position: int | None = None
    lines: tuple[str, ...] = ()


class Finished(Struct, frozen=True):
    """The result's GET answered: `ok` means 2xx, `body` is what it said."""

    ok: bool
    body: bytes


class Gone(Struct, frozen=True):
    """The provider does not know the request, or no longer has its result."""


class NoAnswer(Struct, frozen=True):
    """The provider cannot be reached or is in trouble: look again later."""

    words: str


PollOutcome = StillRunning | Finished | Gone | NoAnswer


class _Item(Struct, frozen=True):
    request_id: str
    sent_at: datetime
    json_input: Any = None


class _Listing(Struct, frozen=True):
    items: list[_Item] = []
    next_cursor: str | None = None
    has_more: bool = False


_listings = msgspec.json.Decoder(_Listing)


class FalGateway:
    """The provider. Its client reads FAL_QUEUE_RUN_HOST when it is imported; always HTTPS.
    `platform_url` is where requests can be listed, empty where they cannot.
    """

    def __init__(self, key: str, *, platform_url: str = "", connections_max: int = 64) -> None:
        self._platform_url = platform_url
        self._http: httpx.AsyncClient = one_post.CookielessClient(
            transport=one_post.OnePost(connections_max, POST_SECONDS, CONNECT_SECONDS),
            headers={"Authorization": f"Key {key}", "User-Agent": USER_AGENT},
            timeout=httpx.Timeout(POST_SECONDS, connect=CONNECT_SECONDS),
        )
        self._client = one_post.FalClient(self._http, key, POST_SECONDS)

    async def submit(
        self, endpoint: str, arguments: dict[str, Any], webhook_url: str | None
    ) -> SubmissionOutcome:
        """POST once; however it ends is one of the five outcomes."""
        try:
            async with asyncio.timeout(POST_SECONDS + CONNECT_SECONDS):
                handle = await self._client.submit(endpoint, arguments, webhook_url=webhook_url)
        except one_post.NotSent as error:
            return SubmissionRefused(f"no connection: {error}")
        except one_post.ErrorAnswer as error:
            return classify(error.status, error.headers, error.text)
        except (one_post.Lost, TimeoutError) as error:
            has_hung = isinstance(error, one_post.Hung | TimeoutError)
            return SubmissionUnknown(f"the reply was lost: {one_post.words_of(error)}", has_hung)
        except (KeyError, ValueError, TypeError) as error:
            return SubmissionUnknown(f"the reply has no request id: {one_post.words_of(error)}")
        accepted = SubmissionAccepted(*_fields(handle))
        if not fal_words.is_request_id(accepted.request_id) or not all(
            map(fal_words.is_address, _fields(handle))
        ):
            return SubmissionUnknown("the reply's request id or a URL of it cannot be kept")
        return accepted

    async def poll_result(self, endpoint: str, request: ProviderRequest) -> PollOutcome:
        """Ask once for the status, and for the result when it says COMPLETED: requests that failed
        or were cancelled have this status too, and only the result says what happened.
        """
        request = self._on_own_host(endpoint, request)
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                status = await self._get(f"{request.status_url}?logs=1")
                return _unfinished(status) or _result_of(await self._get(request.response_url))
        except (*_UNUSABLE, ValueError, KeyError, TypeError) as error:
            return NoAnswer(one_post.words_of(error))

    async def cancel(self, endpoint: str, request: ProviderRequest) -> str | None:
        """Ask the provider to cancel; return what it said, None when it did not answer."""
        url = request.cancel_url
        if not url.startswith(OWN_HOST):
            url = self.request_of(endpoint, request.request_id).cancel_url
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                response = await self._http.put(url)
        except _UNUSABLE:
            return None
        if response.status_code >= SERVER_TROUBLE or response.status_code in _NOT_NOW:
            return None
        return clean_line(f"{response.status_code} {fal_words.text_of(response)}")

    async def list_requests(self, endpoint: str, since: datetime) -> list[ListedRequest] | None:
        """List what was sent to an endpoint since then, with its input; None without an answer.
        Requests that are not listed may exist all the same, above all those that have not ended.
        """
        if not self._platform_url:
            return None
        query = {"endpoint_id": endpoint, "start": since.isoformat(), "expand": "payloads"}
        found: list[ListedRequest] = []
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                for _ in range(LISTING_PAGES_MAX):
                    url = f"{self._platform_url}/models/requests/by-endpoint"
                    response = await self._http.get(url, params=query)
                    page = _listings.decode(response.raise_for_status().content)
                    found += [
                        ListedRequest(each.request_id, each.json_input, each.sent_at)
                        for each in page.items
                        if fal_words.is_request_id(each.request_id)
                    ]
                    if not (page.has_more and page.next_cursor):
                        break
                    query["cursor"] = page.next_cursor
        except (httpx.HTTPError, TimeoutError, msgspec.MsgspecError):
            return None
        return found

    def request_of(self, endpoint: str, request_id: str) -> ProviderRequest:
        """Return a request with the URLs that the provider gives it."""
        handle = AsyncRequestHandle.from_request_id(self._http, endpoint, request_id)
        return ProviderRequest(*_fields(handle))

    async def close(self) -> None:
        await self._http.aclose()

    async def _get(self, url: str) -> httpx.Response:
        response = await self._http.get(url)
        if len(response.content) > one_post.RESULT_BYTES_MAX:
            raise ValueError("the result is too large")
        return response

    def _on_own_host(self, endpoint: str, request: ProviderRequest) -> ProviderRequest:
        """Use the URLs that came with the request only if all are on the provider's own host,
        because our key is sent there; else those that its id gives.
        """
        urls = (request.status_url, request.response_url, request.cancel_url)
        is_own = all(url.startswith(OWN_HOST) for url in urls)
        return request if is_own else self.request_of(endpoint, request.request_id)


def classify(status: int, headers: Any, text: str) -> SubmissionOutcome:
    """Say what an answer without success to a POST means."""
    words = clean_prose(f"HTTP {status}: {text}", one_post.WORDS_MAX)
    if status in {401, 402, 403}:
        return OperatorTrouble(words)
    is_busy = status == HTTPStatus.TOO_MANY_REQUESTS
    if is_busy or status >= SERVER_TROUBLE:
        if "x-fal-request-id" in headers or '"request_id"' in text:
            return SubmissionUnknown(words)
        return SubmissionRefused(words, fal_words.retry_after_of(headers), is_busy)
    return SubmissionRejected(words, status == HTTPStatus.UNPROCESSABLE_ENTITY)


def _fields(handle: AsyncRequestHandle) -> tuple[str, str, str, str]:
    return handle.request_id, handle.status_url, handle.response_url, handle.cancel_url


def _unfinished(response: httpx.Response) -> PollOutcome | None:
    """Read a status; None means that the request is over and its result can be fetched."""
    if response.status_code == HTTPStatus.NOT_FOUND:
        return Gone()
    if not response.is_success:
        return NoAnswer(f"HTTP {response.status_code}")
    fields = msgspec.json.decode(response.content, type=dict[str, Any])
    if fields.get("status") == "COMPLETED":
        return None
    if fields.get("status") not in {"IN_QUEUE", "IN_PROGRESS"}:
        return NoAnswer(clean_line(f"unknown status {fields.get('status')!r}"))
    position = fields.get("queue_position")
    return StillRunning(fal_words.place_of(position), fal_words.lines_of(fields.get("logs")))


def _result_of(response: httpx.Response) -> PollOutcome:
    if response.status_code == HTTPStatus.NOT_FOUND:
        return Gone()
    if response.status_code in {401, 403, 408, 429}:
        return NoAnswer(f"HTTP {response.status_code}")
    return Finished(response.is_success, response.content)
