"""fal.ai: one POST a submission through the real client, and looks at what became of it."""

import asyncio
from datetime import datetime
from typing import Any

import fal_client
import httpx
import msgspec
from fal_client.auth import FAL_QUEUE_RUN_HOST
from fal_client.client import USER_AGENT, AsyncRequestHandle
from msgspec import Struct, structs

from adapters.fal_words import (
    is_address,
    is_request_id,
    lines_of,
    place_of,
    retry_after_of,
    text_of,
)
from adapters.one_post import (
    RESULT_BYTES_MAX,
    WORDS_MAX,
    CookielessClient,
    ErrorAnswer,
    Hung,
    Lost,
    NotSent,
    OnePost,
    words_of,
)
from domain.text import clean_line, clean_prose

POST_SECONDS = 30.0
LOOK_SECONDS = 20.0
CONNECT_SECONDS = 5.0
LISTING_PAGES_MAX = 20
OWN_HOST = f"https://{FAL_QUEUE_RUN_HOST}/"
# The operator's account, or the pace of asking: no answer to what was asked.
_NOT_NOW = {401, 402, 403, 408, 425, 429}
# An address that was kept under an older rule of text may be none that can be asked.
_UNUSABLE = (httpx.HTTPError, httpx.InvalidURL, TimeoutError)


class SubmissionAccepted(Struct, frozen=True):
    """The provider has the job."""

    request_id: str
    status_url: str
    response_url: str
    cancel_url: str


class SubmissionRefused(Struct, frozen=True):
    """The provider took nothing (no connection, or 429 or 5xx without a request id).

    `is_busy` tells a 429 from a provider in trouble.
    """

    words: str
    retry_after_seconds: float | None = None
    is_busy: bool = False


class SubmissionRejected(Struct, frozen=True):
    """The provider will never take this (404, 422 and other 4xx)."""

    status: int
    words: str


class OperatorTrouble(Struct, frozen=True):
    """The operator's account is the reason (401, 402, 403): no job's fault."""

    status: int
    words: str


class SubmissionUnknown(Struct, frozen=True):
    """The POST was sent and nobody can tell whether it was taken. `has_hung` tells a provider
    that said nothing for so long from a reply that was lost on its way.
    """

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


class Listed(Struct, frozen=True):
    """A request as the provider lists it: what it was asked, and when (its clock)."""

    request_id: str
    sent_at: datetime
    json_input: Any = None


class _Listing(Struct, frozen=True):
    items: list[Listed] = []
    next_cursor: str | None = None
    has_more: bool = False


_listings = msgspec.json.Decoder(_Listing)


class FalGateway:
    """The provider. Its client reads FAL_QUEUE_RUN_HOST when it is imported; always HTTPS.

    `platform_url` is where requests can be listed, empty where they cannot.
    """

    def __init__(self, key: str, *, platform_url: str = "", connections_max: int = 64) -> None:
        self._platform_url = platform_url
        self._http: httpx.AsyncClient = CookielessClient(
            transport=OnePost(connections_max, POST_SECONDS, CONNECT_SECONDS),
            headers={"Authorization": f"Key {key}", "User-Agent": USER_AGENT},
            timeout=httpx.Timeout(POST_SECONDS, connect=CONNECT_SECONDS),
        )
        self._client = _Client(self._http, key)

    async def submit(
        self, endpoint: str, arguments: dict[str, Any], webhook_url: str | None
    ) -> SubmissionOutcome:
        """POST once. Every end of it is one of the five outcomes."""
        try:
            async with asyncio.timeout(POST_SECONDS + CONNECT_SECONDS):
                handle = await self._client.submit(endpoint, arguments, webhook_url=webhook_url)
        except NotSent as error:
            return SubmissionRefused(f"no connection: {error}")
        except ErrorAnswer as error:
            return classify(error.status, error.headers, error.text)
        except (Lost, TimeoutError) as error:
            has_hung = isinstance(error, Hung | TimeoutError)
            return SubmissionUnknown(f"the reply was lost: {words_of(error)}", has_hung)
        except (KeyError, ValueError, TypeError) as error:
            return SubmissionUnknown(f"the reply has no request id: {words_of(error)}")
        taken = SubmissionAccepted(
            handle.request_id, handle.status_url, handle.response_url, handle.cancel_url
        )
        if not is_request_id(taken.request_id) or not all(map(is_address, structs.astuple(taken))):
            return SubmissionUnknown("the reply's request id or a URL of it cannot be kept")
        return taken

    async def poll_result(self, endpoint: str, found: SubmissionAccepted) -> PollOutcome:
        """Ask once for the status, and for the result when it says COMPLETED.

        COMPLETED is no success: failed and cancelled requests end so too. Only the result tells.
        """
        handle = self._handle(endpoint, found)
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                status = await self._get(f"{handle.status_url}?logs=1")
                answer = _look_of(status)
                if answer is not None:
                    return answer
                return _result_of(await self._get(handle.response_url))
        except (*_UNUSABLE, ValueError, KeyError, TypeError) as error:
            return NoAnswer(words_of(error))

    async def cancel(self, endpoint: str, found: SubmissionAccepted) -> str | None:
        """Ask the provider to cancel; return what it said, None when it did not answer."""
        own = found.cancel_url.startswith(OWN_HOST)
        url = found.cancel_url if own else self.known(endpoint, found.request_id).cancel_url
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                response = await self._http.put(url)
        except _UNUSABLE:
            return None
        if response.status_code >= 500 or response.status_code in _NOT_NOW:  # noqa: PLR2004
            return None
        return clean_line(f"{response.status_code} {text_of(response)}")

    async def listed(self, endpoint: str, since: datetime) -> list[Listed] | None:
        """List what was sent to an endpoint since then, with its input; None without an answer.

        The list is a witness for what it names only: requests that have not ended may be missing.
        """
        if not self._platform_url:
            return None
        wish = {"endpoint_id": endpoint, "start": since.isoformat(), "expand": "payloads"}
        found: list[Listed] = []
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                for _ in range(LISTING_PAGES_MAX):
                    url = f"{self._platform_url}/models/requests/by-endpoint"
                    response = await self._http.get(url, params=wish)
                    page = _listings.decode(response.raise_for_status().content)
                    found += [each for each in page.items if is_request_id(each.request_id)]
                    if not (page.has_more and page.next_cursor):
                        break
                    wish["cursor"] = page.next_cursor
        except (httpx.HTTPError, TimeoutError, msgspec.MsgspecError):
            return None
        return found

    def known(self, endpoint: str, request_id: str) -> SubmissionAccepted:
        """Return a request that the provider listed as its reply to the POST would have told it."""
        handle = AsyncRequestHandle.from_request_id(self._http, endpoint, request_id)
        return SubmissionAccepted(
            request_id, handle.status_url, handle.response_url, handle.cancel_url
        )

    async def close(self) -> None:
        await self._http.aclose()

    async def _get(self, url: str) -> httpx.Response:
        response = await self._http.get(url)
        if len(response.content) > RESULT_BYTES_MAX:
            raise ValueError("the result is too large")
        return response

    def _handle(self, endpoint: str, found: SubmissionAccepted) -> AsyncRequestHandle:
        """Use the URLs that the provider returned if they are on its own host: they get our key."""
        urls = (found.status_url, found.response_url, found.cancel_url)
        if all(url.startswith(OWN_HOST) for url in urls):
            status_url, response_url, cancel_url = urls
            return AsyncRequestHandle(
                found.request_id, response_url, status_url, cancel_url, self._http
            )
        return AsyncRequestHandle.from_request_id(self._http, endpoint, found.request_id)


class _Client(fal_client.AsyncClient):
    """fal's own client, on our HTTP client."""

    def __init__(self, http: httpx.AsyncClient, key: str) -> None:
        super().__init__(key=key, default_timeout=POST_SECONDS)
        object.__setattr__(self, "_http", http)

    @property
    async def _client(self) -> httpx.AsyncClient:
        return self._http  # type: ignore[attr-defined,no-any-return]


def classify(status: int, headers: Any, text: str) -> SubmissionOutcome:
    """Say what an answer without success to a POST means."""
    words = clean_prose(f"HTTP {status}: {text}", WORDS_MAX)
    if status in {401, 402, 403}:
        return OperatorTrouble(status, words)
    if status == 429 or status >= 500:  # noqa: PLR2004
        if "x-fal-request-id" in headers or '"request_id"' in text:
            return SubmissionUnknown(words)
        return SubmissionRefused(words, retry_after_of(headers), is_busy=status == 429)  # noqa: PLR2004
    return SubmissionRejected(status, words)


def _look_of(response: httpx.Response) -> PollOutcome | None:
    """Read a status; None means that the request is over and its result can be fetched."""
    if response.status_code == 404:  # noqa: PLR2004
        return Gone()
    if not response.is_success:
        return NoAnswer(f"HTTP {response.status_code}")
    fields = msgspec.json.decode(response.content, type=dict[str, Any])
    if fields.get("status") == "COMPLETED":
        return None
    if fields.get("status") not in {"IN_QUEUE", "IN_PROGRESS"}:
        return NoAnswer(clean_line(f"unknown status {fields.get('status')!r}"))
    position = fields.get("queue_position")
    return StillRunning(place_of(position), lines_of(fields.get("logs")))


def _result_of(response: httpx.Response) -> PollOutcome:
    if response.status_code == 404:  # noqa: PLR2004
        return Gone()
    if response.status_code in {401, 403, 408, 429}:
        return NoAnswer(f"HTTP {response.status_code}")
    return Finished(response.is_success, response.content)
