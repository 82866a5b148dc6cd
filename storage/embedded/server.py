"""One embedded PostgreSQL: started, kept running, stopped, and, on request, made to fail."""

import signal
from collections import deque
from typing import Final

import psycopg
import structlog
import trio

from storage.driver import TrioConnection
from storage.embedded import processes
from storage.embedded.child import Child
from storage.embedded.cluster import Cluster, path_for
from storage.embedded.errors import EmbeddedError
from storage.embedded.memory import shared_buffers, total_bytes
from storage.errors import translated

log = structlog.get_logger(__name__)

# Durability is never traded: fsync, full_page_writes and synchronous_commit are on, explicitly.
# The log names no statements, parameters or row contents (they may be secrets).
SETTINGS: Final = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "shared_buffers": shared_buffers(total_bytes()),
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    "jit": "off",
    "max_parallel_workers_per_gather": "0",
    "log_min_messages": "log",
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_checkpoints": "off",
}
# A crash leaves at most max_wal_size to replay; that takes seconds.
_READY_WITHIN_S: Final = 120.0
_READY_POLL_S: Final = 0.005
# Fast shutdown writes a checkpoint; immediate shutdown kills its children itself after 5 s.
_FAST_STOP_WITHIN_S: Final = 15.0
_IMMEDIATE_STOP_WITHIN_S: Final = 7.0
# The backends of a killed postmaster let go of the shared memory within moments of its death.
_START_TRIES: Final = 20
_START_RETRY_S: Final = 0.25
# More unasked-for ends than this in the window and we give up rather than flap.
_MOST_RESTARTS: Final = 5
_RESTART_WINDOW_S: Final = 60.0
_FIRST_BACKOFF_S: Final = 0.1
_SLOW_CYCLE_S: Final = 0.1
_SLOW_SHARE: Final = 0.9

TERMINATE_OTHERS = """
SELECT count(pg_terminate_backend(pid, 1000)) FROM pg_stat_activity
WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"""


class Postgres:
    """A running embedded PostgreSQL. `dsn` stays the same for as long as it is supervised."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._child: Child
        self._faults = trio.Lock()
        self._planned_pause_s: float | None = None
        self._serving = trio.Event()
        self.dsn = ""

    async def start(self) -> None:
        """Start the server and return when it serves.

        Raises EmbeddedError with PostgreSQL's own last complaint when it will not.
        """
        account = self._cluster.account()
        await stop_orphan(self._cluster)
        await self._cluster.create(account)
        for _ in range(_START_TRIES):
            self._cluster.forget_stale_postmaster()
            if dsn := await self._start_once():
                self.dsn = dsn
                self._serving.set()
                return
            await trio.sleep(_START_RETRY_S)
        raise EmbeddedError(f"PostgreSQL did not start: {self._cluster.last_complaint()}")

    async def _start_once(self) -> str | None:
        cluster = self._cluster
        account = cluster.account()
        settings = {**SETTINGS, "unix_socket_directories": str(cluster.socket_dir(account))}
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        program = cluster.bin_dir(account) / "postgres"
        with cluster.opened_log() as log_file, path_for(account, cluster.path) as (visible, fds):
            self._child = Child([program, "-D", visible, *options], account, log_file, keep_fds=fds)
        try:
            with trio.move_on_after(_READY_WITHIN_S):
                return await self._ready()
            await self.stop()
        except BaseException:
            await self.stop()
            raise
        return None

    async def _ready(self) -> str | None:
        """The DSN once it serves; None when it ended instead."""
        while not self._child.has_ended:
            if dsn := self._cluster.ready_dsn(self._child.pid):
                return dsn
            await trio.sleep(_READY_POLL_S)
        await self._child.wait()
        return None

    async def supervise(self) -> None:
        """Start it again whenever it ends. Raises EmbeddedError when it ends too often."""
        ends: deque[float] = deque(maxlen=_MOST_RESTARTS)
        while True:
            status = await self._child.wait()
            if self._serving.is_set():  # outage() waits on the event it made
                self._serving = trio.Event()
            if self._planned_pause_s is None:
                log.error("PostgreSQL ended by itself", status=status)
                await trio.sleep(_backoff(ends))
            else:
                await trio.sleep(self._planned_pause_s)
                self._planned_pause_s = None
            await self.start()
            log.info("PostgreSQL serves again")

    async def stop(self) -> None:
        """Stop it, shielded and bounded: fast, then at once, then by force."""
        with trio.CancelScope(shield=True):
            for number, within_s in (
                (signal.SIGINT, _FAST_STOP_WITHIN_S),
                (signal.SIGQUIT, _IMMEDIATE_STOP_WITHIN_S),
            ):
                self._child.send(number)
                with trio.move_on_after(within_s):
                    await self._child.wait()
                    return
            self._child.send(signal.SIGKILL)
            await self._child.wait()

    async def outage(self, seconds: float) -> None:
        """Stop it at once, as a crash would, and start it again after so many seconds; returns
        when it serves again. Cancelled, the outage still ends by itself."""
        async with self._faults:
            await self._serving.wait()
            self._planned_pause_s = seconds
            self._serving = trio.Event()
            self._child.send(signal.SIGQUIT)
            await self._serving.wait()

    async def slow(self, seconds: float) -> None:
        """For so many seconds let its processes run a tenth of the time only."""
        with trio.move_on_after(seconds):
            while True:
                frozen = [self._child.pid, *processes.children(self._child.pid)]
                try:
                    processes.signal_each(frozen, signal.SIGSTOP)
                    await trio.sleep(_SLOW_CYCLE_S * _SLOW_SHARE)
                finally:
                    processes.signal_each(frozen, signal.SIGCONT)
                await trio.sleep(_SLOW_CYCLE_S * (1 - _SLOW_SHARE))

    async def drop_connections(self) -> int:
        """End every client's session; how many there were. Raises Unavailable."""
        try:
            connection = await TrioConnection.connect(self.dsn)
            try:
                rows = await (await connection.execute(TERMINATE_OTHERS)).fetchall()
            finally:
                connection.discard()
        except psycopg.Error as error:
            raise translated(error, lost=True, sent_write=False) from error
        return int(rows[0][0])


async def stop_orphan(cluster: Cluster) -> None:
    """End a postmaster that lost its owner (killed a moment ago, as a rule): we hold the lock, so
    nobody uses it. Its processes may have been frozen by slow(), so wake them first."""
    for number, within_s in (
        (signal.SIGINT, _FAST_STOP_WITHIN_S),
        (signal.SIGQUIT, _IMMEDIATE_STOP_WITHIN_S),
        (signal.SIGKILL, _IMMEDIATE_STOP_WITHIN_S),
    ):
        pid = cluster.running_postmaster()
        if pid is None:
            return
        log.info("stopping the PostgreSQL of an earlier process", pid=pid, signal=number.name)
        processes.signal_each([pid, *processes.children(pid)], signal.SIGCONT)
        processes.signal_each([pid], number)
        with trio.move_on_after(within_s):
            await processes.ended(pid)
    raise EmbeddedError(f"PostgreSQL process {pid} on {cluster.path} does not end")


def _backoff(ends: deque[float]) -> float:
    """Seconds to wait before the next restart; `ends` remembers when the last ones were."""
    now = trio.current_time()
    if len(ends) == ends.maxlen and now - ends[0] < _RESTART_WINDOW_S:
        raise EmbeddedError(f"PostgreSQL ended {len(ends) + 1} times in a minute")
    recent = sum(1 for at in ends if now - at < _RESTART_WINDOW_S)
    ends.append(now)
    return _FIRST_BACKOFF_S * 2.0**recent
