"""The kinds of job. A new one is one file and one name in this union."""

from typing import Any, get_args

import msgspec

from domain.job_kinds.character_image import CharacterImage
from domain.job_kinds.funnel_step import FunnelStep
from domain.job_kinds.infograph import Infograph
from domain.refusals import invalid
from domain.text import clean_json
from domain.wrong_fields import read_as, refusal_of

AnyJobKind = Infograph | CharacterImage | FunnelStep

KINDS: dict[str, type[AnyJobKind]] = {kind.name: kind for kind in get_args(AnyJobKind)}


def parse(kind: str, fields: Any) -> AnyJobKind:
    """Check an input as a caller sent it; raise Refused with the field that is wrong."""
    if kind not in KINDS:
        raise invalid("kind", f"must be one of {', '.join(sorted(KINDS))}")
    try:
        return read_as(KINDS[kind], fields)
    except msgspec.ValidationError as error:
        raise refusal_of(error) from None


def recall(kind: str, fields: bytes) -> AnyJobKind | None:
    """Read an input back from the log; None when the kind is no longer made."""
    if kind not in KINDS:
        return None
    try:
        return msgspec.json.decode(fields, type=KINDS[kind])
    except msgspec.ValidationError:
        return _recall_old(KINDS[kind], fields)


def _recall_old(kind: type[AnyJobKind], fields: bytes) -> AnyJobKind | None:
    """Read an input that today's rule of text refuses: its text is cleaned, since the job was
    accepted under an older rule.
    """
    try:
        return msgspec.convert(clean_json(msgspec.json.decode(fields), len(fields)), kind)
    except msgspec.ValidationError:
        return None
