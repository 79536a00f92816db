"""The environment variables that the simulator reads; `up` sets its port and its folder."""

from typing import Annotated, Literal

from msgspec import Meta

from adapters.setting_types import Folder, Port
from adapters.settings import Settings


class SimulatorSettings(Settings, frozen=True, kw_only=True):
    simulator_port: Port = 8443
    simulator_seconds: Annotated[float, Meta(ge=0, le=3600)] = 5.0  # For one picture or text.
    simulator_dir: Folder = ".darkroom/simulator"
    simulator_journal: Literal["on", "off"] = "on"
