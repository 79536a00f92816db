"""Which environment variables the ingestor reads, beside the common ones."""

from adapters.settings import LOOPBACK, BadSetting, CommonSettings, is_loopback

FAL_MEDIA_HOSTS = "v3.fal.media,v3b.fal.media,fal.media"
POLLING_AFTER_SECONDS = 2.0


class IngestorSettings(CommonSettings, frozen=True, kw_only=True):
    """`ingestor_host` and `ingestor_port` are where webhooks are taken."""

    ingestor_host: str = "127.0.0.1"
    ingestor_port: int = 8001
    site_url: str = ""
    webhook_base_url: str = ""
    fal_jwks_url: str = "https://rest.fal.ai/.well-known/jwks.json"
    fal_user_id: str = ""
    fal_media_hosts: str = FAL_MEDIA_HOSTS
    artifacts: str = "copy"
    reconcile_after_seconds: float = 90.0
    reconcile_every_seconds: float = 15.0

    @property
    def media_hosts(self) -> frozenset[str]:
        hosts = (host.strip() for host in self.fal_media_hosts.split(","))
        return frozenset(host for host in hosts if host)

    @property
    def look_after_seconds(self) -> float:
        """How long a result may take before the provider is asked; short without webhooks."""
        base = self.webhook_base_url or self.site_url
        loopback_only = not base or is_loopback(base)
        if self.fal_webhooks == "off" or (loopback_only and self.provider != "simulator"):
            return POLLING_AFTER_SECONDS
        return self.reconcile_after_seconds

    @property
    def alarms(self) -> tuple[str, ...]:
        """What an operator should know of these settings, though they are no error."""
        if self.provider_name == "simulator" or self.fal_webhooks != "signed" or self.fal_user_id:
            return ()
        return ("FAL_USER_ID is not set: webhooks signed for any user of the provider pass",)

    def check(self) -> None:
        if self.artifacts not in {"copy", "link"}:
            msg = "ARTIFACTS: must be copy or link"
            raise BadSetting(msg)
        site_is_loopback = not self.site_url or is_loopback(self.site_url)
        if self.fal_webhooks == "unsigned" and not (
            self.ingestor_host in LOOPBACK and site_is_loopback
        ):
            msg = "FAL_WEBHOOKS=unsigned: only where listener and SITE_URL are loopback"
            raise BadSetting(msg)
