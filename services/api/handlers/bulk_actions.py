"""Handles many infographs at once: deletes, retries, cancels, or sends them as one ZIP file."""

import zipfile
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Annotated, Any, Literal

import msgspec
from litestar import Response, post
from litestar.params import JSONBody
from litestar.response import Stream
from msgspec import Meta, Struct

from adapters.http_server import AnyRequest, AnyResponse
from adapters.storage import StorageUnavailable, StoredObject
from application.clock import now
from domain.job_kinds.infograph import Infograph
from domain.refusals import Refused
from read_models.jobs import Job
from services.api.dependencies import Api, api_of
from services.api.handlers.answer_once import REPLAYED, Done, check_key
from services.api.handlers.authenticate_callers import caller_of, count_reads
from services.api.handlers.end_jobs import cancel_one, delete_one
from services.api.handlers.retry_jobs import retry_one

IDS_MAX = 100
ZIP_NAME = "infographs.zip"


class BulkAction(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    action: Literal["delete", "retry", "cancel", "download"]
    ids: Annotated[list[str], Meta(min_length=1, max_length=IDS_MAX)]


Act = Callable[[AnyRequest, str, Struct], Awaitable[Done]]
ACTS: dict[str, Act] = {"delete": delete_one, "retry": retry_one, "cancel": cancel_one}
ENDS_ALL = {"idempotency_key_reused", "idempotency_in_flight"}  # Said of the whole request.


@post("/bulk", status_code=200)
async def bulk_actions(request: AnyRequest, data: JSONBody[BulkAction]) -> AnyResponse:
    """Act on each id; one bad id does not stop the others. Download: a streamed ZIP file."""
    data = msgspec.json.decode(await request.body(), type=BulkAction)
    ids = list(dict.fromkeys(data.ids))
    count_reads(request, len(ids) - 1)  # One was counted at the door.
    if data.action == "download":
        return await _download(request, ids)
    await check_key(request, data)
    done = [await _act(request, ACTS[data.action], each, data) for each in ids]
    results = [{"id": text, **each.shown} for text, each in zip(ids, done, strict=True)]
    api, written = api_of(request), [each for each in done if each.sequence > 0]
    newest = max((each.sequence for each in written), default=api.changes.position)
    as_of = api.cursor(newest)
    headers = {"Darkroom-As-Of": as_of}
    if written and all(each.replayed for each in written):
        headers |= REPLAYED
    return Response({"results": results, "as_of": as_of}, status_code=200, headers=headers)


async def _act(request: AnyRequest, act: Act, text: str, body: Struct) -> Done:
    try:
        return await act(request, text, body)
    except Refused as refused:
        if refused.code in ENDS_ALL:
            raise
        return Done({"status": "refused", "code": refused.code}, 0)


async def _download(request: AnyRequest, ids: list[str]) -> AnyResponse:
    """Look first, so that what cannot be sent is told before the first byte."""
    api, account = api_of(request), caller_of(request).account_id
    found: list[Job] = []
    results: list[dict[str, Any]] = []
    for text in ids:
        try:
            job = await api.job_of(account, text, Infograph.name)
        except Refused as refused:
            results.append({"id": text, "status": "refused", "code": refused.code})
            continue
        has_file = any(each.key is not None for each in job.artifacts)
        results.append({"id": text, "status": "included" if has_file else "no_file"})
        if has_file:
            found.append(job)
    if not found:
        raise Refused("not_found", "none of these has a file", results=results)
    headers = {
        "Content-Disposition": f'attachment; filename="{ZIP_NAME}"',
        "Cache-Control": "no-store",
    }
    return Stream(_zipped(api, found, results), headers=headers, media_type="application/zip")


class _Pipe:
    """What a ZIP file writes into: the bytes go out as they come, none is kept."""

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


async def _zipped(
    api: Api, found: list[Job], results: list[dict[str, Any]]
) -> AsyncIterator[bytes]:
    """A part of one file in memory at a time; pictures are not compressed again."""
    pipe = _Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_STORED) as archive:  # type: ignore[call-overload]
        for job in found:
            for number, artifact in enumerate(job.artifacts):
                key = artifact.key or ""
                file = await _opened(api, key)
                if file is None:
                    results.append({"id": job.job_id, "status": "unavailable"})
                    continue
                suffix = f"-{number + 1}" if number else ""
                name = f"{job.job_id}{suffix}.{key.rpartition('.')[2]}"
                with archive.open(zipfile.ZipInfo(name, now().timetuple()[:6]), "w") as entry:
                    async for part in file.parts:
                        entry.write(part)
                        yield pipe.take()
        archive.writestr("results.json", msgspec.json.encode({"results": results}))
    yield pipe.take()


async def _opened(api: Api, key: str) -> StoredObject | None:
    try:
        return await api.storage.open(key)
    except StorageUnavailable:
        return None
