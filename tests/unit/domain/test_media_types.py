"""What a file is, its bytes say."""

import pytest

from domain.media_types import FORMATS, HEAD_BYTES, OF_EXTENSION, MediaType, sniff
from simulator.outputs import FILES, content_of

MADE = {
    MediaType(made.media_type): content_of(
        "a/model", {"prompt": "é", "output_format": made.extension}
    )
    for made in FILES
}


def test_the_simulator_makes_each_type() -> None:
    assert MADE.keys() == set(MediaType) == FORMATS.keys()
    assert len(OF_EXTENSION) == len(MediaType)


@pytest.mark.parametrize("media_type", MediaType)
def test_a_true_file_is_known(media_type: MediaType) -> None:
    assert sniff(MADE[media_type][:HEAD_BYTES]) is media_type


UNKNOWN = {
    "nothing": b"",
    "white space": b" \n\t ",
    "zeros": bytes(HEAD_BYTES),
    "a page": b"<!DOCTYPE html><title>not found</title>",
    "a page behind a mark and white space": b"\xef\xbb\xbf \n<html>",
    "a drawing that can run": b"<svg onload='alert(1)'/>",
    "a drawing behind XML": b'<?xml version="1.0"?><svg/>',
    "a program": b"\x7fELF\x02\x01\x01",
    "Latin-1": "für".encode("latin-1"),
    "UTF-16": "text".encode("utf-16"),
    "QuickTime": b"\0\0\0\x14ftypqt  \0\0\0\0qt  ",
    "a photograph in a film's clothes": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic",
    "sound in a film's clothes": b"\0\0\0\x1cftypM4A \0\0\0\0M4A mp42isom",
    "a film without its brand": b"\0\0\0\x10ftypxxxx\0\0\0\0",
    "Matroska": b"\x1a\x45\xdf\xa3\x93\x42\x82\x88matroska",
    "RIFF of something else": b"RIFF\0\0\0\0AVI LIST",
    "a model of the first version": b"glTF\x01\0\0\0",
    "sound of another layer": b"\xff\xf1\x50\x80",
}


@pytest.mark.parametrize("head", UNKNOWN.values(), ids=UNKNOWN)
def test_what_is_nothing_that_a_job_makes_is_not_known(head: bytes) -> None:
    assert sniff(head) is None


def test_text_that_is_cut_within_a_letter_is_text() -> None:
    head = ("x" + "é" * HEAD_BYTES).encode()[:HEAD_BYTES]
    assert sniff(head) is MediaType.TEXT


def test_what_could_be_json_is_called_so() -> None:
    assert [sniff(text) for text in (b" [1]", b"\xef\xbb\xbf{}", b"1", b"words")] == [
        MediaType.JSON,
        MediaType.JSON,
        MediaType.TEXT,
        MediaType.TEXT,
    ]
