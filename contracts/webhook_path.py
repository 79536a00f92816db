"""The path of the provider's webhooks: given to the provider, relayed by the api, and received by
the ingestor.
"""

import re

WEBHOOK_PATH = "/api/infographs/webhook"
# The front door takes it without `/api` too, as all paths of infographs.
_ASKED = re.compile(r"(?:/api)?/infographs/webhook/([A-Za-z0-9_-]{1,64})/?", re.ASCII)


def webhook_url(origin: str, job: str, attempt: int, token: str) -> str:
    """Return the URL that the provider is given; `origin` has no slash at its end."""
    return f"{origin}{webhook_path(job)}?attempt={attempt}&token={token}"


def webhook_path(job: str) -> str:
    return f"{WEBHOOK_PATH}/{job}/"


def job_of_webhook(path: str) -> str | None:
    """Return the job that a path names, as it was sent; None for any other path."""
    found = _ASKED.fullmatch(path)
    return found[1] if found is not None else None
