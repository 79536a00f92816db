"""A store, a key store and a database in memory, for tests that run many worlds a second."""

from io import BytesIO
from typing import IO, ParamSpec, TypeVar

from sqlalchemy import create_engine
from sqlalchemy.pool import StaticPool

from adapters.database import Work
from adapters.storage import StoredObject, checked_key
from contracts.ids import AccountId
from read_models.tables import METADATA

T = TypeVar("T")
P = ParamSpec("P")


class MemoryStorage:
    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}

    async def put(self, key: str, body: bytes) -> None:
        self.objects[checked_key(key)] = body

    def staged(self) -> IO[bytes]:
        return BytesIO()

    async def put_file(self, key: str, file: IO[bytes]) -> None:
        file.seek(0)
        await self.put(key, file.read())

    async def create(self, key: str, body: bytes) -> bool:
        return self.objects.setdefault(checked_key(key), body) is body

    async def get(self, key: str) -> bytes | None:
        return self.objects.get(checked_key(key))

    async def open(self, key: str) -> StoredObject | None:
        raise LookupError(key)

    async def delete(self, key: str) -> None:
        self.objects.pop(checked_key(key), None)

    def public_url(self, key: str) -> str | None:
        return f"memory:{key}"

    async def close(self) -> None:
        return


class MemoryKeyStore:
    def __init__(self) -> None:
        self.makes_keys = True
        self._keys: dict[AccountId, bytes] = {}

    async def get(self, account: AccountId) -> bytes | None:
        return self._keys.get(account)

    async def create(self, account: AccountId, wrapped: bytes) -> bytes:
        return self._keys.setdefault(account, wrapped)


class MemoryDatabase:
    """One engine for all worlds of a process: its statements are compiled once."""

    def __init__(self) -> None:
        self._engine = create_engine(
            "sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False}
        )
        METADATA.create_all(self._engine)

    def clear(self) -> None:
        with self._engine.begin() as connection:
            for table in METADATA.sorted_tables:
                connection.execute(table.delete())

    def now(self, work: Work[P, T], *arguments: P.args, **named: P.kwargs) -> T:
        with self._engine.begin() as connection:
            return work(connection, *arguments, **named)

    async def read(self, work: Work[P, T], *arguments: P.args, **named: P.kwargs) -> T:
        return self.now(work, *arguments, **named)

    async def write(self, work: Work[P, T], *arguments: P.args, **named: P.kwargs) -> T:
        return self.now(work, *arguments, **named)

    async def close(self) -> None:
        self._engine.dispose()
