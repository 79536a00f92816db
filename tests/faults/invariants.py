"""What must hold after any run, checked from outside: from the log, the rows and the provider."""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from typing import Any, Protocol, TypeVar

from msgspec import Struct
from sqlalchemy import Connection, create_engine, select

import read_models
from application.event_log import EventLog
from contracts.commit import Recorded
from contracts.events import (
    JOB_ENDS,
    RUN_ENDS,
    AccountOpened,
    CreditsCharged,
    CreditsGranted,
    CreditsReleased,
    CreditsReserved,
    CreditsRevoked,
    EndpointRegistered,
    JobCompleted,
    JobEvent,
    JobRequested,
    JobSubmitted,
    NotificationFailed,
    RunEvent,
    RunRequested,
    RunStepStarted,
    SubmissionStarted,
)
from contracts.ids import AccountId, EndpointId, JobId, RunId
from contracts.job_state import JobState
from contracts.run_state import RunState
from domain import run
from domain.job import evolve, requested
from domain.notifications import TYPES
from read_models import deliveries, positions
from read_models.tables import METADATA

T = TypeVar("T")
MOVES: dict[type[Any], tuple[int, int]] = {  # What each adds to available and to held.
    CreditsGranted: (1, 0),
    CreditsRevoked: (-1, 0),
    CreditsReserved: (-1, 1),
    CreditsCharged: (0, -1),
    CreditsReleased: (1, -1),
}


class Rows(Protocol):
    """Read models that can be looked at right now."""

    def now(self, work: Callable[[Connection], T]) -> T: ...


class Witness(Struct):
    """What is looked at. `accepted` are the jobs that a client saw accepted."""

    log: EventLog
    database: Rows
    posts: Mapping[JobId, int]
    accepted: AbstractSet[JobId]

    async def commits(self) -> list[Recorded]:
        end, found = await self.log.end(), list[Recorded]()
        while len(found) < end:
            async for entries in self.log.follow(len(found)):
                found += [entry.recorded() for entry in entries]
                if len(found) >= end:
                    break
        return found[:end]

    async def all_ended(self) -> bool:
        commits = await self.commits()
        wanted = {e.job_id for r in commits for e in r.commit.events if isinstance(e, JobRequested)}
        ended = {e.job_id for r in commits for e in r.commit.events if isinstance(e, JOB_ENDS)}
        runs = {e.run_id for r in commits for e in r.commit.events if isinstance(e, RunRequested)}
        over = {e.run_id for r in commits for e in r.commit.events if isinstance(e, RUN_ENDS)}
        return (wanted | self.accepted) <= ended and runs <= over


async def check(witness: Witness) -> None:
    commits = await witness.commits()
    events = [event for recorded in commits for event in recorded.commit.events]
    _each_job_ends_and_is_settled_once(events, witness.accepted)
    _no_account_was_ever_overdrawn(commits)
    _no_post_without_its_record(events, witness.posts)
    _each_run_ends_once(events)
    _no_request_has_two_owners(events)
    _carried_states_are_the_folds(commits)
    _who_is_to_hear_of_an_end_is_sent_it(events, witness)
    _rebuilt_rows_equal_the_live_ones(commits, witness)


def _each_job_ends_and_is_settled_once(events: list[Any], accepted: AbstractSet[JobId]) -> None:
    ends = Counter(event.job_id for event in events if isinstance(event, JOB_ENDS))
    settled = Counter(
        event.job_id for event in events if isinstance(event, CreditsCharged | CreditsReleased)
    )
    wanted = {event.job_id for event in events if isinstance(event, JobRequested)}
    assert accepted <= wanted, "an accepted job is not in the log"
    assert ends == settled == Counter(dict.fromkeys(wanted, 1))
    charged = {event.job_id for event in events if isinstance(event, CreditsCharged)}
    assert charged == {event.job_id for event in events if isinstance(event, JobCompleted)}


def _no_account_was_ever_overdrawn(commits: list[Recorded]) -> None:
    available: Counter[AccountId] = Counter()
    held: Counter[AccountId] = Counter()
    for recorded in commits:
        for event in recorded.commit.events:
            for kind, (own, hold) in MOVES.items():
                if isinstance(event, kind):
                    available[event.account_id] += own * event.amount
                    held[event.account_id] += hold * event.amount
        assert all(amount >= 0 for amount in available.values()), recorded.sequence
        assert all(amount >= 0 for amount in held.values()), recorded.sequence
    assert not any(held.values()), "a hold was never settled"


def _no_post_without_its_record(events: list[Any], posts: Mapping[JobId, int]) -> None:
    started = Counter(event.job_id for event in events if isinstance(event, SubmissionStarted))
    for job, count in posts.items():
        assert count <= started[job], f"{job}: {count} POSTs, {started[job]} attempts"


def _each_run_ends_once(events: list[Any]) -> None:
    wanted = {event.run_id for event in events if isinstance(event, RunRequested)}
    ends = Counter(event.run_id for event in events if isinstance(event, RUN_ENDS))
    assert ends == Counter(dict.fromkeys(wanted, 1))
    started = Counter(event.job_id for event in events if isinstance(event, RunStepStarted))
    assert all(count == 1 for count in started.values()), "a step was started twice"


def _no_request_has_two_owners(events: list[Any]) -> None:
    owners: dict[str, JobId] = {}
    for event in events:
        if isinstance(event, JobSubmitted):
            assert owners.setdefault(event.request_id, event.job_id) == event.job_id


def _carried_states_are_the_folds(commits: list[Recorded]) -> None:
    folded: dict[JobId, JobState] = {}
    runs: dict[RunId, RunState] = {}
    for recorded in commits:
        for event in recorded.commit.events:
            if isinstance(event, JobRequested):
                folded[event.job_id] = requested(event, recorded.sequence)
            elif isinstance(event, JobEvent):
                folded[event.job_id] = evolve(folded[event.job_id], event)
            elif isinstance(event, RunRequested):
                runs[event.run_id] = run.requested(event, recorded.sequence)
            elif isinstance(event, RunEvent):
                runs[event.run_id] = run.evolve(runs[event.run_id], event)
        state = recorded.commit.run
        assert state is None or state == runs[state.run_id], recorded.sequence
        carried = recorded.commit.job
        if carried is not None:
            assert carried == folded[carried.job_id], recorded.sequence


def _who_is_to_hear_of_an_end_is_sent_it(events: list[Any], witness: Witness) -> None:
    """The account's own endpoints and its owner's, as they stood in the log before the end."""
    owners: dict[AccountId, AccountId | None] = {}
    registered: dict[EndpointId, EndpointRegistered] = {}
    wanted: set[tuple[str, str]] = set()
    for event in events:
        match event:
            case AccountOpened(account_id=account, owner=owner):
                owners[account] = owner
            case EndpointRegistered(endpoint_id=endpoint):
                registered[endpoint] = event
            case NotificationFailed(endpoint_id=endpoint, disables=True):
                registered.pop(endpoint)
        if type(event) in TYPES:
            ended = event.job_id if isinstance(event, JobEvent) else event.run_id
            hearing = {event.account_id, owners.get(event.account_id)}
            wanted |= {
                (each.endpoint_id, ended)
                for each in registered.values()
                if each.account_id in hearing and TYPES[type(event)] in each.types
            }
    rows = witness.database.now(lambda connection: list(connection.execute(_DELIVERIES)))
    assert {(row.endpoint_id, row.object_id) for row in rows} == wanted


_DELIVERIES = select(deliveries.table.c.endpoint_id, deliveries.table.c.object_id)


def _rebuilt_rows_equal_the_live_ones(commits: list[Recorded], witness: Witness) -> None:
    rebuilt = create_engine("sqlite://")
    with rebuilt.begin() as connection:
        positions.create(connection, witness.log.epoch)
        read_models.apply(connection, commits)
        positions.advance(connection, 0, len(commits), commits[-1].commit.id)
        fresh = _rows(connection)
    rebuilt.dispose()
    assert witness.database.now(_rows) == fresh


def _rows(connection: Any) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = defaultdict(list)
    for table in METADATA.sorted_tables:
        found[table.name] = sorted(map(repr, connection.execute(select(table))))
    return found
