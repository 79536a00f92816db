"""Settings of the ingestor that an operator is told about."""

import pytest

from services.ingestor.settings import IngestorSettings


def test_a_real_provider_without_its_user_id_raises_an_alarm() -> None:
    (alarm,) = IngestorSettings(fal_key="k", site_url="https://darkroom.example").alarms
    assert "FAL_USER_ID" in alarm


@pytest.mark.parametrize(
    "settings",
    [
        IngestorSettings(fal_key="k", fal_user_id="u", site_url="https://darkroom.example"),
        IngestorSettings(fal_key="k", fal_webhooks="off"),
        IngestorSettings(provider="simulator"),
    ],
)
def test_where_nobody_elses_signature_can_pass_there_is_no_alarm(
    settings: IngestorSettings,
) -> None:
    assert settings.alarms == ()
