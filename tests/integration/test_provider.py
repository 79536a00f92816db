"""The gateway against the simulator, over real HTTPS, through fal's own client."""

import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from adapters import fal
from adapters.fal import FalGateway
from cli.world import free_port
from tests.support.servers import Process, folder, wait_for_port

ENDPOINT = "fal-ai/nano-banana-pro"
WEBHOOK = "https://127.0.0.1:1/api/infographs/webhook/JOB/?attempt=1&token=t"


class Simulated:
    """A simulator of this module's own, and its switches."""

    def __init__(self, port: int, path: Path) -> None:
        self.host = f"127.0.0.1:{port}"
        self.bundle = path / "bundle.pem"

    def control(self, method: str, path: str, body: Any = None) -> Any:
        context = ssl.create_default_context(cafile=str(self.bundle))
        url = f"https://{self.host}/simulator/{path}"
        return httpx.request(method, url, json=body, verify=context).raise_for_status().json()

    def fault(self, failure: str, times: int = 1) -> None:
        self.control("POST", "failures", {"failure": failure, "next": times})

    def posts(self) -> int:
        return sum(self.control("GET", "posts").values())


@pytest.fixture(scope="module")
def simulated() -> Iterator[Simulated]:
    port = free_port()
    with folder() as path:
        environment = {
            "SIMULATOR_PORT": str(port),
            "SIMULATOR_DIR": str(path),
            "SIMULATOR_SECONDS": "0.2",
        }
        server = Process([sys.executable, "-m", "simulator"], environment)
        try:
            wait_for_port(port)
            yield Simulated(port, path)
        finally:
            server.stop()


@pytest.fixture
async def gateway(
    simulated: Simulated, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[FalGateway]:
    simulated.control("DELETE", "failures")
    monkeypatch.setenv("SSL_CERT_FILE", str(simulated.bundle))
    monkeypatch.setattr(fal, "FAL_QUEUE_RUN_HOST", simulated.host)
    monkeypatch.setattr("fal_client.client.QUEUE_URL_FORMAT", f"https://{simulated.host}/")
    opened = FalGateway("id:secret")
    yield opened
    await opened.close()


async def submit(gateway: FalGateway, webhook: str | None = None) -> fal.SubmissionOutcome:
    return await gateway.submit(ENDPOINT, {"prompt": "reefs"}, webhook)


async def test_an_accepted_job_is_looked_up_until_it_is_finished(gateway: FalGateway) -> None:
    taken = await submit(gateway)
    assert isinstance(taken, fal.SubmissionAccepted)
    look = await gateway.poll_result(ENDPOINT, taken)
    assert isinstance(look, fal.StillRunning)
    while isinstance(look, fal.StillRunning):
        look = await gateway.poll_result(ENDPOINT, taken)
    assert isinstance(look, fal.Finished)
    assert look.ok
    assert b"images" in look.body


@pytest.mark.parametrize(
    ("mode", "outcome"),
    [
        ("post_401", fal.OperatorTrouble),
        ("post_402", fal.OperatorTrouble),
        ("post_403", fal.OperatorTrouble),
        ("post_429", fal.SubmissionRefused),
        ("post_503", fal.SubmissionRefused),
        ("post_404", fal.SubmissionRejected),
        ("post_422", fal.SubmissionRejected),
        ("post_503_taken", fal.SubmissionUnknown),
        ("lost_reply", fal.SubmissionUnknown),
    ],
)
async def test_each_end_of_a_post_is_told_apart_and_is_one_post(
    simulated: Simulated, gateway: FalGateway, mode: str, outcome: type[Any]
) -> None:
    before = simulated.posts()
    simulated.fault(mode)
    assert isinstance(await submit(gateway, WEBHOOK), outcome)
    assert simulated.posts() == before + 1


async def test_a_retry_after_of_the_provider_is_obeyed(
    simulated: Simulated, gateway: FalGateway
) -> None:
    simulated.fault("post_429")
    refused = await submit(gateway)
    assert isinstance(refused, fal.SubmissionRefused)
    assert refused.retry_after_seconds == 1.0


@pytest.mark.usefixtures("gateway")
async def test_a_silent_provider_leaves_the_outcome_unknown_after_one_post(
    simulated: Simulated, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fal, "POST_SECONDS", 2.0)  # A busy machine has to have sent it by then.
    impatient = FalGateway("id:secret")
    before = simulated.posts()
    simulated.fault("hung_reply")
    outcome = await submit(impatient, WEBHOOK)
    assert isinstance(outcome, fal.SubmissionUnknown)
    assert outcome.has_hung
    assert simulated.posts() == before + 1
    await impatient.close()


async def test_where_nobody_listens_nothing_was_taken(
    gateway: FalGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    nowhere = f"https://127.0.0.1:{free_port()}/"
    monkeypatch.setattr("fal_client.client.QUEUE_URL_FORMAT", nowhere)
    assert isinstance(await submit(gateway), fal.SubmissionRefused)


async def test_a_certificate_that_nobody_trusts_is_not_talked_to(
    simulated: Simulated, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.setattr("fal_client.client.QUEUE_URL_FORMAT", f"https://{simulated.host}/")
    before = simulated.posts()
    stranger = FalGateway("id:secret")
    assert isinstance(await submit(stranger, WEBHOOK), fal.SubmissionRefused)
    assert simulated.posts() == before
    await stranger.close()


async def test_a_completed_request_is_no_success_until_its_result_is(
    simulated: Simulated, gateway: FalGateway
) -> None:
    simulated.fault("content_policy")
    taken = await submit(gateway)
    assert isinstance(taken, fal.SubmissionAccepted)
    look: fal.PollOutcome = fal.StillRunning()
    while isinstance(look, fal.StillRunning):
        look = await gateway.poll_result(ENDPOINT, taken)
    assert isinstance(look, fal.Finished)
    assert not look.ok
    assert b"content_policy_violation" in look.body


async def test_an_unknown_or_expired_request_is_gone(gateway: FalGateway) -> None:
    unknown = fal.ProviderRequest("00000000-0000-4000-8000-000000000000")
    assert isinstance(await gateway.poll_result(ENDPOINT, unknown), fal.Gone)


async def test_the_key_is_sent_to_the_providers_own_host_only(gateway: FalGateway) -> None:
    elsewhere = fal.ProviderRequest(
        "r", "https://evil.example/status", "https://evil.example/r", "x"
    )
    assert isinstance(await gateway.poll_result(ENDPOINT, elsewhere), fal.Gone)


async def test_a_running_request_can_be_cancelled(gateway: FalGateway) -> None:
    taken = await submit(gateway)
    assert isinstance(taken, fal.SubmissionAccepted)
    answer = await gateway.cancel(ENDPOINT, taken)
    assert answer is not None
    assert answer.startswith("202")


def test_fals_client_alone_would_post_ten_times(simulated: Simulated) -> None:
    """Why the transport exists: the same lost reply, through the client as it comes."""
    simulated.fault("lost_reply", times=10)
    before = simulated.posts()
    program = (
        "import fal_client.client as c, asyncio\n"
        "c._get_retry_delay = lambda *a, **k: 0\n"
        f"asyncio.run(c.AsyncClient(key='id:secret').submit('{ENDPOINT}', {{}}))\n"
    )
    subprocess.run(
        [sys.executable, "-c", program],
        env={"FAL_QUEUE_RUN_HOST": simulated.host, "SSL_CERT_FILE": str(simulated.bundle)},
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert simulated.posts() == before + 10
