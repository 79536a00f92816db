"""Who may stay connected: tickets one stream at a time, tokens until they are revoked."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tests.support.listening import events_of
from tests.support.waiting import eventually
from tests.support.worlds import RunningWorld, create, second_api, second_api_process, until_ended


def ticket_of(client: httpx.Client) -> str:
    answer = client.post("/api/stream-tickets")
    assert answer.status_code == 201
    return str(answer.json()["ticket"])


@contextmanager
def opened_by(ticket: str, url: str, path: str = "/api/stream") -> Iterator[int]:
    """Open a stream by ticket, wait for its first line, and keep it open."""
    with httpx.stream("GET", f"{url}{path}?ticket={ticket}", timeout=60.0) as answer:
        lines = answer.iter_lines()  # Kept: the connection would be closed with it.
        if answer.status_code == 200:
            assert next(lines).startswith("retry:")
        yield answer.status_code


def test_a_ticket_opens_one_stream_at_a_time_at_two_processes(
    world: RunningWorld, client: httpx.Client
) -> None:
    ticket = ticket_of(client)
    with second_api(world) as other:
        for first, second in ((world.url, other), (other, world.url)):
            with opened_by(ticket, first) as status:
                assert status == 200
                for url in (first, second):
                    assert httpx.get(f"{url}/api/stream?ticket={ticket}").status_code == 401
    job = until_ended(client, create(client))["id"]
    for path in (f"/api/jobs/{job}/stream", "/api/credits"):
        assert httpx.get(f"{world.url}{path}?ticket={ticket}").status_code == 401


def test_a_ticket_opens_its_stream_elsewhere_once_its_process_was_killed(
    world: RunningWorld, client: httpx.Client
) -> None:
    ticket = ticket_of(client)
    with second_api_process(world) as (other, process), opened_by(ticket, other) as status:
        assert status == 200
        process.stop(signal.SIGKILL)
        with opened_by(ticket, world.url) as again:
            assert again == 200


def test_a_revoked_tokens_tickets_open_nothing(world: RunningWorld) -> None:
    with operator(world) as back:
        issued = issue(back, "ticket-revoked")
        with world.client(issued["token"]) as user:
            ticket, unused = ticket_of(user), ticket_of(user)
        with opened_by(ticket, world.url) as status:
            assert status == 200
        assert back.delete(f"/api/operator/tokens/{issued['id']}").status_code == 204
        eventually(lambda: _status(world.url, ticket) == 401)
        assert _status(world.url, unused) == 401


def _status(url: str, ticket: str) -> int:
    with opened_by(ticket, url) as status:
        return status


@pytest.mark.parametrize("ticket", ["unknown", "a" * 500])
def test_an_unknown_ticket_is_a_401(world: RunningWorld, ticket: str) -> None:
    answer = httpx.get(f"{world.url}/api/stream?ticket={ticket}")
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")


def operator(world: RunningWorld) -> httpx.Client:
    return world.client(world.world.tokens["operator"])


def issue(operator: httpx.Client, account: str) -> dict[str, str]:
    body = {"account": account, "role": "user"}
    issued: dict[str, str] = operator.post("/api/operator/tokens", json=body).json()
    return issued


class Connection(threading.Thread):
    """Whoever stays connected until the other side ends it."""

    def __init__(self, stay: Callable[["Connection"], None]) -> None:
        super().__init__(daemon=True)
        self._stay = stay
        self.is_open = threading.Event()
        self.heard = 0
        self.start()

    def run(self) -> None:
        self._stay(self)


def following(url: str, token: str) -> Callable[[Connection], None]:
    def stay(connection: Connection) -> None:
        headers = {"Authorization": f"Token {token}"}
        with httpx.stream("GET", f"{url}/api/stream", headers=headers, timeout=40.0) as answer:
            connection.is_open.set()
            for _ in events_of(answer):
                connection.heard += 1

    return stay


def on_a_socket(url: str, token: str) -> Callable[[Connection], None]:
    def stay(connection: Connection) -> None:
        headers = {"Authorization": f"Token {token}"}
        path = url.replace("http:", "ws:") + "/api/ws"
        with (
            suppress(ConnectionClosed),
            connect(path, additional_headers=headers) as socket,
        ):
            connection.is_open.set()
            for _ in socket:
                connection.heard += 1

    return stay


def waiting(url: str, token: str, job: str) -> Callable[[Connection], None]:
    def stay(connection: Connection) -> None:
        headers = {"Authorization": f"Token {token}"}
        connection.is_open.set()
        answer = httpx.get(f"{url}/api/jobs/{job}?wait=30", headers=headers, timeout=40.0)
        assert answer.status_code == 401

    return stay


def test_a_revoked_tokens_streams_sockets_and_waits_end_at_two_processes_of_a_busy_account(
    world: RunningWorld, client: httpx.Client
) -> None:
    del client
    world.fault("never_ends")
    grant = "/api/operator/accounts/busy/grant"
    with operator(world) as back, second_api(world) as other:
        back.post(grant, json={"amount": 5, "reason": "a test"})
        issued, kept = issue(back, "busy"), issue(back, "busy")["token"]
        with world.client(kept) as user:
            job = create(user)
        token = issued["token"]
        ways = [
            stay
            for url in (world.url, other)
            for stay in (
                following(url, token),
                on_a_socket(url, token),
                waiting(url, token, job),
            )
        ]
        staying = [Connection(each) for each in ways]
        kept_open = [Connection(following(url, kept)) for url in (world.url, other)]
        for each in [*staying, *kept_open]:
            assert each.is_open.wait(60)
        back.delete(f"/api/operator/tokens/{issued['id']}").raise_for_status()

        def all_have_ended() -> bool:
            back.post(grant, json={"amount": 1, "reason": "busy"}).raise_for_status()
            return not any(each.is_alive() for each in staying)

        eventually(all_have_ended, 20)  # Sooner than a wait of 30 s ends by itself.
        assert all(each.is_alive() and each.heard for each in kept_open)
        with world.client(kept) as user:
            user.post(f"/api/jobs/{job}/cancel").raise_for_status()
