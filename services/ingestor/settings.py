"""Which environment variables the ingestor reads, beside the common ones."""

from collections.abc import Iterator

from adapters.setting_types import Artifacts, Host, HostAndPort, Hosts, Port, Seconds, WebUrl
from adapters.settings import CommonSettings, hosts_of, is_loopback_host

FAL_MEDIA_HOSTS = "v3.fal.media,v3b.fal.media,fal.media"
POLLING_AFTER_SECONDS = 2.0


class IngestorSettings(CommonSettings, frozen=True, kw_only=True):
    """`ingestor_host` and `ingestor_port` are where webhooks are taken. `fal_queue_run_host` is
    read by fal's client.
    """

    ingestor_host: Host = "127.0.0.1"
    ingestor_port: Port = 8001
    fal_queue_run_host: HostAndPort = ""
    fal_jwks_url: WebUrl = "https://rest.fal.ai/.well-known/jwks.json"
    fal_user_id: str = ""
    fal_media_hosts: Hosts = FAL_MEDIA_HOSTS
    artifacts: Artifacts = "copy"
    reconcile_after_seconds: Seconds = 90.0
    reconcile_every_seconds: Seconds = 15.0

    @property
    def media_hosts(self) -> frozenset[str]:
        return hosts_of(self.fal_media_hosts)

    @property
    def look_after_seconds(self) -> float:
        """How long a result may take before the provider is asked; short without webhooks."""
        return self.reconcile_after_seconds if self.asks_for_webhooks else POLLING_AFTER_SECONDS

    @property
    def alarms(self) -> tuple[str, ...]:
        """What an operator should know of these settings, though they are no error."""
        if self.provider_name == "simulator" or not self.asks_for_webhooks or self.fal_user_id:
            return ()
        return ("FAL_USER_ID is not set: webhooks signed for any user of the provider pass",)

    def problems(self) -> Iterator[str]:
        yield from super().problems()
        if self.fal_webhooks == "unsigned" and not is_loopback_host(self.ingestor_host):
            yield "FAL_WEBHOOKS: unsigned only where INGESTOR_HOST is loopback"
