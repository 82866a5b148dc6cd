"""A small bounded pool of Trio connections (psycopg's own is asyncio-only).

Reads and everyday writes go through it; the journal's connection is its writer's own. Nothing here
waits without a bound: for a free connection, for the server to answer, for a commit.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, LiteralString

import psycopg
import trio

from storage.driver import SETTLE_WITHIN_S, Row, TrioConnection
from storage.errors import StorageError, Unavailable, translated

Params = Sequence[Any] | Mapping[str, Any]

DEFAULT_SIZE: Final = 8
DEFAULT_ACQUIRE_WITHIN_S: Final = 5.0
# Whoever gets a place at the last moment, or is woken late, still has time to open a session.
_CONNECT_AT_LEAST_S: Final = 1.0


class Pool:
    """At most `size` sessions, opened when needed, kept when healthy. Autocommit, binary results.

    Every method raises `Unavailable` while the database is away or no connection comes free in
    time, `OutcomeUnknown` when the connection died under a write, `UniqueViolation` or
    `ConstraintViolation` by constraint name, and psycopg's own error for anything else. A
    connection lost is replaced at the next use.
    """

    def __init__(
        self, dsn: str, size: int, acquire_within_s: float, session: LiteralString | None
    ) -> None:
        self._dsn = dsn
        self._session = session
        self._acquire_within_s = acquire_within_s
        self._free = trio.Semaphore(size)
        self._idle: list[TrioConnection] = []
        self._closed = False

    @classmethod
    @asynccontextmanager
    async def opened(
        cls,
        dsn: str,
        size: int = DEFAULT_SIZE,
        *,
        acquire_within_s: float = DEFAULT_ACQUIRE_WITHIN_S,
        session: LiteralString | None = None,
    ) -> AsyncIterator["Pool"]:
        """A pool on a database that answers; raises Unavailable when it does not.

        `session` is a statement that every new session begins with.
        """
        pool = cls(dsn, size, acquire_within_s, session)
        try:
            async with pool.connection():
                pass
            yield pool
        finally:
            pool._close()

    @asynccontextmanager
    async def connection(self, *, reads: bool = False) -> AsyncIterator[TrioConnection]:
        """Borrow a session in autocommit. What dies under the caller counts as OutcomeUnknown,
        or as Unavailable when the caller only `reads`."""
        connection = await self._acquire()
        try:
            yield connection
        except psycopg.Error as error:
            raise translated(error, lost=connection.closed, sent_write=not reads) from error
        finally:
            self._release(connection)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[TrioConnection]:
        """Borrow a session inside BEGIN … COMMIT; any exception rolls back.

        COMMIT is shielded, with the connection's deadline: cancelling it would leave its outcome
        open. A connection lost before COMMIT is Unavailable (nothing was written), during it
        OutcomeUnknown. `connection.transaction()` inside makes savepoints.
        """
        connection = await self._acquire()
        committing = False
        try:
            await connection.execute("BEGIN")
            yield connection
            committing = True
            with trio.CancelScope(shield=True):
                ended = await connection.execute("COMMIT")
        except BaseException as error:
            await _roll_back(connection)
            if isinstance(error, psycopg.Error):
                raise translated(error, lost=connection.closed, sent_write=committing) from error
            raise
        finally:
            self._release(connection)
        if ended.statusmessage != "COMMIT":
            raise StorageError("the transaction had failed inside its block and was rolled back")

    async def fetch(self, sql: str, params: Params = ()) -> list[Row]:
        """Every row of one statement.

        A statement that starts with SELECT counts as reading: lost, it is Unavailable.
        """
        connection = await self._acquire()
        try:
            return await (await connection.execute(sql, params or None)).fetchall()
        except psycopg.Error as error:
            raise _translated(error, connection, sql) from error
        finally:
            self._release(connection)

    async def fetch_one(self, sql: str, params: Params = ()) -> Row | None:
        """The first row of one statement, or None."""
        rows = await self.fetch(sql, params)
        return rows[0] if rows else None

    async def execute(self, sql: str, params: Params = ()) -> int:
        """Run one statement; how many rows it touched."""
        connection = await self._acquire()
        try:
            return (await connection.execute(sql, params or None)).rowcount
        except psycopg.Error as error:
            raise _translated(error, connection, sql) from error
        finally:
            self._release(connection)

    async def _acquire(self) -> TrioConnection:
        if self._closed:
            raise Unavailable("the pool is closed")
        deadline = trio.current_time() + self._acquire_within_s
        await self._wait_for_place(deadline)
        try:
            left_s = deadline - trio.current_time()
            return self._kept() or await self._connect(max(left_s, _CONNECT_AT_LEAST_S))
        except BaseException:
            self._free.release()
            raise

    async def _wait_for_place(self, deadline: float) -> None:
        try:
            self._free.acquire_nowait()  # spares the usual case a turn of the scheduler
        except trio.WouldBlock:
            with trio.move_on_at(deadline):
                await self._free.acquire()
                return
            raise Unavailable(f"no connection came free in {self._acquire_within_s} s") from None

    def _kept(self) -> TrioConnection | None:
        """A healthy session from before, the most recently used first."""
        while self._idle:
            connection = self._idle.pop()
            if connection.is_quiet():
                return connection
            connection.discard()
        return None

    async def _connect(self, within_s: float) -> TrioConnection:
        try:
            connection = await TrioConnection.connect(self._dsn, within_s=within_s)
        except psycopg.Error as error:
            raise translated(error, lost=True, sent_write=False) from error
        if self._session is not None:
            await self._begin(connection, self._session)
        return connection

    async def _begin(self, connection: TrioConnection, statement: LiteralString) -> None:
        """Run the statement a session begins with; one that fails takes the session along."""
        try:
            await connection.execute(statement)
        except BaseException as error:
            connection.discard()
            if isinstance(error, psycopg.Error):
                raise translated(error, lost=True, sent_write=False) from error
            raise

    def _release(self, connection: TrioConnection) -> None:
        if connection.is_idle and not self._closed:
            self._idle.append(connection)
        else:
            connection.discard()
        self._free.release()

    def _close(self) -> None:
        self._closed = True
        while self._idle:
            self._idle.pop().discard()


def _translated(error: psycopg.Error, connection: TrioConnection, sql: str) -> Exception:
    reads = sql.lstrip()[:6].upper() == "SELECT"
    return translated(error, lost=connection.closed, sent_write=not reads)


async def _roll_back(connection: TrioConnection) -> None:
    """End a failed transaction, shielded and bounded; what cannot be ended is closed."""
    with trio.CancelScope(shield=True, deadline=trio.current_time() + SETTLE_WITHIN_S):
        try:
            if not connection.closed and not connection.is_idle:
                await connection.execute("ROLLBACK")
        except psycopg.Error:
            connection.discard()
