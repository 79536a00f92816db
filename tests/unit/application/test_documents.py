"""Documents that the api and the command line share: an event with its request, nothing opened."""

from application.documents import SEALED, event_document, event_documents
from contracts.commit import Commit, CommitRequest, Recorded
from contracts.ids import CommitId
from contracts.subjects import account_subject
from tests.support import examples
from tests.support.examples import ACCOUNT, a_job_id, at


def test_an_event_is_shown_with_its_own_request_and_sealed() -> None:
    first, second = a_job_id(), a_job_id()
    commit = Commit(
        id=CommitId("c"),
        at=at(1.5),
        events=(examples.requested(first), examples.requested(second), examples.reserved(first)),
        requests=(
            CommitRequest(actor="token:a", correlation_id="one", events=(0,)),
            CommitRequest(actor="token:b", correlation_id="two", events=(1,)),
        ),
        causation_id=CommitId("before"),
    )
    recorded = Recorded(7, account_subject(ACCOUNT), commit)
    document = event_documents(recorded)[1]
    body = document.pop("body")
    assert document == {
        "sequence": 7,
        "index": 1,
        "type": "JobRequested",
        "at": "2026-01-01T00:00:01.500Z",
        "boundary": "account",
        "id": ACCOUNT,
        "account": ACCOUNT,
        "actor": "token:b",
        "correlation_id": "two",
        "causation_id": "before",
    }
    assert (body["job_id"], body["input"]) == (second, SEALED)
    unasked = event_document(recorded, 2)
    assert (unasked.actor, unasked.correlation_id) == ("darkroom", None)
