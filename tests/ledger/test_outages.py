"""The database goes away at the worst moment; nothing acknowledged is lost, nothing is twice."""

import contextlib
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psycopg
import pytest
import trio

from actors import journal as journal_module
from actors.batch import Batch
from actors.journal import Fenced, OutcomeUnknown
from domain.ledger import Recorded, Refusal, wallet
from storage import embedded
from storage import journal as storage_journal
from storage.driver import TrioConnection
from storage.embedded.server import Postgres
from storage.errors import StorageError
from storage.migrate import migrate
from tests.ledger.house import House, living, transfer

ANN, BEN = 1, 2

_END_WRITER = """
SELECT count(pg_terminate_backend(pid, 2000)) FROM pg_stat_activity
WHERE application_name = 'daftari writer' AND datname = current_database()
"""
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


async def _answers(
    house: House, keys: list[str], answers: dict[str, Recorded | Refusal | None]
) -> None:
    async def ask(key: str) -> None:
        answers[key] = None
        answers[key] = await house.ledger.record(transfer(ANN, BEN, 1, key=key))

    async with trio.open_nursery() as nursery:
        for key in keys:
            nursery.start_soon(ask, key)


async def _recorded_keys(house: House) -> Counter[str]:
    rows = await house.pool.fetch("SELECT key FROM idempotency")
    return Counter(key for (key,) in rows)


async def test_a_writer_ended_in_mid_commit_leaves_nothing_and_resumes(
    house: House, dsn: str
) -> None:
    """architecture.md, "Storage": a lost connection costs no acknowledged operation."""
    await house.fund(ANN, 100)
    answers: dict[str, Recorded | Refusal | None] = {}
    async with trio.open_nursery() as nursery, _writer_row_locked(dsn):
        nursery.start_soon(_answers, house, ["first"], answers)
        await _until(house, _WRITER_WAITS)
        nursery.start_soon(_answers, house, ["queued 1", "queued 2"], answers)
        while house.journal.queued < 2:
            await trio.sleep(0.001)
        assert await house.count(_END_WRITER) == 1
        while house.journal.available:
            await trio.sleep(0.001)
        refused = await house.ledger.record(transfer(ANN, BEN, 1))
        assert refused is Refusal.UNAVAILABLE
    assert set(answers.values()) == {Refusal.UNAVAILABLE}
    assert not await _recorded_keys(house)
    await house.must(transfer(ANN, BEN, 100))
    await house.balances()


async def test_a_commit_whose_answer_was_lost_is_found_by_its_batch(house: House) -> None:
    await house.fund(ANN, 100)

    def lose(_: Batch) -> None:
        house.store.after_commit = lambda _: None
        raise OutcomeUnknown("the answer is lost")

    answers: dict[str, Recorded | Refusal | None] = {}
    async with trio.open_nursery() as nursery:
        house.store.commits.close()
        nursery.start_soon(house.must, transfer(ANN, BEN, 1))
        await house.store.commits.until_waiting()
        nursery.start_soon(_answers, house, [f"{n}" for n in range(10)], answers)
        while house.journal.queued < 10:
            await trio.sleep(0.001)
        house.store.commits.open()
        await house.journal.drain()
        house.store.after_commit = lose
        nursery.start_soon(_answers, house, ["alone"], answers)
    assert all(isinstance(answer, Recorded) for answer in answers.values())
    assert await house.balance(BEN) == 12
    await house.balances()


async def test_askers_of_an_unknown_outcome_are_told_so_and_the_money_stays_reserved(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "ANSWER_AFTER", 0.1)
    await house.fund(ANN, 10)
    house.store.openings.close()

    def lose(_: Batch) -> None:
        house.store.after_commit = lambda _: None
        raise OutcomeUnknown("the answer is lost")

    house.store.after_commit = lose
    answer = await house.ledger.record(transfer(ANN, BEN, 10, key="mine"))
    assert answer is Refusal.UNKNOWN
    account = house.ledger.accounts.peek(wallet(ANN, "USD"))
    assert account is not None
    assert account.available == 0
    assert ("user:1", "mine") in house.journal.keys
    house.passivate()
    assert house.ledger.accounts.peek(wallet(ANN, "USD")) is account
    assert await house.ledger.record(transfer(BEN, ANN, 1)) is Refusal.UNAVAILABLE
    house.store.openings.open()
    while not house.journal.available:
        await trio.sleep(0.001)
    await house.must(transfer(BEN, ANN, 1))
    assert await house.balance(BEN) == 9
    await house.balances()


async def test_events_of_a_commit_whose_answer_was_lost_are_told_once(house: House) -> None:
    heard: list[int] = []
    house.feeds.listen("user:2", lambda offset, _fact: heard.append(offset))
    await house.fund(ANN, 100)

    def lose(_: Batch) -> None:
        house.store.after_commit = lambda _: None
        raise OutcomeUnknown("the answer is lost")

    house.store.after_commit = lose
    await house.must(transfer(ANN, BEN, 1))
    await house.must(transfer(ANN, BEN, 1))
    assert heard == [1, 2]


async def test_a_writer_ended_again_and_again_under_load_loses_and_doubles_nothing(
    house: House, rng: random.Random
) -> None:
    await house.fund(ANN, 1_000_000)
    answers: dict[str, Recorded | Refusal | None] = {}
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
            await house.pool.execute(_END_WRITER)
        over.set()
    found = Counter(answer for answer in answers.values() if not isinstance(answer, Recorded))
    assert found.keys() <= {Refusal.UNAVAILABLE}
    acknowledged = {key for key, answer in answers.items() if isinstance(answer, Recorded)}
    assert await _recorded_keys(house) == Counter(acknowledged)
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
        assert await _recorded_keys(house) == Counter([*acknowledged, "after"])
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


async def test_a_take_over_whose_answer_was_lost_is_known_again_as_our_own(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await house.fund(ANN, 100)
    row = storage_journal._row
    lost: list[bool] = []

    async def lose_once(connection: TrioConnection, sql: str, *params: object) -> object:
        found = await row(connection, sql, *params)  # type: ignore[arg-type]
        if sql == storage_journal._TAKE_OVER and not lost:
            lost.append(True)
            connection.discard()
            raise psycopg.OperationalError("connection lost")
        return found

    monkeypatch.setattr(storage_journal, "_row", lose_once)
    await house.pool.execute(_END_WRITER)
    await house.ledger.record(transfer(ANN, BEN, 1))
    while not house.journal.available:
        await trio.sleep(0.001)
    assert lost
    await house.must(transfer(ANN, BEN, 1))
    await house.balances()


async def test_on_stop_everything_queued_is_answered(dsn: str) -> None:
    """architecture.md, "Actors"."""
    answers: dict[str, Recorded | Refusal | None] = {}
    async with trio.open_nursery() as nursery, living(dsn) as house:
        await house.fund(ANN, 100)
        house.store.commits.close()
        nursery.start_soon(_answers, house, ["committing"], answers)
        await house.store.commits.until_waiting()
        nursery.start_soon(_answers, house, ["queued"], answers)
        while not house.journal.queued:
            await trio.sleep(0.001)
        house.scope.cancel()
        house.store.commits.open()
    assert isinstance(answers["committing"], Recorded)
    assert answers["queued"] is Refusal.UNAVAILABLE
    async with living(dsn) as house:
        assert await house.balance(BEN) == 1
        await house.balances()


async def test_what_nobody_could_find_out_before_the_stop_is_answered_unknown(dsn: str) -> None:
    answers: dict[str, Recorded | Refusal | None] = {}
    async with trio.open_nursery() as nursery, living(dsn) as house:
        await house.fund(ANN, 100)
        house.store.openings.close()

        def lose(_: Batch) -> None:
            raise OutcomeUnknown("the answer is lost")

        house.store.after_commit = lose
        nursery.start_soon(_answers, house, ["lost"], answers)
        await house.store.openings.until_waiting()
        house.scope.cancel()
    assert answers == {"lost": Refusal.UNKNOWN}


async def test_a_bug_in_storage_ends_the_writer_and_strands_nobody(dsn: str) -> None:
    answers: dict[str, Recorded | Refusal | None] = {}
    async with trio.open_nursery() as nursery:
        with contextlib.suppress(LookupError):
            async with living(dsn) as house:
                await house.fund(ANN, 100)

                def broken(_: Batch) -> None:
                    raise LookupError("a bug")

                house.store.after_commit = broken
                nursery.start_soon(_answers, house, ["mine"], answers)
                await trio.sleep(5)
    assert answers == {"mine": Refusal.UNKNOWN}


async def test_what_a_split_batch_has_left_is_refused_at_once_when_the_database_goes(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await house.fund(ANN, 100)
    await house.must(transfer(ANN, BEN, 1, key="used"))
    house.store.commits.close()
    answers: dict[str, Recorded | Refusal | None] = {}
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_answers, house, ["first"], answers)
        await house.store.commits.until_waiting()
        nursery.start_soon(_answers, house, ["used", *(f"{n}" for n in range(15))], answers)
        while house.journal.queued < 16:
            await trio.sleep(0.001)
        house.store.openings.close()
        tried: list[int] = []

        def lose(batch: Batch) -> None:
            tried.append(len(batch.commands))
            if len(tried) == 2:
                house.store.after_commit = lambda _: None
                raise OutcomeUnknown("the answer is lost")

        house.store.after_commit = lose
        house.store.commits.open()
        await house.store.openings.until_waiting()
        await trio.testing.wait_all_tasks_blocked(0.01)
        assert Refusal.UNAVAILABLE in answers.values()
        house.store.openings.open()
    assert tried[0] == 1
    recorded = {key for key, answer in answers.items() if isinstance(answer, Recorded)}
    assert await _recorded_keys(house) == Counter([*recorded, "used"])
    await house.balances()
