"""fal's client and the network under it: each POST is sent once, and its end is known exactly."""

import aiohttp
import fal_client
import httpx
from yarl import URL

from domain.text import clean_line

RESULT_BYTES_MAX = 8 * 1024 * 1024
WORDS_MAX = 1000

_NEVER_CONNECTED = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)


class NotSent(Exception):
    """No connection was made. None of these exceptions is one of httpx's, after which fal's client
    would send the POST again.
    """


class ErrorAnswer(Exception):
    """The POST got an answer that is no success."""

    def __init__(self, status: int, headers: httpx.Headers, text: str) -> None:
        super().__init__(f"HTTP {status}")
        self.status = status
        self.headers = headers
        self.text = text


class Lost(Exception):
    """The POST went out, its answer did not come."""


class Hung(Lost):
    """The provider took the connection and the POST, and said nothing until the time was up."""


class OnePost(httpx.AsyncBaseTransport):
    """The network under fal's client: each POST is sent exactly once. The client repeats a POST
    that ended in an error of httpx up to ten times (lost replies, 408, 409, 429, some 5xx), and
    each can be a paid job: so the errors raised here are our own. aiohttp sends the requests, with
    a quarter of httpcore's CPU time (docs/decisions/0006); its errors also say whether there was a
    connection.
    """

    def __init__(self, connections_max: int, seconds: float, connect_seconds: float) -> None:
        self._connections_max = connections_max
        self._timeout = aiohttp.ClientTimeout(total=seconds, sock_connect=connect_seconds)
        self._session: aiohttp.ClientSession | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        is_post = request.method == "POST"
        try:
            response = await self._send(request)
        except _NEVER_CONNECTED as error:
            raise (NotSent if is_post else httpx.ConnectError)(words_of(error)) from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            lost = Hung if isinstance(error, TimeoutError) else Lost
            raise (lost if is_post else httpx.ReadError)(words_of(error)) from error
        if is_post and not response.is_success:
            words = response.content.decode(errors="replace")
            raise ErrorAnswer(response.status_code, response.headers, words)
        return response

    async def aclose(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def _send(self, request: httpx.Request) -> httpx.Response:
        if self._session is None:
            tls = httpx.create_ssl_context()  # Trusts what SSL_CERT_FILE names.
            connector = aiohttp.TCPConnector(limit=self._connections_max, ssl=tls)
            self._session = aiohttp.ClientSession(
                connector=connector, timeout=self._timeout, cookie_jar=aiohttp.DummyCookieJar()
            )
        async with self._session.request(
            request.method,
            URL(str(request.url), encoded=True),
            headers=request.headers,
            data=request.content or None,
            allow_redirects=False,
        ) as answer:
            body = await answer.content.read(RESULT_BYTES_MAX + 1)
            while len(body) <= RESULT_BYTES_MAX and (more := await answer.content.readany()):
                body += more
            headers = [
                (name, value)
                for name, value in answer.raw_headers  # Bytes: no text of theirs can fail here.
                if name.lower() not in {b"content-encoding", b"transfer-encoding"}
            ]
            return httpx.Response(answer.status, headers=headers, content=body, request=request)


class _NoCookies(httpx.Cookies):
    def extract_cookies(self, response: httpx.Response) -> None:
        """Do nothing: looking for cookies takes as long as sending the request."""


class CookielessClient(httpx.AsyncClient):
    """A client that keeps nothing of what a server sets."""

    _none = _NoCookies()

    @property  # type: ignore[misc]  # Nobody sets one.
    def cookies(self) -> httpx.Cookies:
        return self._none


class FalClient(fal_client.AsyncClient):
    """fal's own client, on our HTTP client."""

    def __init__(self, http: httpx.AsyncClient, key: str, seconds: float) -> None:
        super().__init__(key=key, default_timeout=seconds)
        object.__setattr__(self, "_http", http)

    @property
    async def _client(self) -> httpx.AsyncClient:
        return self._http  # type: ignore[attr-defined,no-any-return]


def words_of(error: BaseException) -> str:
    return clean_line(f"{type(error).__name__}: {error}", WORDS_MAX)
