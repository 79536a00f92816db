"""What readers see. One file is one read model: its tables, its projection and its queries."""

from collections.abc import Sequence

from sqlalchemy import Connection

from contracts.announcement import ChangedRow
from contracts.commit import Recorded
from contracts.events import Event
from read_models import (
    access_tokens,
    accounts,
    answered_requests,
    commit_index,
    deliveries,
    durations,
    endpoints,
    exclusive_keys,
    job_commits,
    jobs,
    owed,
    provider_requests,
    runs,
    waiting_jobs,
    waiting_runs,
)
from read_models.unit_of_work import At, Model, UnitOfWork

MODELS: tuple[Model, ...] = (
    jobs.MODEL,
    jobs.RETRIED,
    accounts.MODEL,
    access_tokens.MODEL,
    waiting_jobs.MODEL,
    owed.MODEL,
    durations.MODEL,
    endpoints.MODEL,
    deliveries.MODEL,
    exclusive_keys.MODEL,
    runs.MODEL,
    waiting_runs.MODEL,
)
# Written once a commit, not once an event.
COMMIT_MODELS = (job_commits.project, answered_requests.project, provider_requests.project)

_BY_EVENT = {
    event: tuple(model for model in MODELS if event in model.events)
    for event in {event for model in MODELS for event in model.events}
}


def apply(connection: Connection, batch: list[Recorded]) -> tuple[ChangedRow, ...]:
    """Fold a batch of commits into the tables; return which rows changed.

    Rows are read once and written once a batch, however often the batch changes them.
    """
    if not batch:
        return ()
    facts = [
        (event, At.of(recorded, index))
        for recorded in batch
        for index, event in enumerate(recorded.commit.events)
        if type(event) in _BY_EVENT
    ]
    unit = UnitOfWork(connection)
    for model, event, at in _loaded(facts, unit):
        model.project(event, at, unit)
    for recorded in batch:
        for project in COMMIT_MODELS:
            project(recorded, unit)
    commit_index.project(connection, batch)
    changed = unit.flush()
    answered_requests.prune(connection, batch)
    return changed


def _loaded(facts: Sequence[tuple[Event, At]], unit: UnitOfWork) -> list[tuple[Model, Event, At]]:
    """Return which read model folds which fact, with all the rows loaded that this takes."""
    changes = []
    for event, at in facts:
        for model in _BY_EVENT[type(event)]:
            key = model.key(event, at)
            if key is not None:
                unit.want(model.table, key)
                changes.append((model, event, at))
    unit.load()
    for model, event, _ in changes:
        if model.also is not None and (key := model.also(event, unit)) is not None:
            unit.want(model.table, key)
    unit.load()
    return changes
