"""Describes webhooks: what customers' endpoints are sent, and what the provider sends us."""

from collections.abc import Callable
from typing import Any

import msgspec

from application.notifications import (
    PAYLOADS,
    JobNotification,
    NotifiedJob,
    NotifiedRun,
    NotifiedStep,
    RunNotification,
)
from contracts.job_state import End
from domain.statuses import StepStatus
from services.api.handlers.describe_schemas import reference_to
from services.api.handlers.example_jobs import ACCOUNT, ARTIFACT, JOB, LATER, RUN, SITE

SIGNED = {
    "webhook-id": "The delivery's id: the same for every try of it.",
    "webhook-timestamp": "When it was sent, in seconds since 1970.",
    "webhook-signature": "One or two signatures, `v1,…`, with a space between them.",
}
ABOUT = (
    "Signed as Standard Webhooks says, with the endpoint's secret. Any status from 200 to 299 "
    "takes it; after any other it is sent again, 8 times in about a day."
)
# The envelope of fal's queue.
PROVIDER_BODY: dict[str, Any] = {
    "description": "The envelope of the provider's queue, as it comes.",
    "type": "object",
    "properties": {
        "request_id": {"type": "string"},
        "gateway_request_id": {"type": "string"},
        "status": {"type": "string"},
        "payload": {"$ref": "#/components/schemas/Json"},
        "error": {"$ref": "#/components/schemas/Json"},
    },
    "additionalProperties": {"$ref": "#/components/schemas/Json"},
}


def webhooks() -> dict[str, Any]:
    """Return one entry for each type of notification."""
    return {name: {"post": _webhook(name)} for name in PAYLOADS}


def _webhook(name: str) -> dict[str, Any]:
    noun, _, end = name.partition(".")
    headers = [
        {"name": each, "in": "header", "description": text, "required": True, "schema": _TEXT}
        for each, text in SIGNED.items()
    ]
    content = {"schema": reference_to(PAYLOADS[name]), "example": NOTIFICATIONS[noun](end)}
    verb = "was cancelled" if end == "cancelled" else f"has {end}"
    return {
        "tags": ["Webhooks"],
        "operationId": f"notify_{noun}_{end}",
        "summary": f"A {noun} {verb}",
        "description": ABOUT,
        "parameters": headers,
        "requestBody": {"required": True, "content": {"application/json": content}},
        "responses": {"2XX": {"description": "Taken."}},
    }


_TEXT = {"type": "string"}


def _job_notification(end: str) -> Any:
    code = {"completed": None, "failed": "content_policy", "cancelled": "cancelled"}[end]
    job = NotifiedJob(
        id=JOB,
        account=ACCOUNT,
        kind="infograph",
        status=End(end),
        url=f"{SITE}/api/jobs/{JOB}",
        artifacts=(ARTIFACT,) if end == "completed" else (),
        error_code=code,
        retry_of=None,
        run_id=None,
        step=None,
    )
    kind: Any = f"job.{end}"
    return msgspec.to_builtins(JobNotification(type=kind, timestamp=LATER, data=job))


def _run_notification(end: str) -> Any:
    run = NotifiedRun(
        id=RUN,
        account=ACCOUNT,
        project_id="reef-course",
        status=End(end),
        url=f"{SITE}/api/runs/{RUN}",
        steps=(NotifiedStep(step=2, status=StepStatus(end), job_id=JOB),),
    )
    kind: Any = f"run.{end}"
    return msgspec.to_builtins(RunNotification(type=kind, timestamp=LATER, data=run))


NOTIFICATIONS: dict[str, Callable[[str], Any]] = {
    "job": _job_notification,
    "run": _run_notification,
}
