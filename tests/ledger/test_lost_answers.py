"""Commits whose answer was lost, and connections found dead: what is done, is done once."""

from collections import Counter
from collections.abc import Callable

import psycopg
import pytest
import trio
import trio.testing

from actors import journal as journal_module
from actors.batch import Batch
from actors.journal import NotCommitted, OutcomeUnknown
from domain.ledger import Recorded, Refusal, wallet
from storage import journal as storage_journal
from storage.driver import TrioConnection
from tests.ledger.house import House, living, transfer
from tests.ledger.outages import ANN, BEN, END_WRITER, Answers, ask_all, recorded_keys


async def test_a_commit_whose_answer_was_lost_is_found_by_its_batch(house: House) -> None:
    await house.fund(ANN, 100)

    def lose(_: Batch) -> None:
        house.store.after_commit = lambda _: None
        raise OutcomeUnknown("the answer is lost")

    answers: Answers = {}
    async with trio.open_nursery() as nursery:
        house.store.commits.close()
        nursery.start_soon(house.must, transfer(ANN, BEN, 1))
        await house.store.commits.until_waiting()
        nursery.start_soon(ask_all, house, [f"{n}" for n in range(10)], answers)
        while house.journal.queued < 10:
            await trio.sleep(0.001)
        house.store.commits.open()
        await house.journal.drain()
        house.store.after_commit = lose
        nursery.start_soon(ask_all, house, ["alone"], answers)
    assert all(isinstance(answer, Recorded) for answer in answers.values())
    assert await house.balance(BEN) == 12
    await house.balances()


async def test_askers_of_an_unknown_outcome_are_told_so_and_the_money_stays_reserved(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "REOPEN_WITHIN", 0.0)
    monkeypatch.setattr(journal_module, "ANSWER_AFTER", 0.0)
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


async def test_a_connection_that_died_while_nobody_asked_costs_no_request(house: House) -> None:
    """The database was away and is back: the first request after it is not refused."""
    await house.fund(ANN, 100)
    for number in range(3):
        assert await house.count(END_WRITER) == 1
        await house.must(transfer(ANN, BEN, 1, key=f"{number}"))
    assert await house.balance(BEN) == 3
    await house.balances()


async def test_a_batch_that_never_lands_is_tried_a_few_times_and_refused(house: House) -> None:
    await house.fund(ANN, 100)
    tried: list[int] = []

    async def die(batch: Batch, _epoch: int, _meanwhile: Callable[[], None]) -> None:
        tried.append(len(batch.commands))
        raise NotCommitted("the connection is dead")

    commit, house.store.commit = house.store.commit, die  # type: ignore[method-assign]
    assert await house.ledger.record(transfer(ANN, BEN, 1)) is Refusal.UNAVAILABLE
    assert len(tried) == journal_module.REOPENINGS + 1
    house.store.commit = commit  # type: ignore[method-assign]
    while not house.journal.available:
        await trio.sleep(0.001)
    await house.must(transfer(ANN, BEN, 1))
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
    await house.pool.execute(END_WRITER)
    await house.ledger.record(transfer(ANN, BEN, 1))
    while not house.journal.available:
        await trio.sleep(0.001)
    assert lost
    await house.must(transfer(ANN, BEN, 1))
    await house.balances()


async def test_two_take_overs_lost_in_a_row_are_still_nobody_elses(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first was committed and its answer lost, the second never arrived."""
    await house.fund(ANN, 100)
    row = storage_journal._row
    lost: list[str] = []

    async def lose_twice(connection: TrioConnection, sql: str, *params: object) -> object:
        if sql == storage_journal._TAKE_OVER and len(lost) < 2:
            if not lost:
                await row(connection, sql, *params)  # type: ignore[arg-type]
            lost.append(sql)
            connection.discard()
            raise psycopg.OperationalError("connection lost")
        return await row(connection, sql, *params)  # type: ignore[arg-type]

    monkeypatch.setattr(storage_journal, "_row", lose_twice)
    await house.pool.execute(END_WRITER)
    await house.ledger.record(transfer(ANN, BEN, 1))
    with trio.fail_after(20):
        while not house.journal.available:
            await trio.sleep(0.001)
    assert len(lost) == 2
    await house.must(transfer(ANN, BEN, 1))
    await house.balances()


async def test_what_nobody_could_find_out_before_the_stop_is_answered_unknown(dsn: str) -> None:
    answers: Answers = {}
    async with trio.open_nursery() as nursery, living(dsn) as house:
        await house.fund(ANN, 100)
        house.store.openings.close()

        def lose(_: Batch) -> None:
            raise OutcomeUnknown("the answer is lost")

        house.store.after_commit = lose
        nursery.start_soon(ask_all, house, ["lost"], answers)
        await house.store.openings.until_waiting()
        house.scope.cancel()
    assert answers == {"lost": Refusal.UNKNOWN}


async def test_what_a_split_batch_has_left_is_refused_at_once_when_the_database_goes(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "REOPEN_WITHIN", 0.0)
    await house.fund(ANN, 100)
    await house.must(transfer(ANN, BEN, 1, key="used"))
    house.store.commits.close()
    answers: Answers = {}
    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask_all, house, ["first"], answers)
        await house.store.commits.until_waiting()
        nursery.start_soon(ask_all, house, ["used", *(f"{n}" for n in range(15))], answers)
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
    assert await recorded_keys(house) == Counter([*recorded, "used"])
    await house.balances()
