"""What is sent and answered. Written by `make docs` from the OpenAPI document."""

from datetime import datetime
from typing import Any, Literal

from msgspec import Struct, field


class Document(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What all of the below are. Fields that a newer server adds are passed over."""


class QueuedCharacter(Document, frozen=True, kw_only=True):
    """`task_id` is the id of the job that draws the portrait."""

    character_id: str
    task_id: str
    status: Literal["queued"]
    as_of: str


class CharacterMetadata(Document, frozen=True, kw_only=True):
    """How a portrait was made, as far as that is known. `request_id` is the provider's."""

    provider: str
    request_id: str
    attempt: int
    width: int | None
    height: int | None
    bytes: int | None
    sha256: str | None


class Character(Document, frozen=True, kw_only=True):
    """How the newest portrait of a character is doing; `error` says why it failed."""

    character_id: str
    status: Literal["completed", "failed", "generating", "pending"]
    task_id: str
    image_url: str | None
    metadata: CharacterMetadata | None
    error: str | None


class Credits(Document, frozen=True, kw_only=True):
    """An account's credits: those that it can spend, those held for open jobs, and all that
    were ever spent, granted and revoked.
    """

    available: int
    held: int
    spent: int
    granted: int
    revoked: int
    as_of: str


class Entry(Document, frozen=True, kw_only=True):
    """One move of credits, and what the account had afterwards."""

    sequence: int
    at: datetime
    move: Literal["charged", "granted", "released", "reserved", "revoked"]
    amount: int
    job_id: str | None
    actor: str | None
    reason: str | None
    available_after: int
    held_after: int


class EntryPage(Document, frozen=True, kw_only=True):
    """Some entries, newest first; `next` is the cursor of the next page, or null."""

    items: list[Entry]
    next: str | None


class RunStarted(Document, frozen=True, kw_only=True):
    """The new run of a project."""

    run_id: str = field(name="runId")
    project_id: str = field(name="projectId")
    as_of: str


JsonObject = dict[str, Any]


Json = bool | float | str | JsonObject | list[bool | None] | None


class Content(Document, frozen=True, kw_only=True):
    """The text that a step wrote."""

    step: int
    step_name: str = field(name="stepName")
    content: str
    completed_at: datetime | None = field(name="completedAt")


class FailedStep(Document, frozen=True, kw_only=True):
    """A step that failed, and why."""

    step: int
    error: str


class StepProgress(Document, frozen=True, kw_only=True):
    """How far one step is. A cancelled one is shown as failed."""

    step: int
    step_name: str = field(name="stepName")
    status: Literal["completed", "failed", "in_progress", "pending"]
    error: str | None = None
    completed_at: datetime | None = field(name="completedAt", default=None)


class GenerationStatus(Document, frozen=True, kw_only=True):
    """How far the newest run of a project is. `progress` has its steps in their order."""

    is_generating: bool = field(name="isGenerating")
    current_step: int | None = field(name="currentStep")
    completed_steps: list[int] = field(name="completedSteps")
    failed_steps: list[FailedStep] = field(name="failedSteps")
    progress: list[StepProgress]
    started_at: datetime | None = field(name="startedAt")


class ItemResult(Document, frozen=True, kw_only=True):
    """What became of one id. `code` says why it was refused, `retried_as` names the new job; in
    a ZIP file's own list, `no_file` and `unavailable` say why its file is not there.
    """

    id: str
    status: Literal[
        "cancelled", "deleted", "included", "no_file", "pending", "refused", "unavailable"
    ]
    code: str | None = None
    retried_as: str | None = None


class BulkResults(Document, frozen=True, kw_only=True):
    """What became of each id, in the order in which they were given."""

    results: list[ItemResult]
    as_of: str


class CreatedInfograph(Document, frozen=True, kw_only=True):
    """`request_id` is the provider's, and null until it has the job. `status_url` is ours."""

    id: str
    request_id: str | None
    status: Literal["failed", "pending", "processing"]
    status_url: str


class CreatedInfographs(Document, frozen=True, kw_only=True):
    """The new infographs; `credits_used` were reserved for them."""

    infographs: list[CreatedInfograph]
    total_submitted: int
    credits_used: int
    as_of: str


class ListedInfograph(Document, frozen=True, kw_only=True):
    """An infograph: its status, and the input that was given."""

    id: str
    status: Literal["completed", "failed", "pending", "processing"]
    image_url: str | None
    created_at: datetime
    updated_at: datetime
    progress: int
    eta_seconds: int | None
    poll_after_ms: int | None
    as_of: str
    request_id: str | None = None
    error: str | None = None
    error_message: str | None = None
    error_code: str | None = None
    prompt: str | None
    aspect_ratio: str | None
    resolution: str | None
    blog_url: str | None
    retry_of: str | None


JobStatus = Literal["cancelled", "completed", "failed", "pending", "processing"]


class InfographStatus(Document, frozen=True, kw_only=True):
    """An infograph's status. A cancelled one is shown as failed, with the code `cancelled`.
    `request_id` is the provider's, shown while it works; the fields about an error are there
    once it has failed. `poll_after_ms` says when to ask again.
    """

    id: str
    status: Literal["completed", "failed", "pending", "processing"]
    image_url: str | None
    created_at: datetime
    updated_at: datetime
    progress: int
    eta_seconds: int | None
    poll_after_ms: int | None
    as_of: str
    request_id: str | None = None
    error: str | None = None
    error_message: str | None = None
    error_code: str | None = None


class WebhookRecorded(Document, frozen=True, kw_only=True):
    """What the provider sent is in the log."""

    status: Literal["recorded"]


class Kind(Document, frozen=True, kw_only=True):
    """A kind of job: the JSON schema of its input, its price in credits, what files it makes."""

    kind: str
    title: str
    price: int
    media_types: list[str]
    input_schema: JsonObject


class KindList(Document, frozen=True, kw_only=True):
    """The kinds of job that there are."""

    items: list[Kind]


JobInput = dict[str, Any]


class Artifact(Document, frozen=True, kw_only=True):
    """A file or a text that a job made. A file has a URL that nobody can guess; a text is read
    with its owner's token. What is not known of it is null.
    """

    url: str | None
    media_type: str
    width: int | None
    height: int | None
    bytes: int | None
    sha256: str | None


class Error(Document, frozen=True, kw_only=True):
    """Why a job or a step failed: `code` is for programs, `message` for people."""

    code: str
    message: str


class Job(Document, frozen=True, kw_only=True):
    """A job. `request_id` is the provider's, `attempt` counts the times that it was sent there;
    `retry_of` and `retried_as` name the job before and the one after.
    """

    id: str
    kind: str
    status: JobStatus
    input: JobInput
    price: int
    provider: str
    request_id: str | None
    attempt: int
    progress: int
    eta_seconds: int | None
    artifacts: list[Artifact]
    error: Error | None
    retry_of: str | None
    retried_as: str | None
    run_id: str | None
    step: int | None
    created_at: datetime
    updated_at: datetime
    as_of: str


class JobPage(Document, frozen=True, kw_only=True):
    """Some jobs; `next` is the cursor of the next page, or null."""

    items: list[Job]
    next: str | None


class Infograph(Document, frozen=True, kw_only=True):
    """Input of an infograph. `16/9` and `16x9` are taken as `16:9`."""

    prompt: str
    blog_url: str | None = None
    aspect_ratio: Literal[
        "auto", "21:9", "16:9", "3:2", "4:3", "5:4", "1:1", "4:5", "3:4", "2:3", "9:16"
    ] = "1:1"
    resolution: Literal["1K", "2K", "4K"] = "2K"


class CharacterImage(Document, frozen=True, kw_only=True):
    """Input of a portrait. One of a character may be open at a time."""

    character_id: str
    name: str
    description: str
    style: str | None = None


class FunnelStep(Document, frozen=True, kw_only=True):
    """Input of a text. In a run the prompt is built when the step is started."""

    prompt: str


class CreditsReservedBody(Document, frozen=True, kw_only=True):
    """A hold. It belongs to exactly one job and is settled by that job's end."""

    account_id: str
    job_id: str
    amount: int


class CreditsReservedEvent(
    Document, frozen=True, kw_only=True, tag_field="type", tag="CreditsReserved"
):
    """The event `CreditsReserved`."""

    sequence: int
    index: int
    at: datetime
    boundary: str
    id: str
    account: str | None
    actor: str
    correlation_id: str | None
    causation_id: str | None
    body: CreditsReservedBody

    @property
    def type(self) -> str:
        return "CreditsReserved"


class JobRequestedBody(Document, frozen=True, kw_only=True):
    job_id: str
    account_id: str
    kind: str
    input: JobInput | None
    price_credits: int
    deadline_at: str
    retry_of: str | None
    duration_class: str
    exclusive_key: str | None
    run_id: str | None
    step: int | None


class JobRequestedEvent(Document, frozen=True, kw_only=True, tag_field="type", tag="JobRequested"):
    """The event `JobRequested`."""

    sequence: int
    index: int
    at: datetime
    boundary: str
    id: str
    account: str | None
    actor: str
    correlation_id: str | None
    causation_id: str | None
    body: JobRequestedBody

    @property
    def type(self) -> str:
        return "JobRequested"


class SealedValue(Document, frozen=True, kw_only=True):
    """Something that its reader may not see, or that only the log keeps."""

    sealed: bool


class SubmissionStartedBody(Document, frozen=True, kw_only=True):
    """Written before the paid POST: from here on the provider may have been asked. A later
    attempt sends the same arguments, and its event leaves them out.
    """

    job_id: str
    account_id: str
    attempt: int
    provider: str
    endpoint: str
    arguments: SealedValue | None
    deadline_at: str | None


class SubmissionStartedEvent(
    Document, frozen=True, kw_only=True, tag_field="type", tag="SubmissionStarted"
):
    """The event `SubmissionStarted`."""

    sequence: int
    index: int
    at: datetime
    boundary: str
    id: str
    account: str | None
    actor: str
    correlation_id: str | None
    causation_id: str | None
    body: SubmissionStartedBody

    @property
    def type(self) -> str:
        return "SubmissionStarted"


class AttemptFailedBody(Document, frozen=True, kw_only=True):
    """The attempt is over without a result, the job is not. `may_have_run` tells a refusal
    (nothing was taken) from an outcome that stayed unknown.
    """

    job_id: str
    account_id: str
    attempt: int
    code: str
    error: SealedValue
    may_have_run: bool
    not_before: str


class AttemptFailedEvent(
    Document, frozen=True, kw_only=True, tag_field="type", tag="AttemptFailed"
):
    """The event `AttemptFailed`."""

    sequence: int
    index: int
    at: datetime
    boundary: str
    id: str
    account: str | None
    actor: str
    correlation_id: str | None
    causation_id: str | None
    body: AttemptFailedBody

    @property
    def type(self) -> str:
        return "AttemptFailed"


class StoredBox(Document, frozen=True, kw_only=True):
    """Where a box lies that is too large for a commit (a claim check)."""

    key: str
    sha256: str
    size_bytes: int


class Sealed(Document, frozen=True, kw_only=True):
    """AES-GCM of some bytes: 12 bytes of nonce, the ciphertext, 16 bytes of tag. Exactly one of
    `box` (in place) and `stored` (in storage) is given.
    """

    box: str | None = None
    stored: StoredBox | None = None


class StoredArtifact(Document, frozen=True, kw_only=True):
    """A file or a text that a job made. `key` is a file's place in our storage; without one,
    `url` is where the provider keeps it.
    """

    media_type: str
    key: str | None = None
    url: str | None = None
    width: int | None = None
    height: int | None = None
    size_bytes: int | None = None
    sha256: str | None = None
    text: Sealed | None = None


class JobCompletedBody(Document, frozen=True, kw_only=True):
    job_id: str
    account_id: str
    attempt: int
    artifacts: list[StoredArtifact]


class JobCompletedEvent(Document, frozen=True, kw_only=True, tag_field="type", tag="JobCompleted"):
    """The event `JobCompleted`."""

    sequence: int
    index: int
    at: datetime
    boundary: str
    id: str
    account: str | None
    actor: str
    correlation_id: str | None
    causation_id: str | None
    body: JobCompletedBody

    @property
    def type(self) -> str:
        return "JobCompleted"


class JobFailedBody(Document, frozen=True, kw_only=True):
    job_id: str
    account_id: str
    code: str
    message: str | None
    detail: SealedValue | None


class JobFailedEvent(Document, frozen=True, kw_only=True, tag_field="type", tag="JobFailed"):
    """The event `JobFailed`."""

    sequence: int
    index: int
    at: datetime
    boundary: str
    id: str
    account: str | None
    actor: str
    correlation_id: str | None
    causation_id: str | None
    body: JobFailedBody

    @property
    def type(self) -> str:
        return "JobFailed"


class JobCancelledBody(Document, frozen=True, kw_only=True):
    job_id: str
    account_id: str
    by: str
    reason: str


class JobCancelledEvent(Document, frozen=True, kw_only=True, tag_field="type", tag="JobCancelled"):
    """The event `JobCancelled`."""

    sequence: int
    index: int
    at: datetime
    boundary: str
    id: str
    account: str | None
    actor: str
    correlation_id: str | None
    causation_id: str | None
    body: JobCancelledBody

    @property
    def type(self) -> str:
        return "JobCancelled"


class JobDeletedBody(Document, frozen=True, kw_only=True):
    """Deleted by its owner: gone from lists; its artifacts are to be removed."""

    job_id: str
    account_id: str
    by: str


class JobDeletedEvent(Document, frozen=True, kw_only=True, tag_field="type", tag="JobDeleted"):
    """The event `JobDeleted`."""

    sequence: int
    index: int
    at: datetime
    boundary: str
    id: str
    account: str | None
    actor: str
    correlation_id: str | None
    causation_id: str | None
    body: JobDeletedBody

    @property
    def type(self) -> str:
        return "JobDeleted"


class CreditsChargedBody(Document, frozen=True, kw_only=True):
    account_id: str
    job_id: str
    amount: int


class CreditsChargedEvent(
    Document, frozen=True, kw_only=True, tag_field="type", tag="CreditsCharged"
):
    """The event `CreditsCharged`."""

    sequence: int
    index: int
    at: datetime
    boundary: str
    id: str
    account: str | None
    actor: str
    correlation_id: str | None
    causation_id: str | None
    body: CreditsChargedBody

    @property
    def type(self) -> str:
        return "CreditsCharged"


class CreditsReleasedBody(Document, frozen=True, kw_only=True):
    account_id: str
    job_id: str
    amount: int


class CreditsReleasedEvent(
    Document, frozen=True, kw_only=True, tag_field="type", tag="CreditsReleased"
):
    """The event `CreditsReleased`."""

    sequence: int
    index: int
    at: datetime
    boundary: str
    id: str
    account: str | None
    actor: str
    correlation_id: str | None
    causation_id: str | None
    body: CreditsReleasedBody

    @property
    def type(self) -> str:
        return "CreditsReleased"


class RunStepStartedBody(Document, frozen=True, kw_only=True):
    """From here on the step's job, which waited for this, can be submitted."""

    run_id: str
    account_id: str
    step: int
    job_id: str
    input: SealedValue
    deadline_at: str


class RunStepStartedEvent(
    Document, frozen=True, kw_only=True, tag_field="type", tag="RunStepStarted"
):
    """The event `RunStepStarted`."""

    sequence: int
    index: int
    at: datetime
    boundary: str
    id: str
    account: str | None
    actor: str
    correlation_id: str | None
    causation_id: str | None
    body: RunStepStartedBody

    @property
    def type(self) -> str:
        return "RunStepStarted"


End = Literal["cancelled", "completed", "failed"]


class RunStepSettledBody(Document, frozen=True, kw_only=True):
    run_id: str
    account_id: str
    step: int
    job_id: str
    end: End


class RunStepSettledEvent(
    Document, frozen=True, kw_only=True, tag_field="type", tag="RunStepSettled"
):
    """The event `RunStepSettled`."""

    sequence: int
    index: int
    at: datetime
    boundary: str
    id: str
    account: str | None
    actor: str
    correlation_id: str | None
    causation_id: str | None
    body: RunStepSettledBody

    @property
    def type(self) -> str:
        return "RunStepSettled"


LearntFrom = Literal["listing", "reply"]


class JobSubmittedBody(Document, frozen=True, kw_only=True):
    job_id: str
    account_id: str
    attempt: int
    provider: str
    request_id: str
    status_url: str
    response_url: str
    cancel_url: str
    learnt_from: LearntFrom


class JobSubmittedEvent(Document, frozen=True, kw_only=True, tag_field="type", tag="JobSubmitted"):
    """The event `JobSubmitted`."""

    sequence: int
    index: int
    at: datetime
    boundary: str
    id: str
    account: str | None
    actor: str
    correlation_id: str | None
    causation_id: str | None
    body: JobSubmittedBody

    @property
    def type(self) -> str:
        return "JobSubmitted"


Via = Literal["poll", "webhook"]


Verdict = Literal["error", "no_payload", "ok"]


class ResultReceivedBody(Document, frozen=True, kw_only=True):
    job_id: str
    account_id: str
    attempt: int
    via: Via
    request_id: str
    verdict: Verdict
    body: SealedValue


class ResultReceivedEvent(
    Document, frozen=True, kw_only=True, tag_field="type", tag="ResultReceived"
):
    """The event `ResultReceived`."""

    sequence: int
    index: int
    at: datetime
    boundary: str
    id: str
    account: str | None
    actor: str
    correlation_id: str | None
    causation_id: str | None
    body: ResultReceivedBody

    @property
    def type(self) -> str:
        return "ResultReceived"


class CancellationAnsweredBody(Document, frozen=True, kw_only=True):
    """The provider's answer to a request to cancel an attempt. Without a request id there was
    nothing to cancel: the reply to the attempt's POST never came.
    """

    job_id: str
    account_id: str
    request_id: str
    answer: SealedValue
    attempt: int


class CancellationAnsweredEvent(
    Document, frozen=True, kw_only=True, tag_field="type", tag="CancellationAnswered"
):
    """The event `CancellationAnswered`."""

    sequence: int
    index: int
    at: datetime
    boundary: str
    id: str
    account: str | None
    actor: str
    correlation_id: str | None
    causation_id: str | None
    body: CancellationAnsweredBody

    @property
    def type(self) -> str:
        return "CancellationAnswered"


class ArtifactsRemovedBody(Document, frozen=True, kw_only=True):
    job_id: str
    account_id: str
    keys: list[str]


class ArtifactsRemovedEvent(
    Document, frozen=True, kw_only=True, tag_field="type", tag="ArtifactsRemoved"
):
    """The event `ArtifactsRemoved`."""

    sequence: int
    index: int
    at: datetime
    boundary: str
    id: str
    account: str | None
    actor: str
    correlation_id: str | None
    causation_id: str | None
    body: ArtifactsRemovedBody

    @property
    def type(self) -> str:
        return "ArtifactsRemoved"


Event = (
    CreditsReservedEvent
    | JobRequestedEvent
    | SubmissionStartedEvent
    | AttemptFailedEvent
    | JobCompletedEvent
    | JobFailedEvent
    | JobCancelledEvent
    | JobDeletedEvent
    | CreditsChargedEvent
    | CreditsReleasedEvent
    | RunStepStartedEvent
    | RunStepSettledEvent
    | JobSubmittedEvent
    | ResultReceivedEvent
    | CancellationAnsweredEvent
    | ArtifactsRemovedEvent
)


class EventPage(Document, frozen=True, kw_only=True):
    """Some events, oldest first; `next` is the cursor of the next page, or null."""

    items: list[Event]
    next: str | None
    as_of: str


class LogLine(Document, frozen=True, kw_only=True):
    """What happened, in words."""

    at: datetime
    level: Literal["error", "info", "warning"]
    message: str


class ProviderReport(Document, frozen=True, kw_only=True):
    """What the provider said last about a job that is under way there."""

    queue_position: int | None
    lines: list[str]


class LogPage(Document, frozen=True, kw_only=True):
    """Some lines, oldest first; `next` is the cursor of the next page, or null."""

    items: list[LogLine]
    next: str | None
    provider: ProviderReport | None
    as_of: str


class Text(Document, frozen=True, kw_only=True):
    """The text that a job wrote."""

    text: str
    media_type: str


class AccountCredits(Document, frozen=True, kw_only=True):
    """An account and its credits after a grant."""

    available: int
    held: int
    spent: int
    granted: int
    revoked: int
    as_of: str
    account: str


Role = Literal["operator", "service", "user"]


class Token(Document, frozen=True, kw_only=True):
    """A token, without its secret."""

    id: str
    account: str
    role: Role
    revoked: bool
    created_at: datetime


class TokenList(Document, frozen=True, kw_only=True):
    """Tokens, oldest first."""

    items: list[Token]
    as_of: str


class IssuedToken(Document, frozen=True, kw_only=True):
    """A new token: `token` is the secret that is sent, `id` names it for revoking."""

    id: str
    token: str
    account: str
    role: Role
    as_of: str


RunStatus = Literal["cancelled", "completed", "failed", "running"]


StepStatus = Literal["cancelled", "completed", "failed", "in_progress", "pending"]


class Step(Document, frozen=True, kw_only=True):
    """A step of a run, and the job that writes its text."""

    step: int
    name: str
    status: StepStatus
    job_id: str
    error: Error | None
    started_at: datetime | None
    completed_at: datetime | None


class Run(Document, frozen=True, kw_only=True):
    """A run with its steps, in the order in which they run. `regeneration_count` says how often
    the project was generated again.
    """

    id: str
    project_id: str
    intake_id: str | None
    status: RunStatus
    steps: list[Step]
    regeneration_count: int
    started_at: datetime
    last_generated_at: datetime | None
    eta_seconds: int | None
    as_of: str


class IssuedTicket(Document, frozen=True, kw_only=True):
    """A ticket opens a stream until `expires_at`."""

    ticket: str
    expires_at: datetime


class Endpoint(Document, frozen=True, kw_only=True):
    """An endpoint. Since `failing_since`, nothing that was sent there was taken; after five
    days of that it is no longer `enabled`.
    """

    id: str
    url: str
    types: list[str]
    enabled: bool
    failing_since: datetime | None
    created_at: datetime


class EndpointList(Document, frozen=True, kw_only=True):
    """Endpoints, in the order of their registration."""

    items: list[Endpoint]


class RegisteredEndpoint(Document, frozen=True, kw_only=True):
    """A new endpoint, and the secret that signs its deliveries."""

    id: str
    url: str
    types: list[str]
    enabled: bool
    secret: str
    as_of: str


class UpdatedEndpoint(Document, frozen=True, kw_only=True):
    """An endpoint after a change."""

    id: str
    url: str
    types: list[str]
    enabled: bool
    failing_since: datetime | None
    created_at: datetime
    as_of: str


DeliveryStatus = Literal["failed", "sent", "waiting"]


class Delivery(Document, frozen=True, kw_only=True):
    """One message to an endpoint, about the job or run `object_id` of `account`, and what
    became of it: `last_status` is the HTTP status that the endpoint answered last, `next_at`
    when the message is tried again.
    """

    id: str
    type: str
    object_id: str
    account: str
    status: DeliveryStatus
    attempts: int
    next_at: datetime | None
    last_status: int | None
    last_error: str | None
    created_at: datetime
    updated_at: datetime


class DeliveryList(Document, frozen=True, kw_only=True):
    """Deliveries, newest first."""

    items: list[Delivery]


class ResentDelivery(Document, frozen=True, kw_only=True):
    """A delivery that will be sent once more."""

    id: str
    status: DeliveryStatus
    as_of: str


class EndpointSecret(Document, frozen=True, kw_only=True):
    """The secret that signs deliveries from now on. It is shown once."""

    id: str
    secret: str
    as_of: str


class Liveness(Document, frozen=True, kw_only=True):
    """The process answers."""

    status: Literal["live"]


class Readiness(Document, frozen=True, kw_only=True):
    """Whether requests can be answered."""

    status: Literal["not ready", "ready"]


class BulkAction(Document, frozen=True, kw_only=True):
    action: Literal["cancel", "delete", "download", "retry"]
    ids: list[str]


class ChangedEndpoint(Document, frozen=True, kw_only=True):
    """What is not given stays as it is. Enabling ends an automatic disabling."""

    url: str | None = None
    types: (
        list[
            Literal[
                "job.completed",
                "job.failed",
                "job.cancelled",
                "run.completed",
                "run.failed",
                "run.cancelled",
            ]
        ]
        | None
    ) = None
    enabled: bool | None = None


class CreateInfographs(Document, frozen=True, kw_only=True):
    """An infograph's input, and how many of it."""

    prompt: str
    blog_url: str | None = None
    aspect_ratio: Literal[
        "auto", "21:9", "16:9", "3:2", "4:3", "5:4", "1:1", "4:5", "3:4", "2:3", "9:16"
    ] = "1:1"
    resolution: Literal["1K", "2K", "4K"] = "2K"
    number_of_infographs: int = 1


CreateJob = dict[str, Any]


class CreditsFrame(Document, frozen=True, kw_only=True, tag_field="event", tag="credits"):
    """The frame `credits` of a stream."""

    id: str
    data: Credits

    @property
    def event(self) -> str:
        return "credits"


class DrawCharacter(Document, frozen=True, kw_only=True):
    """What the portrait shows."""

    name: str
    description: str
    style: str | None = None


class GenerateAll(Document, frozen=True, kw_only=True):
    """`intake` is what the texts are made from: any JSON, at most 64 KB."""

    project_id: str = field(name="projectId")
    intake: dict[str, Json] | str
    intake_id: str | None = field(name="intakeId", default=None)


class Gone(Document, frozen=True, kw_only=True):
    """A job that its owner has deleted."""

    id: str


class GoneFrame(Document, frozen=True, kw_only=True, tag_field="event", tag="gone"):
    """The frame `gone` of a stream."""

    id: str
    data: Gone

    @property
    def event(self) -> str:
        return "gone"


class Grant(Document, frozen=True, kw_only=True):
    """`amount` is in credits."""

    amount: int
    reason: str


class JobFrame(Document, frozen=True, kw_only=True, tag_field="event", tag="job"):
    """The frame `job` of a stream."""

    id: str
    data: Job

    @property
    def event(self) -> str:
        return "job"


class NotifiedJob(Document, frozen=True, kw_only=True):
    """A job as it ended. `account` is whose job it is: the endpoint's own account, or one that
    belongs to it.
    """

    id: str
    account: str
    kind: str
    status: End
    url: str
    artifacts: list[Artifact]
    error_code: str | None
    retry_of: str | None
    run_id: str | None
    step: int | None


class JobNotification(Document, frozen=True, kw_only=True):
    """A job has ended. `timestamp` is when."""

    type: Literal["job.cancelled", "job.completed", "job.failed"]
    timestamp: datetime
    data: NotifiedJob


class NewEndpoint(Document, frozen=True, kw_only=True):
    """Without `types`, all of them."""

    url: str
    types: (
        list[
            Literal[
                "job.completed",
                "job.failed",
                "job.cancelled",
                "run.completed",
                "run.failed",
                "run.cancelled",
            ]
        ]
        | None
    ) = None


class NewToken(Document, frozen=True, kw_only=True):
    account: str
    role: Role | None = None


class NotifiedStep(Document, frozen=True, kw_only=True):
    step: int
    status: StepStatus
    job_id: str


class NotifiedRun(Document, frozen=True, kw_only=True):
    """A run as it ended. The jobs of a cancelled run end a moment after it, each with a
    notification of its own: until then its steps are shown as they are.
    """

    id: str
    account: str
    project_id: str
    status: End
    url: str
    steps: list[NotifiedStep]


class ProviderResult(Document, frozen=True, kw_only=True):
    """The envelope of the provider's queue, as it comes."""

    request_id: str | None = None
    gateway_request_id: str | None = None
    status: str | None = None
    payload: Json | None = None
    error: Json | None = None


class Resync(Document, frozen=True, kw_only=True):
    """The whole state: all that has not ended, for a client that may have missed something."""

    jobs: list[Job]
    runs: list[Run]
    credits: Credits


class ResyncFrame(Document, frozen=True, kw_only=True, tag_field="event", tag="resync"):
    """The frame `resync` of a stream."""

    id: str
    data: Resync

    @property
    def event(self) -> str:
        return "resync"


class RetryFailed(Document, frozen=True, kw_only=True):
    """Without `steps`, all that failed."""

    project_id: str = field(name="projectId")
    steps: list[Literal[2, 3, 5, 8, 9, 11, 0]] | None = None


class RunFrame(Document, frozen=True, kw_only=True, tag_field="event", tag="run"):
    """The frame `run` of a stream."""

    id: str
    data: Run

    @property
    def event(self) -> str:
        return "run"


class RunNotification(Document, frozen=True, kw_only=True):
    """A run has ended. `timestamp` is when."""

    type: Literal["run.cancelled", "run.completed", "run.failed"]
    timestamp: datetime
    data: NotifiedRun


StreamFrame = JobFrame | RunFrame | CreditsFrame | GoneFrame | ResyncFrame


Notification = JobNotification | RunNotification
NOTIFICATIONS: dict[str, type[Notification]] = {
    "job.completed": JobNotification,
    "job.failed": JobNotification,
    "job.cancelled": JobNotification,
    "run.completed": RunNotification,
    "run.failed": RunNotification,
    "run.cancelled": RunNotification,
}
