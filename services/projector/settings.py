"""Which environment variables the projector reads: the common ones."""

from adapters.settings import CommonSettings


class ProjectorSettings(CommonSettings, frozen=True, kw_only=True):
    """Nothing of its own."""
