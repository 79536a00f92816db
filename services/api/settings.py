"""Which environment variables the api reads, beside the common ones."""

from collections.abc import Iterator

from adapters.setting_types import Bytes, Count, Hosts, Origins, Seconds, WaitSeconds, WebUrl
from adapters.settings import CommonSettings, hosts_of


class ApiSettings(CommonSettings, frozen=True, kw_only=True):
    """`ingestor_url` is where webhooks are relayed to; `up` sets it."""

    ingestor_url: WebUrl = ""
    create_wait_seconds: WaitSeconds = 1.0
    job_deadline_seconds: Seconds = 900.0
    account_requests_per_minute: Count = 600
    account_reads_per_minute: Count = 12_000
    account_jobs_in_flight_max: Count = 200
    log_max_bytes: Bytes = 20 * 1024**3
    log_reserve_bytes: Bytes = 512 * 1024**2
    cors_origins: Origins = ""
    webhook_hosts_allowed: Hosts = ""

    @property
    def webhook_hosts(self) -> frozenset[str]:
        """Private addresses that endpoints may have all the same."""
        return hosts_of(self.webhook_hosts_allowed)

    def problems(self) -> Iterator[str]:
        yield from super().problems()
        if self.log_reserve_bytes > self.log_max_bytes:
            yield "LOG_RESERVE_BYTES: must not be more than LOG_MAX_BYTES"
