"""The files of the embedded PostgreSQL under DATA_DIR.

DATA_DIR/postgres        the database cluster, owned by the account PostgreSQL runs as
DATA_DIR/postgres.lock   locked by the one process that runs it; freed by its death
DATA_DIR/postgres.log    what PostgreSQL says
"""

import fcntl
import hashlib
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Final

import trio
from psycopg.conninfo import make_conninfo

from storage.embedded import binaries, processes
from storage.embedded.account import Account
from storage.embedded.child import Child
from storage.embedded.errors import DataDirInUse, DataDirUnusable, EmbeddedError

USER: Final = "daftari"
_SOCKET_NAME: Final = "/.s.PGSQL.5432.lock"
# sockaddr_un holds 104 bytes on macOS, 108 on Linux.
_LONGEST_SOCKET_PATH: Final = 100
_LONGEST_LOG: Final = 1 << 20
_LOCK_POLL_S: Final = 0.05
# Until a cluster has files of write-ahead log to use again, which is for its first million
# transfers, the commit that fills one waits for the next to be written full of zeros: 4 MiB of
# them rather than 16 (MiB in --wal-segsize).
INITDB: Final = (
    *("--auth=trust", "--locale=C", "--encoding=UTF8"),
    *("--data-checksums", "--wal-segsize=4"),
)


class Cluster:
    """One DATA_DIR and its database cluster."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir.absolute()
        self.path = self.data_dir / "postgres"
        self.log_path = self.data_dir / "postgres.log"
        self._log_before = 0

    @property
    def exists(self) -> bool:
        """Whether a database was made here before."""
        return (self.path / "PG_VERSION").exists()

    def claim(self) -> IO[bytes]:
        """Make DATA_DIR if need be and become its one owner until the file is closed.

        Raises DataDirUnusable, or DataDirInUse at once when someone else owns it.
        """
        try:
            self.data_dir.mkdir(parents=True, exist_ok=True)
            lock = (self.data_dir / "postgres.lock").open("ab")
        except OSError as error:
            raise DataDirUnusable(f"DATA_DIR {self.data_dir}: {error.strerror}") from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            raise DataDirInUse(f"DATA_DIR {self.data_dir} is in use by another process") from None
        return lock

    async def claim_within(self, seconds: float) -> IO[bytes]:
        """Like claim, but give an owner that is just stopping some time to do so."""
        deadline = trio.current_time() + seconds
        while True:
            try:
                return self.claim()
            except DataDirInUse:
                if trio.current_time() >= deadline:
                    raise
            await trio.sleep(_LOCK_POLL_S)

    def account(self) -> Account:
        """Who PostgreSQL runs as on this data."""
        account = Account.for_data(self.path, self.data_dir)
        if account.is_ours and self.exists and self.path.stat().st_uid != account.uid:
            raise DataDirUnusable(f"{self.path} belongs to another user")
        return account

    def bin_dir(self, account: Account) -> Path:
        """PostgreSQL's programs, where `account` can run them."""
        return binaries.readable_by(account, binaries.find(), self.data_dir)

    @contextmanager
    def opened_log(self) -> Iterator[IO[bytes]]:
        """The log to append to; emptied first when it has grown long."""
        try:
            with self.log_path.open("ab") as log_file:
                if log_file.tell() > _LONGEST_LOG:
                    log_file.truncate(0)
                self._log_before = log_file.seek(0, os.SEEK_END)
                yield log_file
        except OSError as error:
            raise DataDirUnusable(f"{self.log_path}: {error.strerror}") from error

    def last_complaint(self) -> str:
        """The last line that names a failure since the log was last opened, or just the last."""
        with self.log_path.open("rb") as log_file:
            log_file.seek(self._log_before)
            lines = log_file.read(_LONGEST_LOG).decode(errors="replace").splitlines()
        complaints = [line for line in lines if "FATAL" in line or "error:" in line]
        last = (complaints or lines or ["it said nothing"])[-1]
        return last[max(last.find("FATAL"), 0) :]  # without its time and process number

    async def create(self, account: Account) -> None:
        """Run initdb, unless that was done. The cluster appears whole or not at all: a start
        killed in the middle leaves only a folder that later ones remove."""
        for unfinished in self.data_dir.glob("postgres.new-*"):
            # The killed initdb's own children may still write there for a moment.
            shutil.rmtree(unfinished, ignore_errors=True)
        if self.exists:
            return
        try:
            fresh = Path(tempfile.mkdtemp(prefix="postgres.new-", dir=self.data_dir))
            os.chown(fresh, account.uid, account.gid)
            await self._initdb(fresh, account)
            _rename_durably(fresh, self.path)
        except OSError as error:
            raise DataDirUnusable(f"DATA_DIR {self.data_dir}: {error.strerror}") from error

    async def _initdb(self, folder: Path, account: Account) -> None:
        program = self.bin_dir(account) / "initdb"
        with self.opened_log() as log_file, path_for(account, folder) as (visible, fds):
            child = Child(
                [program, "-D", visible, "-U", USER, *INITDB],
                account,
                log_file,
                keep_fds=fds,
                death_signal=signal.SIGKILL,
            )
            try:
                status = await child.wait()
            finally:
                if not child.has_ended:
                    child.send(signal.SIGKILL)
                    with trio.CancelScope(shield=True):
                        await child.wait()
        if status != 0:
            raise EmbeddedError(f"initdb failed: {self.last_complaint()}")

    def socket_dir(self, account: Account) -> Path:
        """A private folder for the socket: the cluster itself, or, where its path is too long for
        a socket or closed to `account`, a short one that is the same at every start."""
        if account.is_ours and len(f"{self.path}{_SOCKET_NAME}".encode()) <= _LONGEST_SOCKET_PATH:
            return self.path
        identity = hashlib.sha256(str(self.path.resolve()).encode()).hexdigest()[:12]
        short = Path("/tmp") / f"{USER}-{account.uid}-{identity}"  # noqa: S108  # checked below
        try:
            short.mkdir(mode=0o700)
            os.chown(short, account.uid, account.gid)
        except FileExistsError:
            pass
        status = short.lstat()
        if short.is_symlink() or status.st_uid != account.uid or status.st_mode & 0o077:
            raise EmbeddedError(f"{short} is not ours: remove it")
        return short

    def remove_socket_dir(self, account: Account) -> None:
        """Take the short folder away again after a stop."""
        folder = self.socket_dir(account)
        if folder != self.path:
            with suppress(OSError):  # in use or gone: either way not ours to remove
                folder.rmdir()

    def running_postmaster(self) -> int | None:
        """The process number of a live postmaster on this cluster, if there is one."""
        pid = self._pid_file().get("pid", "")
        number = int(pid) if pid.isdigit() else 0
        return number if number and processes.is_postgres_on(number, self.path) else None

    def ready_dsn(self, pid: int | None = None) -> str | None:
        """Where to connect, once postmaster.pid says that (this) postmaster serves."""
        fields = self._pid_file()
        if fields.get("status") != "ready" or (pid is not None and fields.get("pid") != str(pid)):
            return None
        return dsn_at(Path(fields["socket_dir"]))

    def forget_stale_postmaster(self) -> None:
        """Remove a postmaster.pid that names a process which is no postgres of ours.

        PostgreSQL itself refuses to start when the number is in use by anything. Its own check
        that no orphaned backend still works on the data (shared memory) is unaffected.
        """
        if self.running_postmaster() is None:
            (self.path / "postmaster.pid").unlink(missing_ok=True)

    def _pid_file(self) -> dict[str, str]:
        """postmaster.pid by PostgreSQL's line numbers (miscadmin.h)."""
        try:
            lines = (self.path / "postmaster.pid").read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return {}
        names = ("pid", "data_dir", "started", "port", "socket_dir", "listen", "shmem", "status")
        return {name: line.strip() for name, line in zip(names, lines, strict=False)}


def dsn_at(socket_dir: Path) -> str:
    """The connection string for a server with its socket there."""
    return make_conninfo(host=str(socket_dir), port=5432, user=USER, dbname="postgres")


@contextmanager
def path_for(account: Account, folder: Path) -> Iterator[tuple[Path, tuple[int, ...]]]:
    """A path by which `account` reaches `folder`, and the descriptors its process must inherit.

    When root lends PostgreSQL another account, that account may not be allowed past the folders
    above (root's home, say). From an inherited descriptor /proc leads straight to the folder.
    """
    if account.is_ours or not Path("/proc/self/fd").exists():
        yield folder, ()
        return
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield Path(f"/proc/self/fd/{fd}"), (fd,)
    finally:
        os.close(fd)


def _rename_durably(source: Path, target: Path) -> None:
    source.rename(target)
    fd = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
