"""Migrations run once, in order, under a lock, and never change afterwards."""

from pathlib import Path

import psycopg
import pytest
import trio

from storage.errors import MigrationError, Unavailable
from storage.migrate import MIGRATIONS, migrate, read_migrations
from storage.pool import Pool


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "0001_first.sql").write_text("CREATE TABLE a (n int); CREATE TABLE b (n int);")
    (tmp_path / "0002_second.sql").write_text("INSERT INTO a SELECT 1; -- 100 % sure")
    return tmp_path


async def test_files_run_in_order_and_only_once(empty_dsn: str, files: Path) -> None:
    assert await migrate(empty_dsn, files) == ["0001_first.sql", "0002_second.sql"]
    assert await migrate(empty_dsn, files) == []
    async with Pool.opened(empty_dsn) as pool:
        assert await pool.fetch("SELECT n FROM a") == [(1,)]


async def test_a_new_file_is_applied_to_an_older_database(empty_dsn: str, files: Path) -> None:
    await migrate(empty_dsn, files)
    (files / "0003_third.sql").write_text("INSERT INTO b SELECT 2")
    assert await migrate(empty_dsn, files) == ["0003_third.sql"]


async def test_starts_at_the_same_time_apply_each_file_once(empty_dsn: str, files: Path) -> None:
    applied: list[str] = []

    async def start() -> None:
        applied.extend(await migrate(empty_dsn, files))

    async with trio.open_nursery() as nursery:
        for _ in range(6):
            nursery.start_soon(start)
    assert applied == ["0001_first.sql", "0002_second.sql"]


async def test_a_changed_file_is_refused(empty_dsn: str, files: Path) -> None:
    await migrate(empty_dsn, files)
    (files / "0001_first.sql").write_text("CREATE TABLE a (n bigint)")
    with pytest.raises(MigrationError, match=r"0001_first\.sql has changed"):
        await migrate(empty_dsn, files)


async def test_a_failing_file_is_rolled_back_whole_and_the_earlier_stay(
    empty_dsn: str, files: Path
) -> None:
    (files / "0003_bad.sql").write_text("CREATE TABLE c (n int); SELECT 1/0;")
    with pytest.raises(psycopg.errors.DivisionByZero):
        await migrate(empty_dsn, files)
    (files / "0003_bad.sql").write_text("CREATE TABLE c (n int)")
    assert await migrate(empty_dsn, files) == ["0003_bad.sql"]


async def test_a_database_newer_than_the_program_is_refused(empty_dsn: str, files: Path) -> None:
    await migrate(empty_dsn, files)
    (files / "0002_second.sql").unlink()
    with pytest.raises(MigrationError, match="does not know"):
        await migrate(empty_dsn, files)


@pytest.mark.parametrize(
    ("names", "complaint"),
    [
        (["0001_a.sql", "0003_c.sql"], "0002 is next"),
        (["0002_b.sql"], "0001 is next"),
        (["0001_a.sql", "0001_b.sql"], "0002 is next"),
        (["1_a.sql"], "not named"),
    ],
)
async def test_numbers_with_gaps_or_repeats_are_refused(
    empty_dsn: str, tmp_path: Path, names: list[str], complaint: str
) -> None:
    for name in names:
        (tmp_path / name).write_text("SELECT 1")
    with pytest.raises(MigrationError, match=complaint):
        await migrate(empty_dsn, tmp_path)


async def test_no_database_is_unavailable(files: Path) -> None:
    with pytest.raises(Unavailable):
        await migrate("host=/nonexistent dbname=x user=x", files)


async def test_the_shipped_migrations_are_all_applied_to_the_template(pool: Pool) -> None:
    shipped = [migration.name for migration in read_migrations(MIGRATIONS)]
    rows = await pool.fetch("SELECT name FROM schema_migrations ORDER BY number")
    assert [name for (name,) in rows] == shipped
