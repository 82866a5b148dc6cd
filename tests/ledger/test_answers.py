"""When a committed batch is answered: at once, whatever becomes of the one after it."""

from collections.abc import Callable

import pytest
import trio
from psycopg.pq import TransactionStatus

from actors.batch import Batch
from actors.journal import Fenced, NotCommitted, OutcomeUnknown
from domain.ledger import Recorded, Refusal, wallet
from tests.ledger.house import House, living, transfer
from tests.ledger.outages import ANN, BEN, Answers, one_committing_and_one_queued
from tests.ledger.test_changes import Counted, intent


def _never_sent(house: House, failure: Exception) -> None:
    """Every commit after the next one fails before it has called anything."""

    async def fail(_batch: Batch, _epoch: int, _meanwhile: Callable[[], None]) -> None:
        raise failure

    def begin_failing(_: Batch) -> None:
        house.store.commit = fail  # type: ignore[method-assign]

    house.store.after_commit = begin_failing


async def _answered(answers: Answers, key: str) -> None:
    while answers[key] is None:
        await trio.sleep(0.001)


async def test_a_batch_is_answered_while_the_next_one_commits(house: House) -> None:
    answers: Answers = {}
    async with trio.open_nursery() as nursery:
        await one_committing_and_one_queued(house, nursery, answers)
        house.store.commits.open()
        house.store.commits.close()  # the first has passed
        await _answered(answers, "first")
        assert isinstance(answers["first"], Recorded)
        assert answers["second"] is None
        account = house.ledger.accounts.peek(wallet(ANN, "USD"))
        assert account is not None
        assert (account.posted, account.reserved, account.available) == (99, 1, 98)
        house.store.commits.open()
    assert isinstance(answers["second"], Recorded)
    await house.balances()


@pytest.mark.parametrize("failure", [NotCommitted("away"), OutcomeUnknown("lost")])
async def test_a_batch_is_answered_though_the_next_one_is_not_even_sent(
    house: House, failure: Exception
) -> None:
    answers: Answers = {}
    commit = house.store.commit
    async with trio.open_nursery() as nursery:
        await one_committing_and_one_queued(house, nursery, answers)
        _never_sent(house, failure)
        house.store.openings.close()
        house.store.commits.open()
        await _answered(answers, "first")
        await house.store.openings.until_waiting()
        assert answers["second"] is None
        house.store.commit = commit  # type: ignore[method-assign]
        house.store.openings.open()
    assert isinstance(answers["first"], Recorded)
    assert isinstance(answers["second"], Recorded)
    await house.balances()


async def test_a_batch_is_answered_though_another_writer_refuses_the_next_one(dsn: str) -> None:
    answers: Answers = {}

    async def until_taken_over() -> None:
        async with living(dsn) as house:
            await one_committing_and_one_queued(house, house.nursery, answers)
            _never_sent(house, Fenced("taken over"))
            house.store.commits.open()
            await trio.sleep_forever()

    with pytest.raises(Fenced):
        await until_taken_over()
    assert isinstance(answers["first"], Recorded)
    assert answers["second"] is Refusal.UNAVAILABLE


async def test_answers_are_made_when_the_database_has_its_work(house: House) -> None:
    """Rows beside a batch take more than one message to send: it is answered before, then."""
    await house.fund(ANN, 100)
    commit = house.store.commit
    seen: list[int] = []

    async def watched(batch: Batch, epoch: int, meanwhile: Callable[[], None]) -> None:
        def look() -> None:
            connection = house.store._connection
            assert connection is not None
            seen.append(connection.pgconn.transaction_status)
            meanwhile()

        await commit(batch, epoch, look)

    house.store.commit = watched  # type: ignore[method-assign]
    await house.must(transfer(ANN, BEN, 1))
    assert seen == [TransactionStatus.ACTIVE]
    await house.must(intent(Counted("beside")))
    assert seen == [TransactionStatus.ACTIVE, TransactionStatus.IDLE]
    await house.balances()
