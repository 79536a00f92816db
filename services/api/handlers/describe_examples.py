"""Examples of what is sent and answered: one of each type, made of the types themselves."""

from typing import Any, get_args

import msgspec
from msgspec import Struct

from application.documents import CreditsDocument, WebhookRecorded
from contracts.events.account import Role
from contracts.ids import TokenId
from domain.statuses import DeliveryStatus
from services.api.handlers.bulk_actions import BulkAction, BulkResults, ItemResult
from services.api.handlers.create_jobs import (
    CreatedInfograph,
    CreatedInfographs,
    CreateInfographs,
    CreateJob,
)
from services.api.handlers.draw_characters import (
    CharacterDocument,
    CharacterMetadata,
    DrawCharacter,
    QueuedCharacter,
)
from services.api.handlers.example_jobs import (
    ACCOUNT,
    AS_OF,
    AT,
    ENDPOINT,
    EVENT_DOCUMENT,
    FILE,
    INFOGRAPH_DOCUMENT,
    JOB,
    JOB_DOCUMENT,
    LATER,
    PROMPT,
    REQUEST,
    RUN,
    RUN_DOCUMENT,
    SECRET,
    SHA256,
    SITE,
    STATUS_DOCUMENT,
)
from services.api.handlers.issue_tickets import IssuedTicket
from services.api.handlers.issue_tokens import (
    AccountCredits,
    Grant,
    IssuedToken,
    NewToken,
    TokenDocument,
    TokenList,
)
from services.api.handlers.list_jobs import JobPage
from services.api.handlers.register_endpoints import (
    ChangedEndpoint,
    EndpointDocument,
    EndpointList,
    EndpointSecret,
    NewEndpoint,
    RegisteredEndpoint,
    UpdatedEndpoint,
)
from services.api.handlers.request_runs import GenerateAll, RetryFailed, RunStarted
from services.api.handlers.show_credits import EntryDocument, EntryPage
from services.api.handlers.show_deliveries import DeliveryDocument, DeliveryList, ResentDelivery
from services.api.handlers.show_health import Liveness, Readiness
from services.api.handlers.show_history import EventPage, LogLine, LogPage, ProviderReport
from services.api.handlers.show_jobs import KindDocument, KindList
from services.api.handlers.show_runs import (
    ContentDocument,
    GenerationStatus,
    StepProgress,
    TextDocument,
)

_SUMS = {"available": 41, "held": 1, "spent": 58, "granted": 100, "revoked": 0}
_ENDPOINT: dict[str, Any] = {
    "id": ENDPOINT,
    "url": "https://product.example/hooks/darkroom",
    "types": ["job.completed", "job.failed"],
    "enabled": True,
}
_TIMES: dict[str, Any] = {"failing_since": None, "created_at": AT}
_SCHEMA = {"type": "object", "properties": {"prompt": {"type": "string"}}, "required": ["prompt"]}

_ALL: tuple[Struct, ...] = (
    CreateInfographs(prompt=PROMPT, aspect_ratio="16:9", number_of_infographs=2),
    CreateJob(kind="infograph", input={"prompt": PROMPT}),
    DrawCharacter(name="Ada", description="A diver with a red helmet", style="watercolour"),
    BulkAction(action="cancel", ids=[JOB]),
    NewToken(account=ACCOUNT),
    Grant(amount=100, reason="a first hundred"),
    NewEndpoint(url=_ENDPOINT["url"], types=["job.completed", "job.failed"]),
    ChangedEndpoint(enabled=True),
    GenerateAll(project_id="reef-course", intake={"topic": "reefs", "audience": "divers"}),
    RetryFailed(project_id="reef-course", steps=[3]),
    *(
        JOB_DOCUMENT,
        STATUS_DOCUMENT,
        INFOGRAPH_DOCUMENT,
        RUN_DOCUMENT,
        CreditsDocument(**_SUMS, as_of=AS_OF),
    ),
    CreatedInfographs(
        infographs=[
            CreatedInfograph(
                id=JOB,
                request_id=REQUEST,
                status="processing",
                status_url=f"{SITE}/api/infographs/status/{JOB}/",
            )
        ],
        total_submitted=1,
        credits_used=1,
        as_of=AS_OF,
    ),
    BulkResults(results=[ItemResult(id=JOB, status="cancelled")], as_of=AS_OF),
    QueuedCharacter(character_id="ada", task_id=JOB, status="queued", as_of=AS_OF),
    CharacterDocument(
        character_id="ada",
        status="completed",
        task_id=JOB,
        image_url=FILE,
        metadata=CharacterMetadata(
            provider="fal",
            request_id=REQUEST,
            attempt=1,
            width=1024,
            height=1024,
            bytes=911_204,
            sha256=SHA256,
        ),
        error=None,
    ),
    IssuedTicket(ticket="tk_Zq3b…", expires_at=LATER),
    IssuedToken(
        id=TokenId("tok_9d2f41"), token=SECRET, account=ACCOUNT, role=Role.USER, as_of=AS_OF
    ),
    TokenList(
        items=[
            TokenDocument(
                id=TokenId("tok_9d2f41"),
                account=ACCOUNT,
                role=Role.USER,
                revoked=False,
                created_at=AT,
            )
        ],
        as_of=AS_OF,
    ),
    AccountCredits(account=ACCOUNT, **_SUMS, as_of=AS_OF),
    JobPage(items=[JOB_DOCUMENT], next="1042"),
    RegisteredEndpoint(**_ENDPOINT, secret=SECRET, as_of=AS_OF),
    EndpointList(items=[EndpointDocument(**_ENDPOINT, **_TIMES)]),
    UpdatedEndpoint(**_ENDPOINT, **_TIMES, as_of=AS_OF),
    EndpointSecret(id=ENDPOINT, secret=SECRET, as_of=AS_OF),
    RunStarted(run_id=RUN, project_id="reef-course", as_of=AS_OF),
    EntryPage(
        items=[
            EntryDocument(
                sequence=1040,
                at=AT,
                move="reserved",
                amount=1,
                job_id=JOB,
                actor="token:tok_9d2f41",
                reason=None,
                available_after=41,
                held_after=1,
            )
        ],
        next=None,
    ),
    DeliveryList(
        items=[
            DeliveryDocument(
                id="dl_7c1e",
                type="job.completed",
                object_id=JOB,
                account=ACCOUNT,
                status=DeliveryStatus.SENT,
                attempts=1,
                next_at=None,
                last_status=204,
                last_error=None,
                created_at=LATER,
                updated_at=LATER,
            )
        ]
    ),
    ResentDelivery(id="dl_7c1e", status=DeliveryStatus.WAITING, as_of=AS_OF),
    WebhookRecorded("recorded"),
    Liveness("live"),
    Readiness("ready"),
    EventPage(items=[EVENT_DOCUMENT], next=None, as_of=AS_OF),
    LogPage(
        items=[LogLine(at=AT, level="info", message="attempt 1 goes to the provider")],
        next=None,
        provider=ProviderReport(queue_position=3, lines=["Loading the model"]),
        as_of=AS_OF,
    ),
    KindList(
        items=[KindDocument(kind="infograph", title="Infograph", price=1, input_schema=_SCHEMA)]
    ),
    GenerationStatus(
        is_generating=True,
        current_step=3,
        completed_steps=[2],
        failed_steps=[],
        progress=[
            StepProgress(step=2, step_name="Offer", status="completed", completed_at=LATER),
            StepProgress(step=3, step_name="Deck Structure", status="in_progress"),
        ],
        started_at=AT,
    ),
    ContentDocument(step=2, step_name="Offer", content="# The offer\n…", completed_at=LATER),
    TextDocument(text="# The offer\n…", media_type="text/markdown"),
)
EXAMPLES = {type(each): msgspec.to_builtins(each) for each in _ALL}


def example_of(kind: Any) -> Any:
    """Return an example of a type as JSON shows it; raise KeyError without one."""
    if isinstance(kind, type):
        return EXAMPLES[kind]
    return [EXAMPLES[each] for each in get_args(kind)]
