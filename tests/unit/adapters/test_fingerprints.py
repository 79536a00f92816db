"""A fingerprint tells contents apart and lets nobody try a guess."""

import hashlib

from adapters.fingerprints import Fingerprints
from tests.support.examples import ACCOUNT, OTHER

CONTENT = b'["infographs/create",{"prompt":"reefs"}]'


def test_the_same_content_of_one_account_has_one_fingerprint() -> None:
    known = Fingerprints(bytes(32)).of(ACCOUNT, CONTENT)
    assert known == Fingerprints(bytes(32)).of(ACCOUNT, CONTENT)
    assert known != Fingerprints(bytes(32)).of(ACCOUNT, CONTENT + b" ")


def test_a_guess_cannot_be_confirmed_without_the_master_key_nor_from_another_account() -> None:
    known = Fingerprints(bytes(32)).of(ACCOUNT, CONTENT)
    assert known != hashlib.sha256(CONTENT).hexdigest()
    assert known != Fingerprints(bytes([1] * 32)).of(ACCOUNT, CONTENT)
    assert known != Fingerprints(bytes(32)).of(OTHER, CONTENT)
