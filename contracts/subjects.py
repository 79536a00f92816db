"""Subjects: the only place where an id becomes part of a broker subject."""

from typing import Literal, NewType

from contracts.ids import AccountId, JobId, RunId, checked

Subject = NewType("Subject", str)

STREAM = "LOG"
ALL = "log.>"
KEY_BUCKET = "keys"
TICKET_BUCKET = "tickets"
SEALING_BUCKET = "endpoint_seals"
CLAIM_BUCKET = "claims"
DEAD_LETTER_STREAM = "DEAD_LETTERS"
CHANGES = "live.changes"
USAGE = "live.usage"
PROGRESS = "live.progress"

ACCOUNTS = "log.account.*"
RESULTS = "log.evidence.result"
OPERATOR = Subject("log.operator")

Evidence = Literal["submitted", "result", "cancellation", "removal", "notification"]


def account_subject(account: AccountId) -> Subject:
    return Subject(f"log.account.{checked(account)}")


def job_subject(job: JobId) -> Subject:
    return Subject(f"log.job.{checked(job)}")


def run_subject(run: RunId) -> Subject:
    return Subject(f"log.run.{checked(run)}")


def evidence_subject(kind: Evidence) -> Subject:
    return Subject(f"log.evidence.{kind}")


def dead_letter_subject(durable: str) -> str:
    """Where commits go that the handler of a durable consumer failed on."""
    return f"dead_letter.{checked(durable)}"


def replay_subject(durable: str) -> str:
    """Where an operator asks a service to handle a dead letter once more."""
    return f"live.replay.{checked(durable)}"


def ticket_holder_subject(process: str) -> str:
    """Where an api process is asked which of its tickets' streams are open."""
    return f"live.tickets.{checked(process)}"


def boundary_of(subject: str) -> tuple[str, str]:
    """Split a log subject into its boundary and id: `log.job.X` is `("job", "X")`."""
    _, boundary, *rest = subject.split(".")
    return boundary, rest[0] if rest else ""
