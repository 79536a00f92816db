"""Which environment variables the dispatcher reads, beside the common ones."""

from adapters.setting_types import Count, HostAndPort, Hosts, Seconds, WebUrl
from adapters.settings import CommonSettings, hosts_of


class DispatcherSettings(CommonSettings, frozen=True, kw_only=True):
    """`fal_queue_run_host` is read by fal's client as well."""

    fal_queue_run_host: HostAndPort = ""
    fal_platform_url: WebUrl = ""
    submit_attempts_max: Count = 3
    submit_unknown_seconds: Seconds = 180.0
    submit_backoff_seconds_max: Seconds = 10.0
    provider_concurrency_max: Count = 1000
    job_deadline_seconds: Seconds = 900.0
    funnel_model: str = "google/gemini-2.5-flash"
    source_hosts_allowed: Hosts = ""
    webhook_hosts_allowed: Hosts = ""

    @property
    def webhooks_base(self) -> str | None:
        """Where webhooks are sent, None when results are polled instead."""
        return self.webhook_origin if self.asks_for_webhooks else None

    @property
    def source_hosts(self) -> frozenset[str]:
        """Private addresses that source pages may be read from all the same."""
        return hosts_of(self.source_hosts_allowed)

    @property
    def webhook_hosts(self) -> frozenset[str]:
        """Private addresses that deliveries may be sent to all the same."""
        return hosts_of(self.webhook_hosts_allowed)

    @property
    def platform_url(self) -> str:
        """Where the provider lists requests; unknown when its queue is elsewhere."""
        if self.fal_platform_url or self.fal_queue_run_host:
            return self.fal_platform_url.rstrip("/")
        return "https://api.fal.ai/v1"
