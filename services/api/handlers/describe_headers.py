"""Describes headers: those that the answers of an operation carry."""

from typing import Any

CREATED = ("Darkroom-As-Of", "Idempotency-Replayed")
WITH_PLACE = (*CREATED, "Location")
# Of the first success of an operation.
HEADERS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(
        ("create_infographs", "create_job", "retry_infograph", "retry_job"),
        (*WITH_PLACE, "Preference-Applied"),
    ),
    **dict.fromkeys(("generate_all", "retry_failed"), WITH_PLACE),
    **dict.fromkeys(("draw_character", "issue_token", "grant_credits", "bulk_actions"), CREATED),
    **dict.fromkeys(
        ("register_endpoint", "change_endpoint", "rotate_secret", "resend_delivery"), CREATED
    ),
    **dict.fromkeys(("cancel_infograph", "cancel_job", "cancel_run"), ("Darkroom-As-Of",)),
    **dict.fromkeys(("delete_infograph", "revoke_token", "remove_endpoint"), ("Darkroom-As-Of",)),
    **dict.fromkeys(("show_status", "show_job"), ("ETag", "Retry-After")),
    "serve_artifact": ("ETag",),
    "list_infographs": ("Link",),
}
# Of answers of one status, whatever the operation.
OF_STATUS: dict[str, tuple[str, ...]] = {
    "304": ("ETag",),
    "401": ("WWW-Authenticate",),
    "429": ("Retry-After",),
    "503": ("Retry-After",),
}
TEXTS = {
    "Darkroom-As-Of": "The cursor of the change: reads with `min_as_of` are at least as new.",
    "ETag": "Names the last change; send it back as If-None-Match.",
    "Idempotency-Replayed": "`true` when this is the answer of an earlier request with the key.",
    "Link": 'The next page, as `<URL>; rel="next"`; not there on the last one.',
    "Location": "Where the new thing is, if it is one.",
    "Preference-Applied": "The preference that was followed.",
    "Retry-After": "In how many seconds to ask again.",
    "WWW-Authenticate": "How to send a token.",
}


def with_headers(answer: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    """Return an answer that has these headers."""
    return answer | ({"headers": {name: _header(name) for name in names}} if names else {})


def _header(name: str) -> dict[str, Any]:
    seconds = name == "Retry-After"
    return {"description": TEXTS[name], "schema": {"type": "integer" if seconds else "string"}}
