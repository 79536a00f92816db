"""An ingestor over a log, a store and rows in memory, and a media host that serves pictures."""

import io
from typing import Any

import httpx
import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from PIL import Image
from sqlalchemy import Connection

import read_models
from adapters.attempt_tokens import AttemptTokens
from adapters.changes import Changes
from adapters.fresh_rows import FreshRows
from adapters.peers import Peers
from adapters.vault import Vault
from application.event_log import require_stored
from application.job_commands import JobCommandHandler
from contracts.commit import Recorded
from contracts.events import AnyEvent, ResultReceived
from contracts.events.evidence import Verdict
from contracts.ids import AccountId, JobId
from contracts.subjects import Subject, account_subject, evidence_subject, job_subject
from domain.job import StartSubmission
from read_models import positions
from services.ingestor.dependencies import Ingestor
from services.ingestor.settings import IngestorSettings
from services.ingestor.signatures import Signatures
from simulator.webhooks import Webhooks
from tests.support.examples import ACCOUNT, SEALED, a_job_id, commit, received, requested, reserved
from tests.support.memory import MemoryDatabase, MemoryKeyStore, MemoryStorage
from tests.support.memory_log import MemoryLog

MASTER_KEY = bytes(range(32))


def picture(colour: str) -> bytes:
    body = io.BytesIO()
    Image.new("RGB", (4, 4), colour).save(body, "PNG")
    return body.getvalue()


async def media_host(scope: Any, receive: Any, send: Any) -> None:
    """Serve a picture of the colour that the path names."""
    del receive
    body = picture(scope["path"].strip("/"))
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})


class IngestingWorld:
    def __init__(self, **settings: Any) -> None:
        self.log = MemoryLog()
        self.database = MemoryDatabase()
        self.database.now(lambda connection: positions.create(connection, "memory"))
        self.storage = MemoryStorage()
        self.keys = MemoryKeyStore()
        self.vault = Vault(MASTER_KEY, self.keys, self.storage)
        self._projected = 0
        nothing: Any = None
        self.provider = Webhooks(Ed25519PrivateKey.generate())
        self.tokens = AttemptTokens(MASTER_KEY)
        peers, changes = Peers("ingestor", None), Changes(self._position)
        self.ingestor = Ingestor(
            settings=IngestorSettings(
                provider="simulator", fal_media_hosts="media.example", **settings
            ),
            log=self.log,
            database=self.database,
            rows=FreshRows(self.log, changes, self.database, positions.read, peers),
            peers=peers,
            storage=self.storage,
            vault=self.vault,
            jobs=JobCommandHandler(self.log),
            gateway=nothing,
            tokens=self.tokens,
            signatures=Signatures(
                "https://provider.example/jwks.json",
                "",
                httpx.AsyncClient(transport=httpx.ASGITransport(self._key_server)),
            ),
            media=httpx.AsyncClient(transport=httpx.ASGITransport(media_host)),
            artifact_key=MASTER_KEY,
        )

    async def _position(self) -> int:
        return self.database.now(positions.read)

    async def _key_server(self, scope: Any, receive: Any, send: Any) -> None:
        del scope, receive
        body = msgspec.json.encode(self.provider.key_set())
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body})

    async def add(self, subject: Subject, *events: AnyEvent) -> Recorded:
        sequence = require_stored(await self.log.append(subject, commit(*events), after=None))
        found = await self.log.read(sequence or 0)
        assert found is not None
        return found

    def project(self) -> None:
        """Bring the rows up to the log's end."""
        entries = [each.recorded() for each in self.log.entries()[self._projected :]]
        before, self._projected = self._projected, self._projected + len(entries)

        def work(connection: Connection) -> None:
            positions.advance(connection, before, self._projected)
            read_models.apply(connection, entries)

        self.database.now(work)

    async def job(self, account: AccountId = ACCOUNT) -> JobId:
        """Request a job and start its first attempt."""
        job = a_job_id()
        first = await self.add(
            account_subject(account), reserved(job, account), requested(job, account)
        )
        loaded = await self.ingestor.jobs.load(job, first.sequence)
        assert loaded is not None
        start = StartSubmission(provider="simulator", endpoint="e", arguments=SEALED)
        await self.ingestor.jobs.decide(loaded, start)
        return job

    async def result(
        self, job: JobId, payload: Any, account: AccountId = ACCOUNT
    ) -> ResultReceived:
        """Return the evidence of a result, recorded."""
        fields = {"request_id": "request-1", "status": "OK", "payload": payload}
        sealed = await self.vault.seal(account, msgspec.json.encode(fields))
        event = msgspec.structs.replace(
            received(job, account=account), body=sealed, verdict=Verdict.OK
        )
        await self.add(evidence_subject("result"), event)
        return event

    async def end_of(self, job: JobId) -> list[AnyEvent]:
        last = await self.log.last(job_subject(job))
        assert last is not None
        return list(last.commit.events)
