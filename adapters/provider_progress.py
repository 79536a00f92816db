"""What the provider says of a job under way: not recorded, so it is sent beside the log."""

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


async def send_progress(client: Client | None, report: ProgressReport) -> None:
    """Send the report to the api processes that listen right now."""
    if client is not None:
        await client.publish(PROGRESS, msgspec.json.encode(report))


class ProviderProgress:
    """The newest report of each job, for the JOBS_REMEMBERED_MAX jobs heard of last."""

    def __init__(self) -> None:
        self._heard: OrderedDict[JobId, ProgressReport] = OrderedDict()

    async def start(self, client: Client) -> None:
        await client.subscribe(PROGRESS, cb=self._hear)

    def of(self, job: JobId) -> ProgressReport | None:
        return self._heard.get(job)

    async def _hear(self, message: Msg) -> None:
        report = _decoder.decode(message.data)
        self._heard[report.job_id] = report
        self._heard.move_to_end(report.job_id)
        if len(self._heard) > JOBS_REMEMBERED_MAX:
            self._heard.popitem(last=False)
