"""Every event there is, and the union that decodes them."""

from contracts.events.account import (
    AccessTokenIssued,
    AccessTokenRevoked,
    AccountOpened,
    CreditsGranted,
    CreditsReserved,
    CreditsRevoked,
    EndpointRegistered,
    EndpointRemoved,
    EndpointSecretRotated,
    JobRequested,
    NotificationRequested,
    RequestedStep,
    RunRequested,
)
from contracts.events.base import Event
from contracts.events.evidence import (
    ArtifactsRemoved,
    CancellationAnswered,
    JobSubmitted,
    NotificationFailed,
    NotificationSent,
    ResultReceived,
)
from contracts.events.job import (
    Artifact,
    AttemptFailed,
    CreditsCharged,
    CreditsReleased,
    JobCancelled,
    JobCompleted,
    JobDeleted,
    JobFailed,
    SubmissionStarted,
)
from contracts.events.operator import OperatorActed
from contracts.events.run import (
    RunCancelled,
    RunCompleted,
    RunFailed,
    RunStepSettled,
    RunStepStarted,
)

AccountEvent = (
    AccountOpened
    | CreditsGranted
    | CreditsRevoked
    | CreditsReserved
    | JobRequested
    | RunRequested
    | AccessTokenIssued
    | AccessTokenRevoked
    | EndpointRegistered
    | EndpointSecretRotated
    | EndpointRemoved
    | NotificationRequested
)
JobEvent = (
    SubmissionStarted
    | AttemptFailed
    | JobCompleted
    | JobFailed
    | JobCancelled
    | JobDeleted
    | CreditsCharged
    | CreditsReleased
)
EvidenceEvent = (
    JobSubmitted
    | ResultReceived
    | CancellationAnswered
    | ArtifactsRemoved
    | NotificationSent
    | NotificationFailed
)
RunEvent = RunStepStarted | RunStepSettled | RunCompleted | RunFailed | RunCancelled
# Of these each job, and each run, has exactly one.
JOB_ENDS = (JobCompleted, JobFailed, JobCancelled)
RUN_ENDS = (RunCompleted, RunFailed, RunCancelled)

AnyEvent = AccountEvent | JobEvent | RunEvent | EvidenceEvent | OperatorActed

__all__ = [
    "JOB_ENDS",
    "RUN_ENDS",
    "AccessTokenIssued",
    "AccessTokenRevoked",
    "AccountEvent",
    "AccountOpened",
    "AnyEvent",
    "Artifact",
    "ArtifactsRemoved",
    "AttemptFailed",
    "CancellationAnswered",
    "CreditsCharged",
    "CreditsGranted",
    "CreditsReleased",
    "CreditsReserved",
    "CreditsRevoked",
    "EndpointRegistered",
    "EndpointRemoved",
    "EndpointSecretRotated",
    "Event",
    "EvidenceEvent",
    "JobCancelled",
    "JobCompleted",
    "JobDeleted",
    "JobEvent",
    "JobFailed",
    "JobRequested",
    "JobSubmitted",
    "NotificationFailed",
    "NotificationRequested",
    "NotificationSent",
    "OperatorActed",
    "RequestedStep",
    "ResultReceived",
    "RunCancelled",
    "RunCompleted",
    "RunEvent",
    "RunFailed",
    "RunRequested",
    "RunStepSettled",
    "RunStepStarted",
    "SubmissionStarted",
]
