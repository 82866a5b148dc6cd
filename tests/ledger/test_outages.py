"""The database goes away at the worst moment; nothing acknowledged is lost, nothing is twice."""

import contextlib
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from actors.batch import Batch
from actors.journal import Fenced
from domain.ledger import Recorded, Refusal
from storage import embedded
from storage.driver import TrioConnection
from storage.embedded.server import Postgres
from storage.errors import StorageError
from storage.migrate import migrate
from tests.ledger.house import House, living, transfer
from tests.ledger.outages import (
    ANN,
    BEN,
    END_WRITER,
    Answers,
    ask_all,
    one_committing_and_one_queued,
    recorded_keys,
)

_WRITER_WAITS = """
SELECT count(*) FROM pg_stat_activity
WHERE application_name = 'daftari writer' AND wait_event_type = 'Lock'
  AND datname = current_database()
"""


@asynccontextmanager
async def _writer_row_locked(dsn: str) -> AsyncIterator[TrioConnection]:
    """Somebody else keeps the writer's row, so that a commit stops in its middle."""
    connection = await TrioConnection.connect(dsn)
    try:
        await connection.execute("BEGIN")
        await connection.execute("SELECT * FROM writer FOR UPDATE")
        yield connection
    finally:
        connection.discard()


async def _until(house: House, sql: str) -> None:
    while not await house.count(sql):
        await trio.sleep(0.002)


async def test_a_writer_ended_in_mid_commit_leaves_nothing_and_resumes(
    house: House, dsn: str
) -> None:
    """architecture.md, "Storage": a lost connection costs no acknowledged operation."""
    await house.fund(ANN, 100)
    answers: Answers = {}
    async with trio.open_nursery() as nursery, _writer_row_locked(dsn):
        nursery.start_soon(ask_all, house, ["first"], answers)
        await _until(house, _WRITER_WAITS)
        nursery.start_soon(ask_all, house, ["queued 1", "queued 2"], answers)
        while house.journal.queued < 2:
            await trio.sleep(0.001)
        assert await house.count(END_WRITER) == 1
        while house.journal.available:
            await trio.sleep(0.001)
        refused = await house.ledger.record(transfer(ANN, BEN, 1))
        assert refused is Refusal.UNAVAILABLE
    assert set(answers.values()) == {Refusal.UNAVAILABLE}
    assert not await recorded_keys(house)
    await house.must(transfer(ANN, BEN, 100))
    await house.balances()


async def test_a_fail_over_to_a_stand_by_is_waited_out(house: House) -> None:
    """A server that only reads takes no commit; the ledger says so until one does again."""
    await house.fund(ANN, 100)
    name = (await house.pool.fetch("SELECT current_database()"))[0][0]
    setting = f'ALTER DATABASE "{name}" SET default_transaction_read_only = '
    await house.pool.execute(setting + "on")
    await house.count(END_WRITER)
    assert await house.ledger.record(transfer(ANN, BEN, 1)) is Refusal.UNAVAILABLE
    assert not house.journal.available
    await house.pool.execute(setting + "off")
    with trio.fail_after(20):
        while not house.journal.available:
            await trio.sleep(0.01)
    await house.must(transfer(ANN, BEN, 1))
    await house.balances()


async def test_a_writer_ended_again_and_again_under_load_loses_and_doubles_nothing(
    house: House, rng: random.Random
) -> None:
    await house.fund(ANN, 1_000_000)
    answers: Answers = {}
    over = trio.Event()

    async def keep_paying(name: str) -> None:
        number = 0
        while not over.is_set():
            key = f"{name}:{number}"
            answers[key] = None
            answers[key] = await house.ledger.record(transfer(ANN, BEN, 1, key=key))
            if answers[key] is Refusal.UNAVAILABLE:
                await trio.sleep(0.002)
            number += 1

    async with trio.open_nursery() as nursery:
        for name in range(30):
            nursery.start_soon(keep_paying, f"{name}")
        for _ in range(20):
            await trio.sleep(rng.uniform(0.01, 0.08))
            await house.pool.execute(END_WRITER)
        over.set()
    found = Counter(answer for answer in answers.values() if not isinstance(answer, Recorded))
    assert found.keys() <= {Refusal.UNAVAILABLE}
    acknowledged = {key for key, answer in answers.items() if isinstance(answer, Recorded)}
    assert await recorded_keys(house) == Counter(acknowledged)
    assert await house.balance(BEN) == len(acknowledged)
    await house.balances()


@pytest.fixture(scope="module")
def server_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("server") / "data"


@asynccontextmanager
async def _house_and_server(data_dir: Path) -> AsyncIterator[tuple[House, Postgres]]:
    """A ledger on a server of the test's own, which may be stopped."""
    async with embedded.running(data_dir) as postgres:
        await migrate(postgres.dsn)
        async with living(postgres.dsn) as house:
            yield house, postgres


async def test_a_server_that_stops_and_comes_back_is_waited_for(server_dir: Path) -> None:
    """Commands are refused meanwhile, nothing acknowledged is lost, service resumes by itself."""
    answers: dict[str, Recorded | Refusal | StorageError | None] = {}
    async with _house_and_server(server_dir) as (house, postgres):
        await house.fund(ANN, 1_000_000)
        over = trio.Event()

        async def keep_paying(name: str) -> None:
            number = 0
            while not over.is_set():
                key = f"{name}:{number}"
                answers[key] = None
                payee = BEN if number % 3 else 1000 + number  # some are not in memory
                try:
                    answers[key] = await house.ledger.record(transfer(ANN, payee, 1, key=key))
                except StorageError as error:
                    answers[key] = error
                await trio.sleep(0 if isinstance(answers[key], Recorded) else 0.01)
                number += 1

        async with trio.open_nursery() as nursery:
            for name in range(20):
                nursery.start_soon(keep_paying, f"{name}")
            await trio.sleep(0.3)
            await postgres.outage(0.5)
            while not house.journal.available:
                await trio.sleep(0.01)
            before = len(answers)
            await house.must(transfer(ANN, BEN, 1, key="after"))
            while len(answers) < before + 200:
                await trio.sleep(0.01)
            over.set()
        kinds = Counter(
            "recorded" if isinstance(answer, Recorded) else answer
            for answer in answers.values()
            if not isinstance(answer, StorageError)
        )
        assert kinds["recorded"] > 200
        assert kinds[Refusal.UNAVAILABLE] > 0
        assert set(kinds) <= {"recorded", Refusal.UNAVAILABLE}
        acknowledged = {key for key, answer in answers.items() if isinstance(answer, Recorded)}
        assert await recorded_keys(house) == Counter([*acknowledged, "after"])
        await house.balances()


async def test_a_second_writer_fences_the_first_one(dsn: str) -> None:
    """architecture.md, "Money": a second writer process cannot commit beside the first."""
    ended = trio.Event()
    first: list[House] = []

    async def old(task_status: trio.TaskStatus[None]) -> None:
        with pytest.raises(Fenced):  # noqa: PT012  # whenever it is noticed
            async with living(dsn) as house:
                await house.fund(ANN, 100)
                first.append(house)
                task_status.started()
                await trio.sleep_forever()
        ended.set()

    async with trio.open_nursery() as nursery:
        await nursery.start(old)
        async with living(dsn) as house:
            await house.must(transfer(ANN, BEN, 60))
            # The first one's memory still shows 100.
            refused = await first[0].ledger.record(transfer(ANN, BEN, 100))
            assert refused in {Refusal.UNKNOWN, Refusal.UNAVAILABLE}
            await ended.wait()
            assert await first[0].ledger.record(transfer(ANN, BEN, 1)) is Refusal.UNAVAILABLE
            assert await house.balance(BEN) == 60
            await house.balances()


async def test_a_writer_whose_epoch_is_over_commits_nothing_more(dsn: str) -> None:
    with pytest.raises(Fenced):  # noqa: PT012
        async with living(dsn) as house:
            await house.fund(ANN, 100)
            await house.pool.execute("UPDATE writer SET epoch = epoch + 1")
            assert await house.ledger.record(transfer(ANN, BEN, 1)) is Refusal.UNAVAILABLE
            house.nothing_is_reserved()
            await trio.sleep(1)


async def test_on_stop_everything_queued_is_answered(dsn: str) -> None:
    """architecture.md, "Actors"."""
    answers: Answers = {}
    async with trio.open_nursery() as nursery, living(dsn) as house:
        await one_committing_and_one_queued(house, nursery, answers)
        house.scope.cancel()
        house.store.commits.open()
    assert isinstance(answers["first"], Recorded)
    assert answers["second"] is Refusal.UNAVAILABLE
    async with living(dsn) as house:
        assert await house.balance(BEN) == 1
        await house.balances()


async def test_a_bug_in_storage_ends_the_writer_and_strands_nobody(dsn: str) -> None:
    answers: Answers = {}
    async with trio.open_nursery() as nursery:
        with contextlib.suppress(LookupError):
            async with living(dsn) as house:
                await house.fund(ANN, 100)

                def broken(_: Batch) -> None:
                    raise LookupError("a bug")

                house.store.after_commit = broken
                nursery.start_soon(ask_all, house, ["mine"], answers)
                await trio.sleep(5)
    assert answers == {"mine": Refusal.UNKNOWN}
