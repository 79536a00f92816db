"""What the ingestor's handlers may ask for."""

import asyncio

import httpx
from msgspec import Struct, field
from nats.aio.client import Client

from adapters.attempt_tokens import AttemptTokens
from adapters.background import Background
from adapters.database import Database
from adapters.fal import FalGateway
from adapters.fresh_rows import FreshRows
from adapters.peers import Peers
from adapters.storage import Storage
from adapters.vault import Vault
from application.event_log import EventLog
from application.job_commands import JobCommandHandler
from contracts.ids import JobId
from services.ingestor.downloads import Staging
from services.ingestor.settings import IngestorSettings
from services.ingestor.signatures import Signatures


class Ingestor(Struct):
    """`active` are the jobs that this process is settling right now; `deliveries` the newest
    webhooks that were recorded or are being recorded, so that a repeat writes nothing.
    """

    settings: IngestorSettings
    log: EventLog
    database: Database
    rows: FreshRows
    peers: Peers
    storage: Storage
    vault: Vault
    jobs: JobCommandHandler
    gateway: FalGateway
    tokens: AttemptTokens
    signatures: Signatures
    media: httpx.AsyncClient
    artifact_key: bytes
    staging: Staging = field(default_factory=Staging)
    client: Client | None = None  # Sends progress reports; None: they are not sent.
    background: Background = field(default_factory=Background)
    listening: asyncio.Event = field(default_factory=asyncio.Event)  # For webhooks.
    active: set[JobId] = field(default_factory=set)
    deliveries: "dict[tuple[str, ...], asyncio.Task[None]]" = field(default_factory=dict)
