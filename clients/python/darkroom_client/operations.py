"""A method for each operation. Written by `make docs` from the OpenAPI document."""

import builtins
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any, Literal

from darkroom_client.calls import Call, Calls, Operation
from darkroom_client.models import (
    AccountCredits,
    BulkResults,
    Character,
    CharacterImage,
    Content,
    CreatedInfographs,
    Credits,
    DeliveryList,
    EndpointList,
    EndpointSecret,
    Entry,
    EntryPage,
    Event,
    EventPage,
    FunnelStep,
    GenerationStatus,
    Infograph,
    InfographStatus,
    IssuedTicket,
    IssuedToken,
    Job,
    JobPage,
    JobStatus,
    Json,
    KindList,
    ListedInfograph,
    Liveness,
    LogLine,
    LogPage,
    QueuedCharacter,
    Readiness,
    RegisteredEndpoint,
    ResentDelivery,
    Role,
    Run,
    RunStarted,
    Text,
    TokenList,
    UpdatedEndpoint,
    WebhookRecorded,
)
from darkroom_client.pages import items_of

DRAW_CHARACTER: Operation[QueuedCharacter] = Operation(
    "POST", "/api/characters/{}/image", QueuedCharacter, is_keyed=True
)
SHOW_CHARACTER: Operation[Character] = Operation(
    "GET", "/api/characters/{}/image-status", Character
)
SHOW_CREDITS: Operation[Credits] = Operation("GET", "/api/credits", Credits)
LIST_ENTRIES: Operation[EntryPage] = Operation("GET", "/api/credits/entries", EntryPage)
GENERATE_ALL: Operation[RunStarted] = Operation(
    "POST", "/api/generate/auto-generate-all", RunStarted, is_keyed=True
)
SHOW_CONTENT: Operation[Content] = Operation("GET", "/api/generate/content", Content)
SHOW_GENERATION_STATUS: Operation[GenerationStatus] = Operation(
    "GET", "/api/generate/generation-status", GenerationStatus
)
RETRY_FAILED: Operation[RunStarted] = Operation(
    "POST", "/api/generate/retry-failed", RunStarted, is_keyed=True
)
SHOW_RUN: Operation[Run] = Operation("GET", "/api/runs/{}", Run)
CANCEL_RUN: Operation[Run] = Operation("POST", "/api/runs/{}/cancel", Run)
BULK_ACTIONS: Operation[BulkResults] = Operation(
    "POST", "/api/infographs/bulk", BulkResults, is_keyed=True
)
CREATE_INFOGRAPHS: Operation[CreatedInfographs] = Operation(
    "POST", "/api/infographs/create", CreatedInfographs, is_keyed=True
)
LIST_INFOGRAPHS: Operation[list[ListedInfograph]] = Operation(
    "GET", "/api/infographs/list", list[ListedInfograph]
)
SHOW_STATUS: Operation[InfographStatus] = Operation(
    "GET", "/api/infographs/status/{}", InfographStatus
)
DELETE_INFOGRAPH: Operation[None] = Operation("DELETE", "/api/infographs/{}", None)
CANCEL_INFOGRAPH: Operation[InfographStatus] = Operation(
    "POST", "/api/infographs/{}/cancel", InfographStatus
)
RETRY_INFOGRAPH: Operation[ListedInfograph] = Operation(
    "POST", "/api/infographs/{}/retry", ListedInfograph, is_keyed=True
)
RELAY_WEBHOOK: Operation[WebhookRecorded] = Operation(
    "POST", "/api/infographs/webhook/{}", WebhookRecorded
)
SHOW_JOB_KINDS: Operation[KindList] = Operation("GET", "/api/job-kinds", KindList)
LIST_JOBS: Operation[JobPage] = Operation("GET", "/api/jobs", JobPage)
CREATE_JOB: Operation[Job] = Operation("POST", "/api/jobs", Job, is_keyed=True)
SHOW_JOB: Operation[Job] = Operation("GET", "/api/jobs/{}", Job)
CANCEL_JOB: Operation[Job] = Operation("POST", "/api/jobs/{}/cancel", Job)
SHOW_HISTORY: Operation[EventPage] = Operation("GET", "/api/jobs/{}/history", EventPage)
SHOW_LOGS: Operation[LogPage] = Operation("GET", "/api/jobs/{}/logs", LogPage)
RETRY_JOB: Operation[Job] = Operation("POST", "/api/jobs/{}/retry", Job, is_keyed=True)
SHOW_TEXT: Operation[Text] = Operation("GET", "/api/jobs/{}/text", Text)
STREAM_JOB: Operation[None] = Operation("GET", "/api/jobs/{}/stream", None)
STREAM_ACCOUNT: Operation[None] = Operation("GET", "/api/stream", None)
ISSUE_TICKET: Operation[IssuedTicket] = Operation("POST", "/api/stream-tickets", IssuedTicket)
GRANT_CREDITS: Operation[AccountCredits] = Operation(
    "POST", "/api/operator/accounts/{}/grant", AccountCredits, is_keyed=True
)
LIST_TOKENS: Operation[TokenList] = Operation("GET", "/api/operator/tokens", TokenList)
ISSUE_TOKEN: Operation[IssuedToken] = Operation(
    "POST", "/api/operator/tokens", IssuedToken, is_keyed=True
)
REVOKE_TOKEN: Operation[None] = Operation("DELETE", "/api/operator/tokens/{}", None)
LIST_ENDPOINTS: Operation[EndpointList] = Operation("GET", "/api/webhook-endpoints", EndpointList)
REGISTER_ENDPOINT: Operation[RegisteredEndpoint] = Operation(
    "POST", "/api/webhook-endpoints", RegisteredEndpoint, is_keyed=True
)
REMOVE_ENDPOINT: Operation[None] = Operation("DELETE", "/api/webhook-endpoints/{}", None)
CHANGE_ENDPOINT: Operation[UpdatedEndpoint] = Operation(
    "PATCH", "/api/webhook-endpoints/{}", UpdatedEndpoint, is_keyed=True
)
LIST_DELIVERIES: Operation[DeliveryList] = Operation(
    "GET", "/api/webhook-endpoints/{}/deliveries", DeliveryList
)
RESEND_DELIVERY: Operation[ResentDelivery] = Operation(
    "POST", "/api/webhook-endpoints/{}/deliveries/{}/resend", ResentDelivery, is_keyed=True
)
ROTATE_SECRET: Operation[EndpointSecret] = Operation(
    "POST", "/api/webhook-endpoints/{}/rotate", EndpointSecret, is_keyed=True
)
SERVE_ARTIFACT: Operation[None] = Operation("GET", "/artifacts/{}", None)
DESCRIBE_ARTIFACT: Operation[None] = Operation("HEAD", "/artifacts/{}", None)
SHOW_LIVENESS: Operation[Liveness] = Operation("GET", "/health/live", Liveness)
SHOW_READINESS: Operation[Readiness] = Operation("GET", "/health/ready", Readiness)
SHOW_METRICS: Operation[None] = Operation("GET", "/metrics", None)


class CharactersOperations:
    """Operations: characters."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def draw(
        self,
        character_id: str,
        *,
        name: str,
        description: str,
        style: str | None = None,
        idempotency_key: str | None = None,
    ) -> QueuedCharacter:
        """Ask for a portrait, 1 credit. 409 with the open task when one is under way."""
        return await self._calls.value(
            Call(
                DRAW_CHARACTER,
                (character_id,),
                body={"name": name, "description": description, "style": style},
                key=idempotency_key,
            )
        )

    async def show(self, character_id: str, *, min_as_of: str | None = None) -> Character:
        """Show how the newest portrait of a character is doing. 404 when none was ever asked
        for.
        """
        return await self._calls.value(
            Call(SHOW_CHARACTER, (character_id,), query={"min_as_of": min_as_of})
        )


class CreditsOperations:
    """Operations: credits."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def show(self, *, min_as_of: str | None = None) -> Credits:
        """The caller's own credits; zeros without entries."""
        return await self._calls.value(Call(SHOW_CREDITS, query={"min_as_of": min_as_of}))

    async def list_entries(
        self, *, limit: int | None = None, cursor: str | None = None, min_as_of: str | None = None
    ) -> EntryPage:
        """The caller's own entries, newest first; `next` is the next page's cursor, or null."""
        return await self._calls.value(
            Call(LIST_ENTRIES, query={"limit": limit, "cursor": cursor, "min_as_of": min_as_of})
        )

    def all_entries(
        self, *, limit: int | None = None, min_as_of: str | None = None
    ) -> AsyncGenerator[Entry, None]:
        """The caller's own entries, newest first; `next` is the next page's cursor, or null.
        Reads page after page.
        """
        return items_of(
            self._calls, Call(LIST_ENTRIES, query={"limit": limit, "min_as_of": min_as_of})
        )


class FunnelsOperations:
    """Operations: funnels."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def generate_all(
        self,
        *,
        project_id: str,
        intake: dict[str, Json] | str,
        intake_id: str | None = None,
        idempotency_key: str | None = None,
    ) -> RunStarted:
        """Write all texts of a project, 1 credit a step. 409 while a run of it is under way."""
        return await self._calls.value(
            Call(
                GENERATE_ALL,
                body={"projectId": project_id, "intake": intake, "intakeId": intake_id},
                key=idempotency_key,
            )
        )

    async def show_content(
        self, *, project_id: str, step: int, min_as_of: str | None = None
    ) -> Content:
        """The text of a finished step, readable while others run. 404 until it is finished."""
        return await self._calls.value(
            Call(
                SHOW_CONTENT, query={"projectId": project_id, "step": step, "min_as_of": min_as_of}
            )
        )

    async def show_generation_status(
        self, *, project_id: str, min_as_of: str | None = None
    ) -> GenerationStatus:
        """How far the newest run of a project is. An unknown project is idle."""
        return await self._calls.value(
            Call(SHOW_GENERATION_STATUS, query={"projectId": project_id, "min_as_of": min_as_of})
        )

    async def retry_failed(
        self,
        *,
        project_id: str,
        steps: Sequence[Literal[2, 3, 5, 8, 9, 11, 0]] | None = None,
        idempotency_key: str | None = None,
    ) -> RunStarted:
        """Run the failed steps again: a new run takes over what is finished, and pays only the
        rest.
        """
        return await self._calls.value(
            Call(RETRY_FAILED, body={"projectId": project_id, "steps": steps}, key=idempotency_key)
        )

    async def show_run(self, id: str, *, min_as_of: str | None = None) -> Run:
        """One run with its steps."""
        return await self._calls.value(Call(SHOW_RUN, (id,), query={"min_as_of": min_as_of}))

    async def cancel_run(self, id: str) -> Run:
        """Cancel a run: what is unused comes back, what succeeded is kept. 409 when it has
        ended.
        """
        return await self._calls.value(Call(CANCEL_RUN, (id,)))


class InfographsOperations:
    """Operations: infographs."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def bulk_actions(
        self, *, action: str, ids: Sequence[str], idempotency_key: str | None = None
    ) -> BulkResults:
        """Act on each id; one bad id does not stop the others. `download` answers with a ZIP
        file.
        """
        return await self._calls.value(
            Call(BULK_ACTIONS, body={"action": action, "ids": ids}, key=idempotency_key)
        )

    def bulk_actions_bytes(
        self, *, action: str, ids: Sequence[str], idempotency_key: str | None = None
    ) -> AsyncGenerator[bytes, None]:
        """Act on each id; one bad id does not stop the others. `download` answers with a ZIP
        file. Yields the bytes as they come.
        """
        return self._calls.chunks(
            Call(BULK_ACTIONS, body={"action": action, "ids": ids}, key=idempotency_key)
        )

    async def create(
        self,
        *,
        prompt: str,
        blog_url: str | None = None,
        aspect_ratio: str | None = None,
        resolution: str | None = None,
        number_of_infographs: int | None = None,
        prefer: str | None = None,
        idempotency_key: str | None = None,
    ) -> CreatedInfographs:
        """Request 1 to 4 infographs, 1 credit each: all of them or none."""
        return await self._calls.value(
            Call(
                CREATE_INFOGRAPHS,
                body={
                    "prompt": prompt,
                    "blog_url": blog_url,
                    "aspect_ratio": aspect_ratio,
                    "resolution": resolution,
                    "number_of_infographs": number_of_infographs,
                },
                key=idempotency_key,
                headers={"prefer": prefer},
            )
        )

    async def list(
        self,
        *,
        status: JobStatus | None = None,
        limit: int | None = None,
        cursor: str | None = None,
        min_as_of: str | None = None,
    ) -> builtins.list[ListedInfograph]:
        """The account's infographs, newest first, as a bare array; `Link` leads to the next
        page.
        """
        return await self._calls.value(
            Call(
                LIST_INFOGRAPHS,
                query={"status": status, "limit": limit, "cursor": cursor, "min_as_of": min_as_of},
            )
        )

    def all(
        self,
        *,
        status: JobStatus | None = None,
        limit: int | None = None,
        min_as_of: str | None = None,
    ) -> AsyncGenerator[ListedInfograph, None]:
        """The account's infographs, newest first, as a bare array; `Link` leads to the next
        page. Reads page after page.
        """
        return items_of(
            self._calls,
            Call(LIST_INFOGRAPHS, query={"status": status, "limit": limit, "min_as_of": min_as_of}),
        )

    async def show_status(
        self, id: str, *, wait: float | None = None, min_as_of: str | None = None
    ) -> InfographStatus:
        """One infograph's status. Sends an ETag and answers 304 to If-None-Match; `?wait=`
        waits.
        """
        return await self._calls.value(
            Call(SHOW_STATUS, (id,), query={"wait": wait, "min_as_of": min_as_of})
        )

    async def delete(self, id: str) -> None:
        """Delete an ended infograph and its artifacts. Its events and entries stay."""
        await self._calls.value(Call(DELETE_INFOGRAPH, (id,)))

    async def cancel(self, id: str) -> InfographStatus:
        """Cancel; its credits come back. 409 when it has ended; harmless to repeat."""
        return await self._calls.value(Call(CANCEL_INFOGRAPH, (id,)))

    async def retry(
        self, id: str, *, prefer: str | None = None, idempotency_key: str | None = None
    ) -> ListedInfograph:
        """Try a failed infograph again, as a new one. 409 when it has not failed or is retried."""
        return await self._calls.value(
            Call(RETRY_INFOGRAPH, (id,), key=idempotency_key, headers={"prefer": prefer})
        )


class ProviderOperations:
    """Operations: provider."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def relay_webhook(
        self,
        id: str,
        *,
        request_id: str | None = None,
        gateway_request_id: str | None = None,
        status: str | None = None,
        payload: Json | None = None,
        error: Json | None = None,
        attempt: str | None = None,
        token: str | None = None,
    ) -> WebhookRecorded:
        """The provider's callback: its envelope, as sent. Answered with the ingestor's answer;
        503 when it is away, so that the provider sends it again.
        """
        return await self._calls.value(
            Call(
                RELAY_WEBHOOK,
                (id,),
                query={"attempt": attempt, "token": token},
                body={
                    "request_id": request_id,
                    "gateway_request_id": gateway_request_id,
                    "status": status,
                    "payload": payload,
                    "error": error,
                },
            )
        )


class JobsOperations:
    """Operations: jobs."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def show_job_kinds(self, *, min_as_of: str | None = None) -> KindList:
        """The kinds of job there are: title, JSON schema of the input, price in credits, and
        the media types of the files that they make.
        """
        return await self._calls.value(Call(SHOW_JOB_KINDS, query={"min_as_of": min_as_of}))

    async def list(
        self,
        *,
        kind: str | None = None,
        status: JobStatus | None = None,
        limit: int | None = None,
        cursor: str | None = None,
        min_as_of: str | None = None,
    ) -> JobPage:
        """The account's jobs, newest first; `next` is the cursor of the next page, or null."""
        return await self._calls.value(
            Call(
                LIST_JOBS,
                query={
                    "kind": kind,
                    "status": status,
                    "limit": limit,
                    "cursor": cursor,
                    "min_as_of": min_as_of,
                },
            )
        )

    def all(
        self,
        *,
        kind: str | None = None,
        status: JobStatus | None = None,
        limit: int | None = None,
        min_as_of: str | None = None,
    ) -> AsyncGenerator[Job, None]:
        """The account's jobs, newest first; `next` is the cursor of the next page, or null.
        Reads page after page.
        """
        return items_of(
            self._calls,
            Call(
                LIST_JOBS,
                query={"kind": kind, "status": status, "limit": limit, "min_as_of": min_as_of},
            ),
        )

    async def create(
        self,
        *,
        kind: str,
        input: Infograph | CharacterImage | FunnelStep | Mapping[str, Any],
        prefer: str | None = None,
        idempotency_key: str | None = None,
    ) -> Job:
        """Request one job of any kind."""
        return await self._calls.value(
            Call(
                CREATE_JOB,
                body={"kind": kind, "input": input},
                key=idempotency_key,
                headers={"prefer": prefer},
            )
        )

    async def show(
        self, id: str, *, wait: float | None = None, min_as_of: str | None = None
    ) -> Job:
        """One job. Sends an ETag and answers 304 to If-None-Match; `?wait=` waits for a change."""
        return await self._calls.value(
            Call(SHOW_JOB, (id,), query={"wait": wait, "min_as_of": min_as_of})
        )

    async def cancel(self, id: str) -> Job:
        """Cancel; its credits come back. 409 when it has ended; harmless to repeat."""
        return await self._calls.value(Call(CANCEL_JOB, (id,)))

    async def show_history(
        self, id: str, *, cursor: str | None = None, min_as_of: str | None = None
    ) -> EventPage:
        """All events about one job, wherever they were written, oldest first; `next` is the
        cursor of the next page, or null.
        """
        return await self._calls.value(
            Call(SHOW_HISTORY, (id,), query={"cursor": cursor, "min_as_of": min_as_of})
        )

    def all_history(self, id: str, *, min_as_of: str | None = None) -> AsyncGenerator[Event, None]:
        """All events about one job, wherever they were written, oldest first; `next` is the
        cursor of the next page, or null. Reads page after page.
        """
        return items_of(self._calls, Call(SHOW_HISTORY, (id,), query={"min_as_of": min_as_of}))

    async def show_logs(
        self, id: str, *, cursor: str | None = None, min_as_of: str | None = None
    ) -> LogPage:
        """What happened to a job, oldest first; `provider` is what it said last, where it says,
        and `next` the cursor of the next page, or null.
        """
        return await self._calls.value(
            Call(SHOW_LOGS, (id,), query={"cursor": cursor, "min_as_of": min_as_of})
        )

    def all_logs(self, id: str, *, min_as_of: str | None = None) -> AsyncGenerator[LogLine, None]:
        """What happened to a job, oldest first; `provider` is what it said last, where it says,
        and `next` the cursor of the next page, or null. Reads page after page.
        """
        return items_of(self._calls, Call(SHOW_LOGS, (id,), query={"min_as_of": min_as_of}))

    async def retry(
        self, id: str, *, prefer: str | None = None, idempotency_key: str | None = None
    ) -> Job:
        """Try a failed job again, as a new one. 409 when it has not failed or is retried."""
        return await self._calls.value(
            Call(RETRY_JOB, (id,), key=idempotency_key, headers={"prefer": prefer})
        )

    async def show_text(self, id: str, *, min_as_of: str | None = None) -> Text:
        """The text that a job wrote: in a document, or as itself to a client that asks for a
        text by `Accept: text/markdown`, `text/plain` or `text/*`. 404 when it wrote none.
        """
        return await self._calls.value(Call(SHOW_TEXT, (id,), query={"min_as_of": min_as_of}))


class StreamsOperations:
    """Operations: streams."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def stream_job(self, id: str, *, after: str | None = None) -> AsyncGenerator[bytes, None]:
        """One job as it changes; ends after its last frame. 204 when that was sent before.
        Yields the bytes as they come.
        """
        return self._calls.chunks(Call(STREAM_JOB, (id,), query={"after": after}))

    def stream_account(self, *, after: str | None = None) -> AsyncGenerator[bytes, None]:
        """Jobs, runs and credits of the account as they change; `Last-Event-ID` continues.
        Yields the bytes as they come.
        """
        return self._calls.chunks(Call(STREAM_ACCOUNT, query={"after": after}))

    async def issue_ticket(self) -> IssuedTicket:
        """Issue a ticket, with which a client that can send no header opens a stream
        (`?ticket=`). It opens one stream at a time: the first within a minute, and the same
        stream again until a minute after it was closed; an hour after it was issued it ends.
        """
        return await self._calls.value(Call(ISSUE_TICKET))


class OperatorsOperations:
    """Operations: operators."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def grant_credits(
        self, id: str, *, amount: int, reason: str, idempotency_key: str | None = None
    ) -> AccountCredits:
        """Grant credits to an account; a service, to those that it made or that do not exist
        yet.
        """
        return await self._calls.value(
            Call(
                GRANT_CREDITS, (id,), body={"amount": amount, "reason": reason}, key=idempotency_key
            )
        )

    async def list_tokens(
        self, *, account: str | None = None, min_as_of: str | None = None
    ) -> TokenList:
        """List tokens, oldest first; never their secrets."""
        return await self._calls.value(
            Call(LIST_TOKENS, query={"account": account, "min_as_of": min_as_of})
        )

    async def issue_token(
        self, *, account: str, role: Role | None = None, idempotency_key: str | None = None
    ) -> IssuedToken:
        """Issue a token; its secret is shown once, or again under the same Idempotency-Key. A
        service issues tokens of users only, of accounts that it made or that do not exist
        yet.
        """
        return await self._calls.value(
            Call(ISSUE_TOKEN, body={"account": account, "role": role}, key=idempotency_key)
        )

    async def revoke_token(self, id: str) -> None:
        """Revoke a token; what it has open ends. A service revokes those of its own users only."""
        await self._calls.value(Call(REVOKE_TOKEN, (id,)))


class WebhooksOperations:
    """Operations: webhooks."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def list_endpoints(self, *, min_as_of: str | None = None) -> EndpointList:
        """List the account's endpoints in the order of registration; never their secrets."""
        return await self._calls.value(Call(LIST_ENDPOINTS, query={"min_as_of": min_as_of}))

    async def register_endpoint(
        self,
        *,
        url: str,
        types: Sequence[
            Literal[
                "job.completed",
                "job.failed",
                "job.cancelled",
                "run.completed",
                "run.failed",
                "run.cancelled",
            ]
        ]
        | None = None,
        idempotency_key: str | None = None,
    ) -> RegisteredEndpoint:
        """Register a URL; the secret that signs its deliveries is shown once."""
        return await self._calls.value(
            Call(REGISTER_ENDPOINT, body={"url": url, "types": types}, key=idempotency_key)
        )

    async def remove_endpoint(self, id: str) -> None:
        """Remove it: nothing more is sent there. Possible even while new work is refused."""
        await self._calls.value(Call(REMOVE_ENDPOINT, (id,)))

    async def change_endpoint(
        self,
        id: str,
        *,
        url: str | None = None,
        types: Sequence[
            Literal[
                "job.completed",
                "job.failed",
                "job.cancelled",
                "run.completed",
                "run.failed",
                "run.cancelled",
            ]
        ]
        | None = None,
        enabled: bool | None = None,
        idempotency_key: str | None = None,
    ) -> UpdatedEndpoint:
        """Change its URL or types, or enable it again."""
        return await self._calls.value(
            Call(
                CHANGE_ENDPOINT,
                (id,),
                body={"url": url, "types": types, "enabled": enabled},
                key=idempotency_key,
            )
        )

    async def list_deliveries(
        self, id: str, *, limit: int | None = None, min_as_of: str | None = None
    ) -> DeliveryList:
        """List what was sent to an endpoint or has yet to be sent, newest first."""
        return await self._calls.value(
            Call(LIST_DELIVERIES, (id,), query={"limit": limit, "min_as_of": min_as_of})
        )

    async def resend_delivery(
        self, id: str, delivery_id: str, *, idempotency_key: str | None = None
    ) -> ResentDelivery:
        """Send it once more, under the same message id."""
        return await self._calls.value(
            Call(RESEND_DELIVERY, (id, delivery_id), key=idempotency_key)
        )

    async def rotate_secret(self, id: str, *, idempotency_key: str | None = None) -> EndpointSecret:
        """Make a new secret, shown once; for a day deliveries carry the old one's signature
        too.
        """
        return await self._calls.value(Call(ROTATE_SECRET, (id,), key=idempotency_key))


class ArtifactsOperations:
    """Operations: artifacts."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def serve(self, name: str) -> AsyncGenerator[bytes, None]:
        """The file, with its type and length, or the range of it that is asked for. The same
        URL always has the same bytes. Yields the bytes as they come.
        """
        return self._calls.chunks(Call(SERVE_ARTIFACT, (name,)))

    async def describe(self, name: str) -> None:
        """The headers of the file, without the file."""
        await self._calls.value(Call(DESCRIBE_ARTIFACT, (name,)))


class HealthOperations:
    """Operations: health."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def show_liveness(self) -> Liveness:
        """200 as long as the process answers."""
        return await self._calls.value(Call(SHOW_LIVENESS))

    async def show_readiness(self) -> Readiness:
        """200 only when all four services consume, and reads are as new as what was answered
        before. Details are for operators: `darkroom doctor`.
        """
        return await self._calls.value(Call(SHOW_READINESS))

    def show_metrics(self) -> AsyncGenerator[bytes, None]:
        """Prometheus figures of this process. For operators on this port. Yields the bytes as
        they come.
        """
        return self._calls.chunks(Call(SHOW_METRICS))


class Groups:
    """All groups of operations."""

    def __init__(self, calls: Calls) -> None:
        self.characters = CharactersOperations(calls)
        self.credits = CreditsOperations(calls)
        self.funnels = FunnelsOperations(calls)
        self.infographs = InfographsOperations(calls)
        self.provider = ProviderOperations(calls)
        self.jobs = JobsOperations(calls)
        self.streams = StreamsOperations(calls)
        self.operators = OperatorsOperations(calls)
        self.webhooks = WebhooksOperations(calls)
        self.artifacts = ArtifactsOperations(calls)
        self.health = HealthOperations(calls)
