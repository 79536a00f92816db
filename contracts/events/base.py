"""What all events share: an immutable fact in the past tense, tagged with its version."""

from msgspec import Struct


class Event(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type"):
    """A fact. Subclasses repeat `frozen` and `kw_only`: msgspec does not inherit them."""
