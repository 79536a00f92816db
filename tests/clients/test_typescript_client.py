"""The TypeScript client against a real world: Node runs its tests."""

import json
from datetime import UTC, datetime

import pytest

from services.dispatcher.handlers.notify_customers import _signatures
from tests.support.node import CLIENT, node, set_up
from tests.support.worlds import RunningWorld

TESTS = CLIENT / "tests"
SECRET, BEFORE = "whsec_bmV3IHNlY3JldCBvZiB0aGUgZW5kcG9pbnQ=", "whsec_b2xkIHNlY3JldCBvZiBpdA=="


@pytest.fixture(scope="session", autouse=True)
def _modules() -> None:
    set_up()


def passes(*tests: str, environment: dict[str, str]) -> None:
    """Run test files with Node's own runner."""
    files = [str(TESTS / f"{name}.test.ts") for name in tests]
    done = node("--test", "--test-reporter=spec", *files, more=environment)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]


def environment_of(world: RunningWorld) -> dict[str, str]:
    return {
        "DARKROOM_URL": world.url,
        "DARKROOM_TOKEN": world.world.tokens["user"],
        "DARKROOM_OPERATOR_TOKEN": world.world.tokens["operator"],
        "SIMULATOR_URL": f"https://{world.world.simulator_host}",
        "NODE_EXTRA_CA_CERTS": str(world.world.ca_bundle),
    }


@pytest.mark.parametrize("name", ["calls", "watching"])
@pytest.mark.usefixtures("client")
def test_it_works_with_a_real_world(world: RunningWorld, name: str) -> None:
    passes(name, environment=environment_of(world))


def test_it_follows_a_server_that_fails_lags_and_forgets() -> None:
    passes("following", environment={})


def test_it_reads_frames_and_believes_only_our_webhooks() -> None:
    body = b'{"type":"job.completed","timestamp":"2026-01-01T00:00:00Z","data":{"text":"\xc3\xa4"}}'
    at = datetime.now(UTC)
    headers = {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": _signatures([SECRET, BEFORE], "msg_1", at, body),
    }
    delivery = {"body": body.decode(), "headers": headers, "secret": SECRET, "before": BEFORE}
    passes("frames", "webhooks", environment={"DELIVERY": json.dumps(delivery)})
