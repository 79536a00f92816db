"""Recording: facts that no decision guards, since they are true in every state of the log."""

from application.clock import fresh_commit_id, now
from application.event_log import EventLog, require_stored
from contracts import events
from contracts.commit import Commit
from contracts.ids import CommitId
from contracts.subjects import OPERATOR, Subject, evidence_subject

_SUBJECTS: dict[type[events.Event], Subject] = {
    events.JobSubmitted: evidence_subject("submitted"),
    events.ResultReceived: evidence_subject("result"),
    events.CancellationAnswered: evidence_subject("cancellation"),
    events.ArtifactsRemoved: evidence_subject("removal"),
    events.NotificationSent: evidence_subject("notification"),
    events.NotificationFailed: evidence_subject("notification"),
    events.OperatorActed: OPERATOR,
}


async def record(
    log: EventLog,
    event: events.EvidenceEvent | events.OperatorActed,
    *,
    commit_id: CommitId | None = None,
    causation: CommitId | None = None,
) -> None:
    """Commit what the outside world said or an operator did; raise LogUnavailable when the log
    did not acknowledge it. Recorded again under one `commit_id`, it is in the log once.
    """
    commit = Commit(
        id=commit_id or fresh_commit_id(), at=now(), events=(event,), causation_id=causation
    )
    require_stored(await log.append(_SUBJECTS[type(event)], commit, after=None))
