"""What was written under an older rule of text projects for ever, on both databases."""

import copy
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from secrets import randbelow
from typing import Any

import pytest

import read_models
from adapters.database import Database, open_database
from application.event_log import LogMessage
from contracts.codec import Undecodable
from contracts.commit import Recorded
from contracts.subjects import Subject
from read_models import positions
from read_models.tables import METADATA

HISTORY = sorted((Path(__file__).parents[1] / "history").glob("*.json"))
ENDINGS = ("\x00", "\x01", "\x7f", "\x85", "\n", "\u2028", "\ufffe", "\u202e")


@pytest.fixture(params=["sqlite", "postgresql"])
async def database(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Database]:
    url = f"sqlite:///{tmp_path}/read-models.sqlite3"
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres")
    opened = open_database(url, read_only=False)
    await opened.write(METADATA.drop_all)
    await opened.write(positions.create, "epoch")
    yield opened
    await opened.close()


def variants(value: Any, ending: str) -> Iterator[Any]:
    """Yield the document once for each of its texts, with that one changed."""
    match value:
        case str():
            yield value + ending
        case dict():
            for name in value:
                for other in variants(value[name], ending):
                    yield copy.copy(value) | {name: other}
        case list():
            for index, each in enumerate(value):
                for other in variants(each, ending):
                    yield [*value[:index], other, *value[index + 1 :]]


@pytest.mark.parametrize("ending", ENDINGS, ids=lambda ending: ascii(ending)[:12])
async def test_any_text_in_any_event_projects(database: Database, ending: str) -> None:
    projected = 0
    for path in HISTORY:
        for variant in variants(json.loads(path.read_bytes()), ending):
            projected += await _project(database, json.dumps(variant))
    assert projected > 3 * len(HISTORY)


async def test_a_key_that_no_index_takes_projects(database: Database) -> None:
    """Compressed it would still fit: it has to be noise."""
    long = "".join(chr(0x4E00 + randbelow(0x5000)) for _ in range(2000))
    for name, tag in (
        ("idempotency_key", "credits.granted.v1"),
        ("request_id", "job.submitted.v1"),
    ):
        body = (HISTORY[0].parent / f"{tag}.json").read_text()
        assert f'"{name}":"' in body
        assert await _project(database, body.replace(f'"{name}":"', f'"{name}":"{long}'))


async def _project(database: Database, body: str) -> bool:
    recorded = _recorded(body.encode())
    if recorded is not None:
        await database.write(read_models.apply, [recorded])
    return recorded is not None


def _recorded(body: bytes) -> Recorded | None:
    """Return None for a name that no version ever wrote: of a type, a time, a sealed value."""
    try:
        return LogMessage(7, Subject("log.account.demo"), body).recorded()
    except Undecodable:
        return None
