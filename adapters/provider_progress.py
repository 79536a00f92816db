"""What the provider tells of a job under way: no fact, so it travels beside the log."""

from collections import OrderedDict

import msgspec
from msgspec import Struct
from nats.aio.client import Client
from nats.aio.msg import Msg

from contracts.ids import JobId
from contracts.subjects import PROGRESS

JOBS_REMEMBERED_MAX = 10_000


class ProgressReport(Struct, frozen=True):
    """`queue_position` counts the requests ahead, None when it is not waiting there."""

    job_id: JobId
    queue_position: int | None = None
    lines: tuple[str, ...] = ()


_decoder = msgspec.json.Decoder(ProgressReport)


async def tell(client: Client | None, told: ProgressReport) -> None:
    """Tell the api processes; whoever does not listen right now does not learn it."""
    if client is not None:
        await client.publish(PROGRESS, msgspec.json.encode(told))


class ProviderProgress:
    """The newest that was heard of each job, for so many jobs."""

    def __init__(self) -> None:
        self._heard: OrderedDict[JobId, ProgressReport] = OrderedDict()

    async def start(self, client: Client) -> None:
        await client.subscribe(PROGRESS, cb=self._hear)

    def of(self, job: JobId) -> ProgressReport | None:
        return self._heard.get(job)

    async def _hear(self, message: Msg) -> None:
        told = _decoder.decode(message.data)
        self._heard[told.job_id] = told
        self._heard.move_to_end(told.job_id)
        if len(self._heard) > JOBS_REMEMBERED_MAX:
            self._heard.popitem(last=False)
