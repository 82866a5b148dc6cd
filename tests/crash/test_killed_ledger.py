"""kill -9 during full load, again and again: nothing acknowledged is lost, nothing is twice."""

import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trio

from storage import embedded
from storage.pool import Pool
from storage.verify import verify
from tests.conftest import ROOT
from tests.crash.killing import kill

pytestmark = pytest.mark.slow  # minutes: `make crash`

KILLS = 20


class Worker:
    """The process under load, and what it said before it was killed."""

    def __init__(self, process: subprocess.Popen[str], data_dir: Path) -> None:
        self._process = process
        self._data_dir = data_dir
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"

    def kill(self, *, database_too: bool) -> dict[str, int]:
        """Kill it at once; journal ids by key of everything it was told was recorded."""
        kill(self._process, self._data_dir, database_too=database_too)
        assert self._process.stdout is not None
        acknowledged = {}
        for line in self._process.stdout.read().splitlines(keepends=True):
            if line.endswith("\n"):  # the last one may have been cut
                key, journal_id = line.split()
                acknowledged[key] = int(journal_id)
        assert self._process.wait() == -signal.SIGKILL
        return acknowledged


@contextmanager
def _working(data_dir: Path, run: str) -> Iterator[Worker]:
    with subprocess.Popen(
        [sys.executable, "-m", "tests.crash.worker", str(data_dir), run],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        pipesize=1 << 20,
    ) as process:
        try:
            yield Worker(process, data_dir)
        finally:
            process.kill()


async def _check(data_dir: Path, acknowledged: dict[str, int]) -> int:
    """Everything acknowledged is there under its number, everything there is whole."""
    async with embedded.attached(data_dir) as dsn, Pool.opened(dsn, 2) as pool:
        rows = await pool.fetch("SELECT key, outcome FROM idempotency")
        recorded = {key: int(outcome) for key, outcome in rows}
        lost = acknowledged.items() - recorded.items()
        assert not lost, sorted(lost)[:5]
        assert len(set(recorded.values())) == len(recorded), "two keys share a journal"
        journals = await pool.fetch("SELECT id FROM journals")
        assert {id_ for (id_,) in journals} == set(recorded.values())
        report = await verify(pool)
        assert report.balanced, report.differences
        return report.journals


@pytest.mark.slow
async def test_a_ledger_killed_twenty_times_under_load_loses_and_doubles_nothing(
    tmp_path_factory: pytest.TempPathFactory, rng: random.Random
) -> None:
    """architecture.md, "Storage"; every second time the database is killed with its owner."""
    data_dir = tmp_path_factory.mktemp("killed") / "data"
    acknowledged: dict[str, int] = {}
    for number in range(KILLS):
        with _working(data_dir, f"{number}") as worker:
            await trio.sleep(rng.uniform(0.05, 1.2))
            fresh = await trio.to_thread.run_sync(lambda: worker.kill(database_too=number % 2 == 1))  # noqa: B023
        acknowledged |= fresh
        journals = await _check(data_dir, acknowledged)
        assert journals >= len(acknowledged)
    assert len(acknowledged) > 100 * KILLS
