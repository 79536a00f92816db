"""What a decision and a reader find in an account's rows."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, create_engine

import read_models
from contracts.events import (
    AccessTokenIssued,
    AccessTokenRevoked,
    AccountOpened,
    AnyEvent,
    CreditsCharged,
    CreditsGranted,
    EndpointRegistered,
    EndpointSecretRotated,
)
from contracts.events.account import Role
from contracts.ids import EndpointId, TokenId
from contracts.subjects import account_subject
from domain.account import NeededFacts
from read_models import accounts, positions
from tests.support import examples
from tests.support.examples import ACCOUNT, SEALED

SUBJECT = account_subject(ACCOUNT)
GRANTED = CreditsGranted(account_id=ACCOUNT, amount=10, reason="welcome")


@pytest.fixture
def connection() -> Iterator[Connection]:
    engine = create_engine("sqlite://")
    with engine.begin() as opened:
        positions.create(opened, "epoch")
        yield opened
    engine.dispose()


def test_an_account_shows_whose_it_is(connection: Connection) -> None:
    opened = AccountOpened(account_id=ACCOUNT, owner=examples.OTHER)
    read_models.apply(connection, [examples.recorded(1, SUBJECT, opened, GRANTED)])
    state = accounts.snapshot(connection, ACCOUNT, NeededFacts())
    assert (state.owner, state.exists, state.available) == (examples.OTHER, True, 10)
    nobody = accounts.snapshot(connection, examples.OTHER, NeededFacts())
    assert (nobody.owner, nobody.exists) == (None, False)


def test_an_accounts_row_is_as_new_as_its_own_last_commit(connection: Connection) -> None:
    endpoint = EndpointId("ep_1")
    registered = EndpointRegistered(
        account_id=ACCOUNT, endpoint_id=endpoint, url=SEALED, types=("a",)
    )
    rotated = EndpointSecretRotated(account_id=ACCOUNT, endpoint_id=endpoint)
    events: tuple[AnyEvent, ...] = (GRANTED, registered, rotated)
    for number, event in enumerate(events, start=1):
        read_models.apply(connection, [examples.recorded(number, SUBJECT, event)])
    state = accounts.snapshot(connection, ACCOUNT, NeededFacts(endpoints=True))
    assert (state.sequence, list(state.endpoints)) == (3, [endpoint])
    assert accounts.find(connection, ACCOUNT).sequence == 1, "a reader of credits sees no change"


def test_a_revoked_token_is_known_to_whoever_asks_for_it(connection: Connection) -> None:
    token = TokenId("t1")
    issued = AccessTokenIssued(account_id=ACCOUNT, token_id=token, sha256="ab", role=Role.USER)
    revoked = AccessTokenRevoked(account_id=ACCOUNT, token_id=token)
    read_models.apply(connection, [examples.recorded(1, SUBJECT, issued)])
    wanted = NeededFacts(tokens=(token,))
    assert accounts.snapshot(connection, ACCOUNT, wanted).revoked_tokens == frozenset()
    read_models.apply(connection, [examples.recorded(2, SUBJECT, revoked)])
    assert accounts.snapshot(connection, ACCOUNT, wanted).revoked_tokens == {token}


def test_an_account_is_shown_as_an_earlier_commit_left_it(connection: Connection) -> None:
    job = examples.a_job_id()
    charged = CreditsCharged(account_id=ACCOUNT, job_id=job, amount=1)
    events: tuple[AnyEvent, ...] = (GRANTED, examples.reserved(job), charged, GRANTED)
    for number, event in enumerate(events, start=1):
        read_models.apply(connection, [examples.recorded(number, SUBJECT, event)])

    def at(sequence: int) -> tuple[int, int, int, int]:
        state = accounts.as_of(connection, ACCOUNT, sequence).account
        return state.available, state.held, state.charged, state.granted

    assert [at(number) for number in (1, 2, 3, 4)] == [
        (10, 0, 0, 10),
        (9, 1, 0, 10),
        (9, 0, 1, 10),
        (19, 0, 1, 20),
    ]
