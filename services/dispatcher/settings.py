"""Which environment variables the dispatcher reads, beside the common ones."""

from adapters.settings import CommonSettings, is_loopback


class DispatcherSettings(CommonSettings, frozen=True, kw_only=True):
    """`webhook_base_url` is where the provider reaches us."""

    site_url: str = ""
    webhook_base_url: str = ""
    fal_queue_run_host: str = ""
    fal_platform_url: str = ""
    submit_attempts_max: int = 3
    submit_unknown_seconds: float = 180.0
    submit_backoff_seconds_max: float = 10.0
    provider_concurrency_max: int = 1000
    job_deadline_seconds: float = 900.0
    funnel_model: str = "google/gemini-2.5-flash"

    @property
    def webhooks_base(self) -> str | None:
        """Where webhooks are sent, None when results are polled instead.

        A real provider cannot reach a loopback address, and drops such URLs unasked.
        """
        base = (self.webhook_base_url or self.site_url).rstrip("/")
        if not base or self.fal_webhooks == "off":
            return None
        if is_loopback(base) and self.provider != "simulator":
            return None
        return base

    @property
    def platform_url(self) -> str:
        """Where the provider lists requests; unknown when its queue is elsewhere."""
        if self.fal_platform_url or self.fal_queue_run_host:
            return self.fal_platform_url.rstrip("/")
        return "https://api.fal.ai/v1"
