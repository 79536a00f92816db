"""Addresses: which URLs are accepted. All of our libraries read such a URL in the same way."""

import re
from collections.abc import Set as AbstractSet
from ipaddress import IPv4Address, IPv6Address
from urllib.parse import SplitResult, urlsplit

import idna

from domain.text import InvalidField, check_line

URL_LENGTH_MAX = 2048
HOST_LENGTH_MAX = 253
PORT_MAX = 65_535
WEB_PORTS = frozenset({80, 443, 8080, 8443})  # Others are of services that are not the web.
# For the API's schema, which can describe plain URLs only.
URL_PATTERN = (
    r"^https?://[a-z]([a-z0-9]{0,40})?(\.[a-z][a-z0-9]{0,20}){0,4}(:[1-9][0-9]{0,3})?(/[!-~]*)?$"
)
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?", re.ASCII)


def check_url(field: str, url: str) -> None:
    """Refuse what is no http or https URL, or what two libraries could read differently."""
    check_line(field, url, URL_LENGTH_MAX)
    if any(character.isspace() for character in url):
        raise InvalidField(field, "must not hold white space")
    try:
        parts = urlsplit(url)
        is_sane = _is_sane(parts)
    except ValueError:
        raise InvalidField(field, "is not a URL") from None
    if parts.scheme not in {"http", "https"} or not is_sane:
        raise InvalidField(field, "must be an http or https URL")
    if "@" in parts.netloc:
        raise InvalidField(field, "must not hold a user name or password")


def in_url(host: str) -> str:
    """Return the host as it stands in a URL: IPv6 addresses in brackets."""
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


def is_among(host: str, port: int, names: AbstractSet[str]) -> bool:
    """Tell whether the names have this host: with this port, or without one, for all its ports."""
    name = in_url(host.lower())
    return not names.isdisjoint((name, f"{name}:{port}"))


def _is_sane(parts: SplitResult) -> bool:
    """Tell whether host and port can be read in one way only; may raise ValueError."""
    is_port = parts.port is None or 0 < parts.port <= PORT_MAX
    return is_port and "%" not in parts.netloc and "\\" not in parts.netloc and _is_host(parts)


def _is_host(parts: SplitResult) -> bool:
    host = parts.hostname or ""
    if "[" in parts.netloc:
        return bool(IPv6Address(host))
    if host.replace(".", "").isdigit():
        return bool(IPv4Address(host))
    written = host if host.isascii() else idna.encode(host).decode()
    labels = written.removesuffix(".").split(".")
    if any(label.startswith("xn--") for label in labels):
        idna.decode(written)
    return len(written) <= HOST_LENGTH_MAX and all(_LABEL.fullmatch(each) for each in labels)
