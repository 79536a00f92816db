"""Settings: one master key, however many processes start at the same moment."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from adapters.settings import BadSetting, CommonSettings

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


def test_wrong_clocks_are_refused_outside_an_embedded_world() -> None:
    wrong = CommonSettings(clock_skew_seconds="api=-60", nats_url="nats://broker:4222")
    with pytest.raises(BadSetting):
        wrong.skew_of("api")
    embedded = CommonSettings(
        clock_skew_seconds="api=-60", nats_url="nats://127.0.0.1:4222", provider="simulator"
    )
    assert (embedded.skew_of("api"), embedded.skew_of("ingestor")) == (-60, 0)
