"""The embedded world's log: how large it may grow."""

from cli.running import fitting


def test_a_log_is_full_before_its_disk_is() -> None:
    assert fitting(20_000, free_bytes=1_000_000) == 20_000
    assert fitting(20_000, free_bytes=10_000) == 5_000
    assert fitting(0, free_bytes=10_000) == 5_000
