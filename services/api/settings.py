"""Which environment variables the api reads, beside the common ones."""

from adapters.settings import LOOPBACK, BadSetting, CommonSettings, is_loopback


class ApiSettings(CommonSettings, frozen=True, kw_only=True):
    """`ingestor_url` is where webhooks are relayed to; `up` sets it."""

    darkroom_host: str = "127.0.0.1"
    darkroom_port: int = 8000
    site_url: str = ""
    ingestor_url: str = ""
    create_wait_seconds: float = 1.0
    job_deadline_seconds: float = 900.0
    account_requests_per_minute: int = 600
    account_reads_per_minute: int = 12_000
    account_jobs_in_flight_max: int = 200
    log_max_bytes: int = 20 * 1024**3
    log_reserve_bytes: int = 512 * 1024**2
    cors_origins: str = ""

    @property
    def origin(self) -> str:
        """The public origin, without a slash at the end."""
        return (self.site_url or f"http://{self.darkroom_host}:{self.darkroom_port}").rstrip("/")

    def check(self) -> None:
        if self.site_url.startswith("http://") and not is_loopback(self.site_url):
            msg = "SITE_URL: must be https for a host that is not loopback"
            raise BadSetting(msg)
        loopback_only = self.darkroom_host in LOOPBACK and is_loopback(self.origin)
        if self.fal_webhooks == "unsigned" and not loopback_only:
            msg = "FAL_WEBHOOKS=unsigned: only with DARKROOM_HOST and SITE_URL on loopback"
            raise BadSetting(msg)
