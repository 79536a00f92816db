"""Examples of jobs, runs and events, with the names that all examples share."""

from application.documents import ArtifactDocument, EventDocument
from contracts.ids import AccountId, EndpointId, JobId, RunId
from domain.statuses import JobStatus, RunStatus, StepStatus
from services.api.documents import InfographDocument, JobDocument, StatusDocument
from services.api.documents.runs import RunDocument, StepDocument

SITE = "https://darkroom.example"
JOB = JobId("0198c3f0-5a10-7b3e-9c42-7f3a51d0e6b1")
RUN = RunId("0198c3f1-0c22-7d15-8e90-4b7a90c2d3e4")
ACCOUNT, AT, LATER = AccountId("acct_42"), "2026-11-21T09:30:00.000Z", "2026-11-21T09:30:21.400Z"
AS_OF = "k3v9.1042.0"
ENDPOINT = EndpointId("ep_5f0c2a9d7b31e4c86a10d2f4")
REQUEST = "764cabcf-b745-4b3e-ae38-1200304cf45b"
SHA256 = "9f2c1e0b7a6d5c4f3e2d1c0b9a8f7e6d5c4b3a29180f7e6d5c4b3a2918f7e6d5"
FILE = f"{SITE}/artifacts/6mDqv0m3X9b2n1Ck7s8t4w.png"
SECRET = "…"  # noqa: S105 - stands for one.
PROMPT = "The life of a coral reef"

ARTIFACT = ArtifactDocument(
    url=FILE, media_type="image/png", width=2048, height=2048, bytes=2_483_112, sha256=SHA256
)
JOB_DOCUMENT = JobDocument(
    id=JOB,
    kind="infograph",
    status=JobStatus.COMPLETED,
    input={"prompt": PROMPT, "blog_url": None, "aspect_ratio": "1:1", "resolution": "2K"},
    price=1,
    provider="fal",
    request_id=REQUEST,
    attempt=1,
    progress=100,
    eta_seconds=None,
    artifacts=[ARTIFACT],
    error=None,
    retry_of=None,
    retried_as=None,
    run_id=None,
    step=None,
    created_at=AT,
    updated_at=LATER,
    as_of=AS_OF,
)
STATUS_DOCUMENT = StatusDocument(
    id=JOB,
    status="processing",
    image_url=None,
    created_at=AT,
    updated_at=AT,
    progress=42,
    eta_seconds=12,
    poll_after_ms=3000,
    as_of=AS_OF,
    request_id=REQUEST,
)
INFOGRAPH_DOCUMENT = InfographDocument(
    id=JOB,
    status="completed",
    image_url=FILE,
    created_at=AT,
    updated_at=LATER,
    progress=100,
    eta_seconds=None,
    poll_after_ms=None,
    as_of=AS_OF,
    prompt=PROMPT,
    aspect_ratio="1:1",
    resolution="2K",
    blog_url=None,
    retry_of=None,
)
_STEP = StepDocument(
    step=2,
    name="Offer",
    status=StepStatus.COMPLETED,
    job_id=JOB,
    error=None,
    started_at=AT,
    completed_at=LATER,
)
RUN_DOCUMENT = RunDocument(
    id=RUN,
    project_id="reef-course",
    intake_id=None,
    status=RunStatus.RUNNING,
    steps=[_STEP],
    regeneration_count=0,
    started_at=AT,
    last_generated_at=LATER,
    eta_seconds=95,
    as_of=AS_OF,
)
EVENT_DOCUMENT = EventDocument(
    sequence=1042,
    index=0,
    type="JobSubmitted",
    at=AT,
    boundary="evidence",
    id="submitted",
    account=ACCOUNT,
    actor="darkroom",
    correlation_id=None,
    causation_id=None,
    body={
        "job_id": JOB,
        "account_id": ACCOUNT,
        "attempt": 1,
        "provider": "fal",
        "request_id": REQUEST,
        "status_url": f"https://queue.example/requests/{REQUEST}/status",
        "response_url": f"https://queue.example/requests/{REQUEST}",
        "cancel_url": f"https://queue.example/requests/{REQUEST}/cancel",
        "learnt_from": "reply",
    },
)
