"""Log files: bounded while they are written, the last words kept."""

import os
import stat
from pathlib import Path

import pytest

from cli import log_files

LINE = b"a line of a service\n"


def test_what_is_written_on_and_on_stays_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_files, "BYTES_MAX", 1000)
    descriptor, _ = log_files.open_log(tmp_path, "api")
    for number in range(500):
        os.write(descriptor, b"%06d " % number + LINE)
        if number % 10 == 0:
            log_files.rotate(tmp_path, "api")
    os.close(descriptor)
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"api.log", "api.log.1"}
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 3000
    assert "000499" in (tmp_path / "api.log").read_text()
    assert "\x00" not in (tmp_path / "api.log").read_text()
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o600}


def test_the_last_words_are_those_of_the_last_start(tmp_path: Path) -> None:
    descriptor, _ = log_files.open_log(tmp_path, "broker")
    os.write(descriptor, b"an earlier start\n")
    os.close(descriptor)
    descriptor, start = log_files.open_log(tmp_path, "broker")
    assert log_files.last_words(tmp_path, "broker", start) == ""
    os.write(descriptor, b"".join(b"word %d\n\n" % number for number in range(20)))
    os.close(descriptor)
    words = log_files.last_words(tmp_path, "broker", start)
    assert words.splitlines() == [f"word {number}" for number in range(14, 20)]
