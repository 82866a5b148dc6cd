"""The embedded PostgreSQL survives whatever happens to its owner, and harms nobody."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
import trio

from storage import embedded
from storage.embedded import processes
from storage.embedded.cluster import Cluster
from storage.pool import Pool
from tests.conftest import ROOT


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A DATA_DIR that was used before. Every test leaves it stopped."""
    folder = tmp_path_factory.mktemp("embedded") / "data"

    async def use_it_once() -> None:
        async with embedded.running(folder) as postgres, Pool.opened(postgres.dsn) as pool:
            await pool.execute("CREATE TABLE kept (n int)")

    trio.run(use_it_once)
    return folder


@contextmanager
def _owner(data_dir: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Another process that runs the database of DATA_DIR, and the DSN."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.database", str(data_dir)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        yield process, process.stdout.readline().strip()


def _insert(dsn: str, number: int) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("INSERT INTO kept VALUES (%s)", (number,))


async def _kept(data_dir: Path) -> set[int]:
    async with embedded.attached(data_dir) as dsn, Pool.opened(dsn) as pool:
        return {number for (number,) in await pool.fetch("SELECT n FROM kept")}


def _postmaster(data_dir: Path) -> int:
    pid = Cluster(data_dir).running_postmaster()
    assert pid is not None
    return pid


def _socket_of(dsn: str) -> Path:
    return Path(str(psycopg.conninfo.conninfo_to_dict(dsn)["host"])) / ".s.PGSQL.5432"


async def test_a_stop_leaves_no_process_and_no_pid_file(data_dir: Path) -> None:
    """contract.md, "Processes"."""
    async with embedded.running(data_dir) as postgres:
        postmaster = _postmaster(data_dir)
        family = [postmaster, *processes.children(postmaster)]
    assert not (data_dir / "postgres" / "postmaster.pid").exists()
    socket = _socket_of(postgres.dsn)
    assert not socket.exists()
    assert socket.parent == data_dir / "postgres" or not socket.parent.exists()
    assert not any(processes.is_alive(pid) for pid in family)


async def test_nothing_listens_outside_and_durability_is_on(data_dir: Path) -> None:
    async with embedded.running(data_dir) as postgres, Pool.opened(postgres.dsn) as pool:
        for name, value in (
            ("listen_addresses", ""),
            ("fsync", "on"),
            ("full_page_writes", "on"),
            ("synchronous_commit", "on"),
            ("data_checksums", "on"),
            ("jit", "off"),
        ):
            assert await pool.fetch_one("SELECT current_setting(%s)", (name,)) == (value,)
        assert _socket_of(postgres.dsn).parent.stat().st_mode & 0o077 == 0


async def test_a_second_owner_is_refused_and_a_visitor_is_let_in(data_dir: Path) -> None:
    """contract.md: token and verify work while a server holds the same DATA_DIR."""
    async with embedded.running(data_dir) as postgres:
        with pytest.raises(embedded.DataDirInUse, match="in use"):
            async with embedded.running(data_dir, claim_within_s=0.1):
                pass
        async with embedded.attached(data_dir) as dsn:
            assert dsn == postgres.dsn
        async with Pool.opened(postgres.dsn) as pool:
            assert await pool.fetch("SELECT 1") == [(1,)]


async def test_a_visitor_without_a_server_runs_the_database_for_as_long_as_it_stays(
    data_dir: Path,
) -> None:
    async with embedded.attached(data_dir) as dsn, Pool.opened(dsn) as pool:
        assert await pool.fetch("SELECT 1") == [(1,)]
    assert Cluster(data_dir).running_postmaster() is None


async def test_a_visitor_makes_no_database(tmp_path: Path) -> None:
    with pytest.raises(embedded.DataDirUnusable, match="no database"):
        async with embedded.attached(tmp_path):
            pass
    assert os.listdir(tmp_path) == []


async def test_killed_owners_one_after_another_lose_nothing(data_dir: Path) -> None:
    """kill -9, and the next start at once, while the old postmaster is still on its way out."""
    for number in range(100, 104):
        with _owner(data_dir) as (owner, dsn):
            _insert(dsn, number)
            owner.kill()
    assert await _kept(data_dir) >= {100, 101, 102, 103}


async def test_an_orphan_that_does_not_notice_its_owners_death_is_taken_over(
    data_dir: Path,
) -> None:
    """Frozen, as by slow(): it cannot act on the parent-death signal."""
    with _owner(data_dir) as (owner, dsn):
        _insert(dsn, 200)
        postmaster = _postmaster(data_dir)
        os.kill(postmaster, signal.SIGSTOP)
        owner.kill()
        owner.wait()
    assert processes.is_alive(postmaster)
    assert 200 in await _kept(data_dir)
    assert not processes.is_alive(postmaster)


def _unfinished(data_dir: Path) -> list[Path]:
    return list(data_dir.glob("postgres.new-*/base"))


def _start_and_kill_during_initdb(data_dir: Path) -> None:
    with subprocess.Popen([sys.executable, "-m", "tests.database", str(data_dir)], cwd=ROOT) as it:
        while not _unfinished(data_dir):
            assert it.poll() is None
        it.kill()


async def test_an_owner_killed_during_initdb_leaves_a_startable_data_dir(tmp_path: Path) -> None:
    _start_and_kill_during_initdb(tmp_path)
    assert not Cluster(tmp_path).exists
    for _ in range(2):
        async with embedded.running(tmp_path) as postgres, Pool.opened(postgres.dsn) as pool:
            assert await pool.fetch("SELECT 1") == [(1,)]
    assert not _unfinished(tmp_path)


@pytest.fixture
def innocent() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["/bin/sleep", "60"]) as process:
        yield process
        process.kill()


async def test_a_stale_pid_file_never_hurts_the_innocent_process_it_names(
    data_dir: Path, innocent: subprocess.Popen[bytes]
) -> None:
    _write_pid_file(data_dir, innocent.pid)
    async with embedded.running(data_dir) as postgres, Pool.opened(postgres.dsn) as pool:
        assert await pool.fetch("SELECT 1") == [(1,)]
    assert innocent.poll() is None


async def test_a_stale_pid_file_that_names_another_postgres_does_not_hurt_it(
    data_dir: Path, postgres_dsn: str
) -> None:
    with psycopg.connect(postgres_dsn) as other:
        row = other.execute("SELECT split_part(pg_read_file('postmaster.pid'), E'\\n', 1)")
        (pid,) = row.fetchone() or ("0",)
        _write_pid_file(data_dir, int(pid))
        async with embedded.running(data_dir):
            pass
        assert other.execute("SELECT 1").fetchone() == (1,)


def _write_pid_file(data_dir: Path, pid: int) -> None:
    lines = [str(pid), str(data_dir / "postgres"), "1", "5432", "/tmp", "", "1 1", "ready"]
    path = data_dir / "postgres" / "postmaster.pid"
    path.write_text("\n".join(lines) + "\n")
    owner = (data_dir / "postgres").stat()
    os.chown(path, owner.st_uid, owner.st_gid)


async def test_an_outage_is_real_and_ends_by_itself(data_dir: Path) -> None:
    """A lost database costs no acknowledged operation; the pool recovers alone."""
    async with embedded.running(data_dir) as postgres, Pool.opened(postgres.dsn) as pool:
        await pool.execute("INSERT INTO kept VALUES (300)")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(postgres.outage, 0.3)
            await trio.sleep(0.15)
            started = trio.current_time()
            with pytest.raises(embedded.StorageError):
                await pool.fetch("SELECT 1")
            assert trio.current_time() - started < 0.1
        assert await pool.fetch("SELECT n FROM kept WHERE n = 300") == [(300,)]


async def test_slowness_slows_and_ends(data_dir: Path) -> None:
    async with embedded.running(data_dir) as postgres, Pool.opened(postgres.dsn) as pool:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(postgres.slow, 0.3)
            await trio.sleep(0.02)
            started = trio.current_time()
            await pool.fetch("SELECT 1")
            assert trio.current_time() - started > 0.02
        started = trio.current_time()
        await pool.fetch("SELECT 1")
        assert trio.current_time() - started < 0.05


async def test_dropped_connections_are_replaced(data_dir: Path) -> None:
    async with embedded.running(data_dir) as postgres, Pool.opened(postgres.dsn) as pool:
        async with pool.connection(), pool.connection():
            pass
        assert await postgres.drop_connections() == 2
        assert await pool.fetch("SELECT 1") == [(1,)]


@pytest.mark.expects_error_log
async def test_a_server_that_dies_by_itself_is_started_again(data_dir: Path) -> None:
    async with embedded.running(data_dir) as postgres, Pool.opened(postgres.dsn) as pool:
        await pool.execute("INSERT INTO kept VALUES (400)")
        before = _postmaster(data_dir)
        os.kill(before, signal.SIGKILL)
        with trio.fail_after(20):
            # Backends outlive their postmaster by moments; the new one waits for their end.
            while Cluster(data_dir).running_postmaster() in (None, before):
                await trio.sleep(0.02)
            while not Cluster(data_dir).ready_dsn():
                await trio.sleep(0.02)
        assert await pool.fetch("SELECT n FROM kept WHERE n = 400") == [(400,)]


@pytest.mark.expects_error_log
async def test_a_server_that_keeps_dying_is_given_up(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.embedded.server._FIRST_BACKOFF_S", 0.001)
    with trio.fail_after(30), pytest.raises(embedded.EmbeddedError, match="ended 6 times"):
        await _run_and_kill_whenever_it_serves(data_dir)


async def _run_and_kill_whenever_it_serves(data_dir: Path) -> None:
    cluster = Cluster(data_dir)
    async with embedded.running(data_dir):
        while True:
            if cluster.ready_dsn() and (pid := cluster.running_postmaster()):
                os.kill(pid, signal.SIGQUIT)
                await processes.ended(pid)
            await trio.sleep(0.01)


async def test_what_the_body_raises_comes_out_as_it_was_raised(data_dir: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        async with embedded.running(data_dir):
            raise ZeroDivisionError
    assert Cluster(data_dir).running_postmaster() is None


async def test_a_cancelled_start_leaves_nothing_behind(data_dir: Path) -> None:
    for pause_s in (0.0, 0.005, 0.02):
        with trio.move_on_after(pause_s):
            async with embedded.running(data_dir):
                await trio.sleep_forever()
        assert Cluster(data_dir).running_postmaster() is None


async def test_a_data_dir_that_cannot_be_written_is_named_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(embedded.DataDirUnusable) as caught:
        async with embedded.running(tmp_path / "file" / "data"):
            pass
    assert str(caught.value) == f"DATA_DIR {tmp_path}/file/data: Not a directory"


async def test_a_data_dir_too_deep_for_a_socket_works(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 100) / ("e" * 100)
    async with embedded.running(deep) as postgres, Pool.opened(postgres.dsn) as pool:
        assert await pool.fetch("SELECT 1") == [(1,)]


async def test_a_server_that_refuses_to_start_is_quoted(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.embedded.server._START_TRIES", 1)
    monkeypatch.setitem(embedded.server.SETTINGS, "shared_buffers", "nonsense")
    with pytest.raises(embedded.EmbeddedError, match="shared_buffers"):
        async with embedded.running(data_dir):
            pass
