"""psycopg 3 on Trio: a connection whose every wait is Trio's (storage-facts.md, "Driver").

psycopg's protocol is a set of generators that yield what they wait for and are sent what became
ready. Only `AsyncConnection.wait`, connecting and cancelling touch asyncio; those are replaced.
"""

import errno
import os
import select
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Final, Self, TypeVar

import psycopg
import trio
from psycopg import pq
from psycopg.abc import ConnDict, PQGen, PQGenConn, Transformer
from psycopg.conninfo import conninfo_attempts, conninfo_to_dict, make_conninfo
from psycopg.rows import AsyncRowFactory, tuple_row
from psycopg.waiting import Ready, Wait

Row = tuple[Any, ...]
_T = TypeVar("_T")

# How long a cancelled query gets to be cancelled and drained before its connection is given up.
SETTLE_WITHIN_S: Final = 2.0
# A socket that is always ready must not keep the other tasks from running.
_POLLS_PER_CHECKPOINT: Final = 64
# A unix socket whose queue of callers is full says so at once, where TCP would let them wait; the
# server is there and only busy. libpq passes the system's words on, and nothing else.
_QUEUE_FULL: Final = os.strerror(errno.EAGAIN)
_QUEUE_PAUSE_S: Final = 0.02
# A server that vanished without a word is noticed in about 10 s (TCP only; sockets ignore these).
_LIVENESS: Final[ConnDict] = {
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
    "gssencmode": "disable",
}


def is_dsn(text: str) -> bool:
    """Whether libpq can read it as a connection string or URL; says nothing of a server there."""
    try:
        conninfo_to_dict(text)
    except psycopg.ProgrammingError:
        return False
    return True


class BinaryCursor(psycopg.AsyncCursor[Row]):
    """A cursor that asks for binary results."""

    def __init__(self, connection: "TrioConnection", **options: Any) -> None:
        super().__init__(connection, **options)
        self.format = pq.Format.BINARY


class TrioConnection(psycopg.AsyncConnection[Row]):
    """One PostgreSQL session under Trio: autocommit, binary results, prepared statements.

    A cancelled query is cancelled in the server too and drained; where the session's state could
    then be in doubt (a transaction or pipeline is open, or the server did not settle in time) the
    connection is closed. Ask `closed` before using it again.
    """

    answer_within_s: float = 30.0
    """Longest wait for one answer; past it the connection is closed and OperationalError raised."""

    def __init__(
        self,
        pgconn: "pq.abc.PGconn",
        row_factory: AsyncRowFactory[Row] = tuple_row,
    ) -> None:
        super().__init__(pgconn, row_factory)
        self.prepared: dict[bytes, Transformer] = {}  # named statements, and how their rows load
        self.lock = _Lock()  # type: ignore[assignment]  # psycopg's is asyncio's
        self.cursor_factory = BinaryCursor

    @classmethod
    async def connect(cls, dsn: str, *, within_s: float = 5.0) -> Self:  # type: ignore[override]
        """Open a session at a libpq connection string or URL.

        Raises psycopg.OperationalError when no server answers at any of its addresses.
        """
        with trio.move_on_after(within_s):
            return await cls._connect_to_any(await _addresses(dsn))
        raise psycopg.errors.ConnectionTimeout(f"no connection within {within_s} s")

    @classmethod
    async def _connect_to_any(cls, addresses: list[str]) -> Self:
        for address in addresses[:-1]:
            try:
                return await cls._connect_to(address)
            except psycopg.OperationalError:
                continue
        return await cls._connect_to(addresses[-1])

    @classmethod
    async def _connect_to(cls, address: str) -> Self:
        while True:
            try:
                connection = await _drive_connecting(cls._connect_gen(address))
            except OSError as error:
                raise psycopg.OperationalError(str(error)) from error
            except psycopg.OperationalError as error:
                if _QUEUE_FULL not in str(error):
                    raise
                await trio.sleep(_QUEUE_PAUSE_S)
            else:
                connection._autocommit = True
                return connection

    async def wait(self, gen: PQGen[_T], interval: float = 0.0, timeout: float | None = None) -> _T:
        """Run one protocol generator to its end. `interval` is psycopg's and not needed here."""
        within_s = self.answer_within_s if timeout is None else timeout
        with trio.move_on_after(within_s):
            try:
                return await _drive(gen, self.pgconn.socket)
            except (OSError, trio.ClosedResourceError) as error:
                self.discard()
                raise psycopg.OperationalError("connection lost") from error
            except (trio.Cancelled, KeyboardInterrupt):
                await self._settle(gen)
                raise
        self.discard()
        raise psycopg.OperationalError(f"no answer from the database within {within_s} s")

    async def cancel_safe(self, *, timeout: float = SETTLE_WITHIN_S) -> None:
        """Ask the server to cancel what this connection is running."""
        with trio.move_on_after(timeout):
            await _drive_connecting(self._cancel_gen())
            return
        raise psycopg.errors.CancellationTimeout("cancellation timeout expired")

    async def close(self) -> None:
        """Close the session; never waits."""
        self.discard()

    def discard(self) -> None:
        """Close the socket at once, waking whoever waits for it. Harmless when closed already."""
        if not self.closed:
            trio.lowlevel.notify_closing(self.pgconn.socket)
        self._closed = True
        self.pgconn.finish()

    @property
    def is_idle(self) -> bool:
        """Whether the session is open, outside any transaction, and nothing is under way."""
        pgconn = self.pgconn
        return (
            pgconn.transaction_status == pq.TransactionStatus.IDLE
            and pgconn.pipeline_status == pq.PipelineStatus.OFF
        )

    def is_quiet(self) -> bool:
        """Whether the idle session looks alive: unasked-for bytes mean an end or a farewell."""
        return self.is_idle and not _poll(self.pgconn.socket, Wait.R)

    async def _settle(self, gen: PQGen[Any]) -> None:
        """Bring a cancelled session back to a known state, or close it."""
        in_block = self._num_transactions > 0 or self._pipeline is not None
        if self.pgconn.transaction_status == pq.TransactionStatus.ACTIVE:
            with trio.CancelScope(shield=True, deadline=trio.current_time() + SETTLE_WITHIN_S):
                await self._cancel_and_drain(gen)
        if in_block or not self.is_idle:
            self.discard()

    async def _cancel_and_drain(self, gen: PQGen[Any]) -> None:
        try:
            await self.cancel_safe()
            await _drive(gen, self.pgconn.socket)
        except psycopg.errors.QueryCanceled:
            pass  # what was asked for
        except (psycopg.Error, OSError, trio.ClosedResourceError):
            self.discard()


class _Lock:
    """A lock that costs no checkpoint when free: waiting for the answer is the checkpoint."""

    def __init__(self) -> None:
        self._lock = trio.Lock()

    async def __aenter__(self) -> None:
        try:
            self._lock.acquire_nowait()
        except trio.WouldBlock:
            await self._lock.acquire()

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self._lock.release()


async def _addresses(dsn: str) -> list[str]:
    """One connection string for each address the DSN's hosts resolve to, in order."""
    params: ConnDict = {**_LIVENESS, **conninfo_to_dict(dsn)}
    if not str(params.get("host") or "").startswith("/"):
        attempts = await trio.to_thread.run_sync(
            lambda: list(conninfo_attempts(params)), abandon_on_cancel=True
        )
    else:
        attempts = [params]
    return [make_conninfo("", **attempt) for attempt in attempts]


async def _drive(gen: PQGen[_T], fd: int) -> _T:
    """Run `gen` on a socket that stays the same."""
    pacer = _checkpoints()
    try:
        wanted = next(gen)
        while True:
            wanted = gen.send(await _ready(fd, wanted, pacer))
    except StopIteration as end:
        value: _T = end.value
        return value


async def _drive_connecting(gen: PQGenConn[_T]) -> _T:
    """Run `gen`, which names its socket anew with each wait."""
    pacer = _checkpoints()
    try:
        fd, wanted = next(gen)
        while True:
            fd, wanted = gen.send(await _ready(fd, wanted, pacer))
    except StopIteration as end:
        value: _T = end.value
        return value


def _checkpoints() -> Iterator[bool]:
    """True for every poll after which the other tasks must get a turn."""
    while True:
        for _ in range(_POLLS_PER_CHECKPOINT):
            yield False
        yield True


async def _ready(fd: int, wanted: Wait, pacer: Iterator[bool]) -> Ready:
    """What became ready. Writing nearly always is, so ask before waiting: waiting first makes
    pipelined work 20 times slower (storage-facts.md)."""
    if wanted & Wait.W:
        if next(pacer):
            await trio.lowlevel.checkpoint()
        if ready := _poll(fd, wanted):
            return ready
    if wanted == Wait.R:
        await trio.lowlevel.wait_readable(fd)
        return Ready.R
    if wanted == Wait.W:
        await trio.lowlevel.wait_writable(fd)
        return Ready.W
    return await _ready_for_either(fd)


async def _ready_for_either(fd: int) -> Ready:
    ready = Ready.NONE
    failure: Exception | None = None  # raised here, not out of the nursery in a group of one
    async with trio.open_nursery() as nursery:

        async def watch(wait: Any, state: Ready) -> None:
            nonlocal ready, failure
            try:
                await wait(fd)
                ready = Ready(ready | state)
            except (OSError, trio.ClosedResourceError) as error:
                failure = error
            nursery.cancel_scope.cancel()

        nursery.start_soon(watch, trio.lowlevel.wait_readable, Ready.R)
        nursery.start_soon(watch, trio.lowlevel.wait_writable, Ready.W)
    if failure is not None:
        raise failure
    return ready


def _poll(fd: int, wanted: Wait) -> Ready:
    """What is ready right now; an error or hang-up counts as ready, so that it is found."""
    poller = select.poll()
    poller.register(
        fd,
        (select.POLLIN if wanted & Wait.R else 0) | (select.POLLOUT if wanted & Wait.W else 0),
    )
    ready = 0
    for _, event in poller.poll(0):
        ready |= Ready.R if event & ~select.POLLOUT else 0
        ready |= Ready.W if event & ~select.POLLIN else 0
    return Ready(ready)
