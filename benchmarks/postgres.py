"""One PostgreSQL for everything a run compares, with a disk that can be slowed while it runs.

Ours, the conventional server and pgbench each get a database of their own on it: the binaries and
settings of the embedded PostgreSQL, one disk. fsync is never off. The 1 ms is added by
`c/fsync_delay.c`, loaded into PostgreSQL alone and steered through a shared file, so runs with
and without it can alternate.
"""

import mmap
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from benchmarks.compiled import build
from storage.embedded import binaries
from storage.embedded.account import Account
from storage.embedded.child import Child
from storage.embedded.cluster import INITDB
from storage.embedded.server import SETTINGS

ROLE = "bench"
START_S = 60.0
STOP_S = 60.0


class Postgres:
    """A running server under `directory`, reached through a unix socket in it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._account = Account.for_data(directory)
        self._bin = binaries.readable_by(self._account, binaries.find(), directory)
        self._delay = directory / "fsync_delay_us"
        self._delay.write_bytes(bytes(mmap.PAGESIZE))
        self.can_delay = False
        self._child: Child | None = None

    def start(self) -> None:
        """initdb when the directory is new, then start and wait until it answers."""
        data = self.directory / "pg"
        if not data.exists():
            self._initialise(data)
        settings = [f"-c{name}={value}" for name, value in SETTINGS.items()]
        command: list[str | Path] = [self._bin / "postgres", "-D", data]
        command += ["-h", "", "-k", self.directory, *settings]
        with open(self.directory / "postgres.log", "ab") as log:
            self._child = Child([*self._preload(), *command], self._account, log)
        self._wait_until_ready()

    def _initialise(self, data: Path) -> None:
        shutil.chown(self.directory, self._account.uid, self._account.gid)
        self.directory.chmod(0o755)
        command: list[str | Path] = [self._bin / "initdb", "-D", data, "-U", ROLE, *INITDB]
        command += ["--no-sync", "--no-instructions"]
        subprocess.run(
            command,
            check=True,
            cwd="/",
            stdout=subprocess.DEVNULL,
            **self._account.popen_options(),
        )

    def _preload(self) -> list[str]:
        """Words in front of the command that load the shim into it, when it can be built."""
        shim = build("fsync_delay", self.directory) if os.uname().sysname == "Linux" else None
        if shim is None:
            return []
        self.can_delay = True
        return ["/usr/bin/env", f"LD_PRELOAD={shim}", f"FSYNC_DELAY_FILE={self._delay}"]

    def _wait_until_ready(self) -> None:
        until = time.monotonic() + START_S
        while True:
            try:
                psycopg.connect(self.url("postgres"), connect_timeout=2).close()
                return
            except psycopg.OperationalError:
                if time.monotonic() > until or self.child.has_ended:
                    tail = (self.directory / "postgres.log").read_text()[-2000:]
                    raise RuntimeError(f"PostgreSQL did not start:\n{tail}") from None
                time.sleep(0.05)

    @property
    def child(self) -> Child:
        """The postmaster; raises when it was not started."""
        if self._child is None:
            raise RuntimeError("PostgreSQL is not running")
        return self._child

    def url(self, database: str) -> str:
        """A libpq URL, understood by psycopg, asyncpg and pgbench alike."""
        return f"postgresql://{ROLE}@/{database}?host={self.directory}"

    def create_database(self, name: str) -> str:
        """Create an empty database (dropping one of that name) and return its URL."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
            connection.execute(f'CREATE DATABASE "{name}"')
        return self.url(name)

    def delay_fsync(self, microseconds: int) -> None:
        """Add so much to every fsync from now on; 0 is the disk as it is."""
        if microseconds and not self.can_delay:
            raise RuntimeError("no C compiler (or not Linux): the disk cannot be delayed")
        with open(self._delay, "r+b") as file:
            file.write(microseconds.to_bytes(4, "little"))

    def settle(self) -> None:
        """Checkpoint, so that no run pays for the writes of the one before."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute("CHECKPOINT")

    def commit_us(self, commits: int = 200) -> int:
        """Median microseconds of one durable single-row commit, to show what the disk costs."""
        took = []
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute("CREATE TABLE IF NOT EXISTS commits (at bigint)")
            for at in range(commits):
                start = time.perf_counter_ns()
                connection.execute("INSERT INTO commits VALUES (%s)", (at,))
                took.append((time.perf_counter_ns() - start) // 1000)
        return sorted(took)[commits // 2]

    def version(self) -> str:
        """Like "18.6"."""
        with psycopg.connect(self.url("postgres")) as connection:
            row = connection.execute("SHOW server_version").fetchone()
        assert row
        return str(row[0])

    def program(self, name: str) -> Path:
        """A client program of the same version (pgbench), or the system's."""
        own = self._bin / name
        found = own if own.exists() else shutil.which(name)
        if not found:
            raise RuntimeError(f"no {name} beside PostgreSQL nor on the PATH")
        return Path(found)

    def stop(self) -> None:
        """Fast shutdown, waiting for the last checkpoint."""
        if self._child is None:
            return
        self.delay_fsync(0)
        self._child.send(signal.SIGINT)
        until = time.monotonic() + STOP_S
        while not self._child.has_ended:
            if time.monotonic() > until:
                raise RuntimeError("PostgreSQL did not stop")
            time.sleep(0.02)
        self._child = None


@contextmanager
def running(directory: Path) -> Iterator[Postgres]:
    """A PostgreSQL that lives as long as the body."""
    directory.mkdir(parents=True, exist_ok=True)
    postgres = Postgres(directory)
    try:
        postgres.start()
        yield postgres
    finally:
        postgres.stop()
