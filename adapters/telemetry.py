"""Logs and metrics: one line for each event, without secrets; metrics on a loopback port."""

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

_SECRET_NAMES = re.compile(r"authorization|password|secret|token$|key$", re.IGNORECASE)
_SECRET_VALUES = re.compile(
    r"(Key [^\s:]+:\S+|(?<=token=)[^\s&\"']+|dkr_[A-Za-z0-9_-]{20,}|whsec_\S+"
    r"|(?<=X-Amz-Signature=)[0-9a-f]+|(?<=://)[^/\s:@]+:[^/\s@]+(?=@))"
)
REDACTED = "[redacted]"


def redact(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Drop secrets by name and by form; a structlog processor."""
    for name, value in event.items():
        if _SECRET_NAMES.search(name):
            event[name] = REDACTED
        elif isinstance(value, str):
            event[name] = _SECRET_VALUES.sub(REDACTED, value)
    return event


def configure(service: str, *, level: str, style: str) -> None:
    """Send structlog's lines to stderr; `style` is auto, json or console."""
    as_console = style == "console" or (style == "auto" and sys.stderr.isatty())
    as_json = structlog.processors.JSONRenderer(sort_keys=True)
    renderer: Any = structlog.dev.ConsoleRenderer() if as_console else as_json
    number = logging.getLevelNamesMapping().get(level.upper(), logging.INFO)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            redact,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(service=service)
    # Libraries: warnings only. httpx logs whole URLs at INFO, and ours contain attempt tokens.
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    for name in ("httpx", "httpcore", "nats", "faststream"):
        logging.getLogger(name).setLevel(logging.WARNING)
    # uvicorn warns of each request that is no HTTP: a stranger could fill our logs with them.
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
