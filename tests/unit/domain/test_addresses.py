"""Addresses: a URL that was taken is one that every library of ours can use."""

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from domain.addresses import check_url, is_among
from domain.text import InvalidField

GOOD = [
    "https://example.com",
    "http://example.com:8080/a?b=c#d",
    "https://example.com./",
    "https://my_host.example/",
    "https://müller.example/größe",
    "https://xn--mller-kva.example/",
    "https://[2001:db8::1]:8443/x",
    "https://192.0.2.1/",
]
BAD = [
    *("", "x", "ftp://example.com", "https://", "https:///a", "//example.com", "https://:80/"),
    *("https://a:99999/", "https://a:0/", "https://a:x/", "https://user@a/", "https://u:p@a/"),
    *("https://a\x7f/", "https://a/\x7f", "https://a/\x00", "https://a/\x85", "https://a/\n"),
    *("https://a b/", "https://a/ b", "https://a/\u2028", "https://a\\b/", "https://a%00b/"),
    *(
        "https://[::1/",
        "https://[v1.a]/",
        "https://[::1%25eth0]/",
        "https://1.2.3/",
        "https://a..b/",
    ),
    *("https://xn--0/", "https://xn--\u00fc/", "https://☃\u200b.example/", "https://-a/"),
    *(f"https://{'a' * 64}.example/", f"https://example.com/{'a' * 2048}"),
]


@pytest.mark.parametrize("url", GOOD)
def test_an_ordinary_url_is_taken(url: str) -> None:
    check_url("url", url)


@pytest.mark.parametrize("url", BAD)
def test_any_other_is_refused_with_its_field(url: str) -> None:
    with pytest.raises(InvalidField) as refused:
        check_url("blog_url", url)
    assert refused.value.field == "blog_url"


PIECES = st.lists(
    st.one_of(
        st.sampled_from(
            ["https://", "http://", "a", "xn--", ".", ":", "/", "@", "[", "]", "%", "8"]
        ),
        st.characters(categories=None),
    ),
    max_size=12,
).map("".join)


@given(PIECES.map(lambda text: f"https://{text}"))
@example("https://xn--0/")
@example("https://\u2488com/")
def test_what_is_taken_can_be_asked_for(url: str) -> None:
    try:
        check_url("url", url)
    except InvalidField:
        return
    request = httpx.Request("GET", url)
    assert request.url.host
    assert request.url.raw_path
    request.url.host.encode("idna")


NAMES = {"127.0.0.1:9999", "wiki.internal", "[::1]:9999"}


@pytest.mark.parametrize(
    ("host", "port"),
    [("127.0.0.1", 9999), ("wiki.internal", 80), ("Wiki.Internal", 8080), ("::1", 9999)],
)
def test_a_host_is_named_with_its_port_or_for_all_its_ports(host: str, port: int) -> None:
    assert is_among(host, port, NAMES)


@pytest.mark.parametrize(
    ("host", "port"),
    [("127.0.0.1", 9998), ("a.wiki.internal", 80), ("::1", 80), ("::1:9999", 80), ("", 9999)],
)
def test_no_other_host_and_no_other_port_is_named(host: str, port: int) -> None:
    assert not is_among(host, port, NAMES)
