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
    RunRequested,
)
from contracts.events.account import RequestedStep as RequestedStep
from contracts.events.base import Event as Event
from contracts.events.evidence import (
    ArtifactsRemoved,
    CancellationAnswered,
    JobSubmitted,
    NotificationFailed,
    NotificationSent,
    ResultReceived,
)
from contracts.events.job import Artifact as Artifact
from contracts.events.job import (
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
