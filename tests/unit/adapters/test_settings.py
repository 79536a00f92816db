"""Settings: checked whole at the start; one master key, however many processes start at once."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from adapters.setting_names import DESCRIPTIONS, SERVICE_NAMES
from adapters.settings import BadSetting, CommonSettings, Settings, load, masked
from services.api.settings import ApiSettings
from services.dispatcher.settings import DispatcherSettings
from services.ingestor.settings import IngestorSettings
from services.projector.settings import ProjectorSettings
from simulator.settings import SimulatorSettings

STARTS = 24


def test_many_first_starts_at_once_make_one_master_key(tmp_path: Path) -> None:
    settings = CommonSettings(darkroom_data_dir=str(tmp_path))
    with ThreadPoolExecutor(STARTS) as pool:
        keys = set(pool.map(lambda _: settings.master_key(), range(STARTS)))
    assert len(keys) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["master.key"]
    assert (tmp_path / "master.key").stat().st_mode & 0o777 == 0o600


def test_a_master_key_of_the_wrong_form_is_a_bad_setting() -> None:
    with pytest.raises(BadSetting):
        CommonSettings(darkroom_master_key="short").master_key()


WRONG = {
    "JOB_DEADLINE_SECONDS": "-5",
    "SUBMIT_ATTEMPTS_MAX": "nan",
    "SUBMIT_UNKNOWN_SECONDS": "nan",
    "SITE_URL": "example.com",
    "LOG_LEVEL": "chatty",
    "LOG_FORMAT": "xml",
    "PROVIDER": "falai",
    "DARKROOM_PORT": "99999",
    "NATS_URL": "127.0.0.1:4222",
    "DATABASE_URL": "postgres://darkroom",
    "STORAGE_URL": "/var/storage",
    "FAL_WEBHOOKS": "yes",
    "SOURCE_HOSTS_ALLOWED": "https://wiki.example/",
    "WEBHOOK_HOSTS_ALLOWED": "http://127.0.0.1:9999",
    "DARKROOM_MASTER_KEY": "short",
    "FUNNEL_MODEL": "",
}
EVERY_KIND = (ApiSettings, DispatcherSettings, IngestorSettings, SimulatorSettings)


def complaints(environment: dict[str, str], *kinds: type[Settings]) -> set[str]:
    found: set[str] = set()
    for kind in kinds:
        try:
            load(kind, environment)
        except BadSetting as error:
            found |= {line.partition(":")[0] for line in str(error).splitlines()}
    return found


def test_all_wrong_values_are_told_at_once_and_by_name() -> None:
    assert complaints(WRONG, *EVERY_KIND) == WRONG.keys() - {"FUNNEL_MODEL"}


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("FAL_WEBHOKS", "FAL_WEBHOOKS"),
        ("DARKROOM_DATADIR", "DARKROOM_DATA_DIR"),
        ("SUBMIT_ATEMPTS_MAX", "SUBMIT_ATTEMPTS_MAX"),
        ("DATABSE_URL", "DATABASE_URL"),
        ("JOB_DEADLINE_SECOND", "JOB_DEADLINE_SECONDS"),
    ],
)
def test_a_misspelt_name_is_told_with_what_was_meant(name: str, meant: str) -> None:
    with pytest.raises(BadSetting, match=f"{name} is not a setting: did you mean {meant}\\?"):
        load(CommonSettings, {name: "1"})


def test_what_is_no_business_of_ours_is_left_alone() -> None:
    others = ("PATH", "HOME", "EDITOR", "LOG_DIR", "JOB_NAME", "AWS_ACCESS_KEY", "ACCOUNT_ID")
    assert load(CommonSettings, dict.fromkeys(others, "x")) == CommonSettings()


def test_every_setting_is_described() -> None:
    kinds = (*EVERY_KIND, ProjectorSettings)
    fields = {field.upper() for kind in kinds for field in kind.__struct_fields__}
    assert fields == SERVICE_NAMES
    assert all(DESCRIPTIONS.values())


def test_webhooks_and_source_pages_are_allowed_apart() -> None:
    settings = load(
        DispatcherSettings,
        {"SOURCE_HOSTS_ALLOWED": "Wiki.internal", "WEBHOOK_HOSTS_ALLOWED": " 127.0.0.1:9999 ,"},
    )
    assert settings.source_hosts == {"wiki.internal"}
    assert settings.webhook_hosts == {"127.0.0.1:9999"}


def test_words_are_of_any_case() -> None:
    assert load(CommonSettings, {"LOG_LEVEL": "INFO"}).log_level == "info"


def test_a_host_that_is_not_loopback_needs_an_origin_that_is_said_and_safe() -> None:
    for host in ("0.0.0.0", "::", "192.168.1.5"):
        assert complaints({"DARKROOM_HOST": host}, CommonSettings) == {"SITE_URL"}
        public = {"DARKROOM_HOST": host, "SITE_URL": "https://darkroom.example"}
        assert not complaints(public, CommonSettings)
    for host in ("127.0.0.1", "127.0.0.2", "::1", "localhost"):
        assert not complaints({"DARKROOM_HOST": host}, CommonSettings)
    assert complaints({"SITE_URL": "http://darkroom.example"}, CommonSettings) == {"SITE_URL"}


LOOPBACK = "http://127.0.0.2:8000"
PUBLIC = "https://darkroom.example"


@pytest.mark.parametrize(
    ("said", "base", "provider", "base_sent"),
    [
        ("", LOOPBACK, "fal", None),
        ("auto", "http://[::1]:8000", "fal", None),
        ("auto", LOOPBACK, "simulator", LOOPBACK),
        ("auto", PUBLIC, "fal", PUBLIC),
        ("signed", LOOPBACK, "fal", LOOPBACK),
        ("signed", "", "fal", "http://127.0.0.1:8000"),
        ("off", PUBLIC, "fal", None),
        ("off", LOOPBACK, "simulator", None),
        ("unsigned", LOOPBACK, "fal", None),
        ("unsigned", LOOPBACK, "simulator", LOOPBACK),
    ],
)
def test_webhooks_are_asked_for_where_the_provider_can_reach_us_or_as_it_is_said(
    said: str, base: str, provider: str, base_sent: str | None
) -> None:
    environment = {"FAL_WEBHOOKS": said, "WEBHOOK_BASE_URL": base, "PROVIDER": provider}
    assert load(DispatcherSettings, environment).webhooks_base == base_sent
    patience = load(IngestorSettings, environment).look_after_seconds
    assert patience == (90.0 if base_sent else 2.0)


def test_unsigned_webhooks_are_refused_unless_everything_is_loopback() -> None:
    for more in ({"SITE_URL": PUBLIC}, {"DARKROOM_HOST": "0.0.0.0", "SITE_URL": PUBLIC}):
        assert complaints({"FAL_WEBHOOKS": "unsigned", **more}, CommonSettings) == {"FAL_WEBHOOKS"}
    listener = {"FAL_WEBHOOKS": "unsigned", "INGESTOR_HOST": "0.0.0.0"}
    assert complaints(listener, IngestorSettings) == {"FAL_WEBHOOKS"}


def test_a_password_in_a_url_is_masked() -> None:
    two = "nats://user:secret@one:4222,nats://user:secret@two:4222"
    assert masked(two) == "nats://***@one:4222,nats://***@two:4222"
