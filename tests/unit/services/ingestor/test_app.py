"""The ingestor's health: it takes nothing in before its listener does."""

from typing import Any, cast

from services.ingestor.app import health_of
from tests.support.ingesting import IngestingWorld


class Connected:
    is_connected = True
    trouble = ""


async def test_it_consumes_only_once_it_listens_for_webhooks() -> None:
    ingestor = IngestingWorld().ingestor
    ingestor.client = cast("Any", Connected())
    assert not health_of(ingestor, cast("Any", Connected())).consuming
    ingestor.listening.set()
    assert health_of(ingestor, cast("Any", Connected())).consuming
