"""Handles many infographs at once: deletes, retries, cancels, or sends them as one ZIP file."""

import zipfile
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Annotated, Literal

import msgspec
from litestar import Response, post
from litestar.params import JSONBody
from litestar.response import Stream
from msgspec import UNSET, Meta, Struct, UnsetType

from adapters.storage import StorageUnavailable
from application.clock import now
from contracts.ids import AccountId, JobId
from domain.job_kinds.infograph import Infograph
from domain.refusals import Refused
from read_models.jobs import Job
from services.api.dependencies import Api, Injected
from services.api.handlers.answers import NO_STORE, REPLAYED, committed
from services.api.handlers.end_jobs import cancel_one, delete_one
from services.api.handlers.idempotency import check_key
from services.api.handlers.request_context import RequestContext
from services.api.handlers.request_work import job_ids_of
from services.api.handlers.retry_jobs import retry_one

IDS_MAX = 100
ZIP_NAME = "infographs.zip"


ENDS_ALL = {"idempotency_key_reused", "idempotency_in_flight"}  # Refuse the whole request.


class BulkAction(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    action: Literal["delete", "retry", "cancel", "download"]
    ids: Annotated[list[str], Meta(min_length=1, max_length=IDS_MAX)]


class ItemResult(Struct, kw_only=True):
    """What became of one id. `code` says why it was refused, `retried_as` names the new job; in a
    ZIP file's own list, `no_file` and `unavailable` say why its file is not there.
    """

    id: str
    status: Literal[
        "deleted", "cancelled", "pending", "refused", "included", "no_file", "unavailable"
    ]
    code: str | UnsetType = UNSET
    retried_as: JobId | UnsetType = UNSET


class BulkResults(Struct, kw_only=True):
    """What became of each id, in the order in which they were given."""

    results: list[ItemResult]
    as_of: str


class Acted(Struct, frozen=True):
    """What the answer shows of one id, and the sequence of its commit."""

    shown: ItemResult
    sequence: int = 0
    replayed: bool = False


@post("/bulk", status_code=200)
async def bulk_actions(
    api: Injected[Api], context: Injected[RequestContext], data: JSONBody[BulkAction]
) -> Response[BulkResults] | Stream:
    """Act on each id; one bad id does not stop the others. `download` answers with a ZIP file."""
    ids = list(dict.fromkeys(data.ids))
    api.count_requests(context.caller.token_id, len(ids) - 1)  # The guard has counted one.
    if data.action == "download":
        return await _download(api, context.account, ids)
    await check_key(api, context, data)
    found = [await _result(api, context, each, data) for each in ids]
    written = [each for each in found if each.sequence > 0]
    newest = max((each.sequence for each in written), default=api.changes.position)
    replayed = bool(written) and all(each.replayed for each in written)
    document = BulkResults(results=[each.shown for each in found], as_of=api.cursor(newest))
    return committed(document, 200, REPLAYED if replayed else None)


async def _result(api: Api, context: RequestContext, text: str, data: BulkAction) -> Acted:
    try:
        return await _act(api, context, text, data)
    except Refused as refused:
        if refused.code in ENDS_ALL:
            raise
        return Acted(ItemResult(id=text, status="refused", code=refused.code))


async def _act(api: Api, context: RequestContext, text: str, data: BulkAction) -> Acted:
    if data.action == "delete":
        sequence = await delete_one(api, context, text)
        return Acted(ItemResult(id=text, status="deleted"), sequence)
    if data.action == "cancel":
        job = await api.job_of(context.account, text, Infograph.name)
        sequence = await cancel_one(api, context, job)
        return Acted(ItemResult(id=text, status="cancelled"), sequence)
    result = await retry_one(api, context, text, data)
    shown = ItemResult(id=text, status="pending", retried_as=job_ids_of(result)[0])
    return Acted(shown, result.sequence, result.replayed)


async def _download(api: Api, account: AccountId, ids: list[str]) -> Stream:
    """Look all ids up first: once the first byte is sent, nothing can be refused any more."""
    found, results = list[Job](), list[ItemResult]()
    for text in ids:
        try:
            job = await api.job_of(account, text, Infograph.name)
        except Refused as refused:
            results.append(ItemResult(id=text, status="refused", code=refused.code))
            continue
        has_file = any(each.key is not None for each in job.artifacts)
        results.append(ItemResult(id=text, status="included" if has_file else "no_file"))
        if has_file:
            found.append(job)
    if not found:
        raise Refused("not_found", "none of these has a file", results=msgspec.to_builtins(results))
    headers = {"Content-Disposition": f'attachment; filename="{ZIP_NAME}"', **NO_STORE}
    return Stream(_zipped(api, found, results), headers=headers, media_type="application/zip")


class _Pipe:
    """The file that `zipfile` writes into. It keeps only the bytes that were not taken yet."""

    def __init__(self) -> None:
        self._written = bytearray()

    def write(self, data: bytes) -> int:
        self._written += data
        return len(data)

    def flush(self) -> None:
        return

    def take(self) -> bytes:
        taken = bytes(self._written)
        self._written.clear()
        return taken


async def _zipped(api: Api, found: list[Job], results: list[ItemResult]) -> AsyncIterator[bytes]:
    """Yield the ZIP file, with one part of one file in memory at a time. Pictures are not
    compressed again: it would save nothing.
    """
    pipe = _Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_STORED) as archive:  # type: ignore[call-overload]
        for job in found:
            for number, artifact in enumerate(job.artifacts):
                key = artifact.key or ""
                file = None
                with suppress(StorageUnavailable):
                    file = await api.storage.open(key)
                if file is None:
                    results.append(ItemResult(id=job.job_id, status="unavailable"))
                    continue
                suffix = f"-{number + 1}" if number else ""
                name = f"{job.job_id}{suffix}.{key.rpartition('.')[2]}"
                with archive.open(zipfile.ZipInfo(name, now().timetuple()[:6]), "w") as entry:
                    async for part in file.parts:
                        entry.write(part)
                        yield pipe.take()
        archive.writestr("results.json", msgspec.json.encode({"results": results}))
    yield pipe.take()
