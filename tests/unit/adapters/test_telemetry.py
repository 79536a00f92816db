"""Secrets are in no line that is logged, by name or by form."""

import logging

import pytest
import structlog

from adapters.telemetry import REDACTED, configure, redact


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("authorization", "anything"),
        ("nats_password", "anything"),
        ("token", "anything"),
        ("fal_key", "anything"),
        ("url", "https://a/webhook?attempt=1&token=abc123"),
        ("reason", "Authorization: Key id:secret was refused"),
        ("reason", "token dkr_ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789abcdefg is unknown"),
        ("url", "nats://user:secret@broker:4222"),
        ("url", "https://bucket/a?X-Amz-Signature=0123456789abcdef"),
    ],
)
def test_a_secret_is_redacted(name: str, value: str) -> None:
    told = redact(None, "info", {name: value})[name]
    assert REDACTED in told
    for secret in ("abc123", "id:secret", "ABCDEFG", "user:secret", "0123456789abcdef", "anything"):
        assert secret not in told


def test_what_is_no_secret_stays() -> None:
    event = {"event": "starting", "job": "01234567", "attempt": 2, "key_count": 3}
    assert redact(None, "info", dict(event)) == event


def test_what_is_no_http_writes_no_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(structlog, "configure", lambda **_: None)  # It is the whole process's.
    configure("api", level="info", style="json")
    assert not logging.getLogger("uvicorn.error").isEnabledFor(logging.WARNING)
    assert logging.getLogger("uvicorn.error").isEnabledFor(logging.ERROR)
