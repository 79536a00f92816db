"""Results as a provider writes them: good ones, failures, and texts that nobody expects."""

import random
from typing import Any

import msgspec

from domain.job_kinds.funnel_step import FunnelStep

PICTURE = "https://media/a.png"
ODD_TEXTS = (
    "NUL \x00 in it",
    "\x1b[2J\x07 cleared \x7f\x85\u2028",
    "over long " + "é" * 40_000,
    "trailing newline\n",
)
LONE_SURROGATE = rb"\ud800"  # As an escape, which is JSON, and no text.


def result_of(dice: random.Random, request_id: str, endpoint: str, *, ok: bool) -> bytes:
    """Return a webhook's body."""
    odd = dice.random() < 0.15
    text = dice.choice(ODD_TEXTS) if odd else ""
    payload: dict[str, Any] = {"images": [{"url": PICTURE + text, "content_type": text or None}]}
    if endpoint == FunnelStep.endpoint:
        payload = {"output": f"text {request_id} {text}"}
    if not ok:
        kind = text or "content_policy_violation"
        payload = {"detail": [{"type": kind, "msg": f"no {text}", "loc": [text]}]}
    fields = {"request_id": request_id, "status": "OK" if ok else "ERROR", "payload": payload}
    if not ok and odd:
        fields["error"] = text
    body = msgspec.json.encode(fields)
    if odd and dice.random() < 0.3:
        body = body.replace(b"no ", b"no " + LONE_SURROGATE).replace(b"text ", LONE_SURROGATE)
    return body
