"""Evidence: what the outside world said, committed unguarded since it is true in every state."""

from adapters.clock import fresh_commit_id, now
from adapters.event_log import EventLog, sequence_of
from contracts.commit import Commit
from contracts.events import EvidenceEvent
from contracts.subjects import Evidence, evidence_subject


async def record(log: EventLog, kind: Evidence, event: EvidenceEvent) -> None:
    """Commit it; raise LogUnavailable when the log did not acknowledge it."""
    commit = Commit(id=fresh_commit_id(), at=now(), events=(event,))
    sequence_of(await log.append(evidence_subject(kind), commit, after=None))
