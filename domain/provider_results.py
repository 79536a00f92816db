"""What a provider's answer means: files, a failure in plain words, or nothing yet."""

from typing import Any

import msgspec
from msgspec import Struct

from contracts.events.evidence import Verdict
from domain.refusals import JOB_CODES
from domain.text import clean_line, clean_prose

DETAIL_CHARACTERS_MAX = 2000
WORDS_CHARACTERS_MAX = 300


class Envelope(Struct, frozen=True):
    """A webhook's body, normalised: fal's envelope, or the bare result of the seeds' curl."""

    verdict: Verdict
    request_id: str
    payload: Any
    error: str = ""


class Failure(Struct, frozen=True):
    """Why a job failed: `code` is one of JOB_CODES, `detail` is for operators, `words` are what the
    provider said about this very input, which its owner may read.
    """

    code: str
    detail: str = ""
    words: str = ""

    @property
    def message(self) -> str:
        """What the job's owner reads."""
        plain = JOB_CODES[self.code]
        return f"{plain} The provider said: {self.words}" if self.words else plain


class BadEnvelope(ValueError):
    """The body is neither an envelope nor a bare result."""


def read_envelope(body: bytes) -> Envelope:
    """Parse a webhook's body; raise BadEnvelope.

    `{"request_id", "status": "OK"|"ERROR", "payload", "error"}` as fal documents it; a body
    without `status` is the model's bare output. A null payload says nothing in either case.
    """
    try:
        fields = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise BadEnvelope(str(error)) from error
    if not isinstance(fields, dict):
        raise BadEnvelope("not an object")
    if "status" not in fields:
        return Envelope(Verdict.OK, "", fields)
    payload = fields.get("payload")
    error_text = str(fields.get("error") or fields.get("payload_error") or "")
    error_text = clean_prose(error_text, DETAIL_CHARACTERS_MAX)
    verdict = Verdict.OK if fields["status"] == "OK" else Verdict.ERROR
    if payload is None:
        verdict = Verdict.NO_PAYLOAD
    return Envelope(verdict, str(fields.get("request_id", "")), payload, error_text)


def failure_in_words(text: str) -> Failure:
    """The provider's answer is a refusal in plain words: its owner may read them."""
    return Failure("provider_failed", text, clean_line(text, WORDS_CHARACTERS_MAX))


def failure_of(payload: Any, error: str) -> Failure:
    """Tell apart what the user can change from what only the provider can."""
    detail = payload.get("detail") if isinstance(payload, dict) else payload
    reason = msgspec.json.encode(detail).decode() if detail else error
    said = clean_prose(reason, DETAIL_CHARACTERS_MAX)
    types, words = _types(detail), _words(detail)
    if "content_policy_violation" in types:
        return Failure("content_policy", said, words)
    if types and not types & _PROVIDERS_OWN:
        return Failure("invalid_input", said, words)
    return Failure("provider_failed", said, words)


# Types that are the provider's trouble; any other type means that the input was not accepted.
_PROVIDERS_OWN = {
    "internal_server_error",
    "generation_timeout",
    "downstream_service_error",
    "downstream_service_unavailable",
    "no_media_generated",
}


def _words(detail: Any) -> str:
    """Return what the provider says, without its structure."""
    items = detail if isinstance(detail, list) else [detail]
    said = (item.get("msg") if isinstance(item, dict) else item for item in items)
    words = "; ".join(text for text in said if isinstance(text, str))
    return clean_line(words, WORDS_CHARACTERS_MAX)


def _types(detail: Any) -> set[str]:
    items = detail if isinstance(detail, list) else []
    return {str(item["type"]) for item in items if isinstance(item, dict) and "type" in item}
