"""What processes cost: CPU seconds and memory, read from /proc."""

from pathlib import Path

from msgspec import Struct

from cli.readiness import cpu_seconds


class Cost(Struct, frozen=True):
    """`cpu_seconds` since each started; memory right now, in MB. PSS counts shared pages once."""

    cpu_seconds: float
    rss_megabytes: float
    pss_megabytes: float


def cost_of(pids: list[int]) -> Cost:
    return Cost(
        sum(cpu_seconds(pid) for pid in pids),
        sum(_kilobytes(pid, "smaps_rollup", "Rss:") for pid in pids) / 1024,
        sum(_kilobytes(pid, "smaps_rollup", "Pss:") for pid in pids) / 1024,
    )


def cpu_by_name(pids: dict[str, int]) -> dict[str, float]:
    return {name: cpu_seconds(pid) for name, pid in pids.items()}


def _kilobytes(pid: int, file: str, name: str) -> int:
    for line in Path(f"/proc/{pid}/{file}").read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1])
    return 0
