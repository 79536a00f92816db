"""What a watch has told already, so that it tells nothing twice and forgets nothing."""

from collections import OrderedDict
from datetime import datetime

import msgspec
from msgspec import Struct, structs

from darkroom_client.models import Credits, Gone, Job, Resync, Run

KNOWN_MAX = 10_000
READ_AGAIN_MAX = 500
ENDS = {"completed", "failed", "cancelled"}
# These change with the time alone.
VOLATILE = ("as_of", "eta_seconds")
OF_ACCOUNT = "credits"

AnyDocument = Job | Run | Credits | Gone | Resync


class _Told(Struct, frozen=True):
    digest: int
    is_run: bool
    is_open: bool
    updated_at: datetime | None

    def is_older_than(self, other: "_Told") -> bool:
        """Another process of the server may be behind. What is open is older than an end, whatever
        the clocks say.
        """
        if self.updated_at is None or other.updated_at is None:
            return False
        if self.is_open != other.is_open:
            return self.is_open
        return self.updated_at < other.updated_at


class Known:
    """The last states that were told, of the newest `KNOWN_MAX` jobs and runs."""

    def __init__(self) -> None:
        self._told: OrderedDict[str, _Told] = OrderedDict()

    def is_news(self, document: AnyDocument) -> bool:
        """Whether the document differs from what was told; from now on it is what was told."""
        if isinstance(document, Gone):
            return self._told.pop(document.id, None) is not None
        if isinstance(document, Resync):
            self._forget_times()
            documents: list[AnyDocument] = [*document.jobs, *document.runs, document.credits]
            for each in documents:
                self.is_news(each)
            return True
        name = OF_ACCOUNT if isinstance(document, Credits) else document.id
        is_open = not isinstance(document, Credits) and document.status not in ENDS
        told = _Told(
            _digest(document),
            isinstance(document, Run),
            is_open,
            document.updated_at if isinstance(document, Job) else None,
        )
        before = self._told.get(name)
        if before is not None and told.is_older_than(before):
            return False
        self._told[name] = told
        self._told.move_to_end(name)
        if len(self._told) > KNOWN_MAX:
            self._told.popitem(last=False)
        return before is None or before.digest != told.digest

    def __contains__(self, name: str) -> bool:
        return name in self._told

    def _forget_times(self) -> None:
        """A server that was restored from a copy goes back in time."""
        for name, each in self._told.items():
            self._told[name] = structs.replace(each, updated_at=None)

    def open_ones(self, *, runs: bool) -> list[str]:
        return [name for name, each in self._told.items() if each.is_open and each.is_run is runs]

    def absent_from(self, resync: Resync) -> tuple[list[str], list[str]]:
        """Return the jobs and the runs, the newest of them, of which a resync says nothing: they
        have ended or are gone.
        """
        present = {each.id for each in resync.jobs} | {each.id for each in resync.runs}
        told = [name for name in self._told if name != OF_ACCOUNT]
        absent = [name for name in told if name not in present][-READ_AGAIN_MAX:]
        jobs = [name for name in absent if not self._told[name].is_run]
        return jobs, [name for name in absent if self._told[name].is_run]


def _digest(document: Struct) -> int:
    fields = structs.asdict(document)
    for name in VOLATILE:
        fields.pop(name, None)
    return hash(msgspec.json.encode(fields))
