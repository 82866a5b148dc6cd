"""Money between accounts on a real database, many at a time."""

import random

import pytest
import trio

from actors import journal as journal_module
from actors.clock import Clock
from actors.journal import BATCH_LIMIT, Unwritable
from domain.events import Fact, person
from domain.ledger import (
    Effects,
    Hold,
    Intent,
    Posting,
    Recorded,
    Refusal,
    SystemPurpose,
    system,
    wallet,
)
from tests.ledger.house import House, close, living, open_when_queued, outcomes, transfer

ANN, BEN, COY = 1, 2, 3


async def test_of_many_concurrent_transfers_exactly_as_many_succeed_as_there_is_money(
    house: House,
) -> None:
    """architecture.md, "Life of a transfer"."""
    await house.fund(ANN, 37 * 100 + 99)
    answers = await house.record_all([transfer(ANN, BEN, 100) for _ in range(200)])
    assert outcomes(answers) == {"recorded": 37, Refusal.INSUFFICIENT_FUNDS: 163}
    assert await house.balance(ANN) == 99
    assert await house.balance(BEN) == 3700
    await house.balances()


async def test_a_transfer_tells_the_balance_and_sequence_it_left(house: House) -> None:
    await house.fund(ANN, 100)
    answers = await house.record_all([transfer(ANN, BEN, 1) for _ in range(50)])
    lines = [a.line(wallet(ANN, "USD")) for a in answers if isinstance(a, Recorded)]
    assert sorted((line.sequence, line.balance) for line in lines if line is not None) == [
        (1 + n, 100 - n) for n in range(1, 51)
    ]


async def test_opposite_transfers_neither_deadlock_nor_lose_money(house: House) -> None:
    await house.fund(ANN, 300)
    await house.fund(BEN, 300)
    pairs = [(ANN, BEN), (BEN, ANN)] * 500
    answers = await house.record_all([transfer(a, b, 1) for a, b in pairs])
    done = [pair for pair, a in zip(pairs, answers, strict=True) if isinstance(a, Recorded)]
    assert set(outcomes(answers)) <= {"recorded", Refusal.INSUFFICIENT_FUNDS}
    assert len(done) >= 600  # each side's own money at least
    to_ben = done.count((ANN, BEN)) - done.count((BEN, ANN))
    assert await house.balance(BEN) == 300 + to_ben
    assert await house.balance(ANN) == 300 - to_ben
    await house.balances()


async def test_what_gathers_while_one_batch_commits_is_committed_together(house: House) -> None:
    await house.fund(ANN, 2000)
    await house.must(transfer(ANN, BEN, 1))
    house.store.batches.clear()
    house.store.commits.close()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(house.must, transfer(ANN, BEN, 1))
        await house.store.commits.until_waiting()
        for _ in range(1000):
            nursery.start_soon(house.must, transfer(ANN, BEN, 1))
        while house.journal.queued < 1000:
            await trio.sleep(0.001)
        house.store.commits.open()
    assert sum(house.store.batches) == 1001
    assert max(house.store.batches) <= BATCH_LIMIT
    assert len(house.store.batches) < 20
    await house.balances()


async def test_a_conversion_is_one_journal_over_two_currencies(house: House) -> None:
    await house.fund(ANN, 1000)
    position, wanted = system("USD", SystemPurpose.FX_POSITION), wallet(ANN, "BTC")
    btc_position = system("BTC", SystemPurpose.FX_POSITION)
    postings = (
        Posting(wallet(ANN, "USD"), position, 990),
        Posting(wallet(ANN, "USD"), system("USD", SystemPurpose.FEE_INCOME), 10),
        Posting(btc_position, wanted, 3),
    )
    recorded = await house.must(Intent(kind="CONVERSION", postings=postings, quote_id=5))
    line = recorded.line(wanted)
    assert line is not None
    assert (line.balance, line.sequence) == (3, 1)
    await house.balances()


async def test_a_sum_beyond_a_bigint_keeps_every_unit(house: House) -> None:
    """architecture.md, "Money": 10**15 whole units of any asset."""
    await house.fund(ANN, 10**23 + 1)
    await house.must(transfer(ANN, BEN, 10**23))
    assert await house.balance(BEN) == 10**23
    assert await house.balance(ANN) == 1
    await house.balances()


async def test_a_row_the_database_contradicts_refuses_its_own_command_only(house: House) -> None:
    await house.fund(ANN, 1000)
    await house.must(transfer(ANN, BEN, 1, key="used"))
    house.store.commits.close()
    house.nursery.start_soon(house.must, transfer(ANN, BEN, 1))
    await house.store.commits.until_waiting()
    intents = [transfer(ANN, BEN, 1, key="used" if n == 13 else f"new {n}") for n in range(40)]
    house.nursery.start_soon(open_when_queued, house, 40)
    answers = await house.record_all(intents)
    assert answers[13] is Refusal.CONFLICT
    assert outcomes(answers) == {"recorded": 39, Refusal.CONFLICT: 1}
    assert await house.balance(BEN) == 41
    await house.balances()


async def test_a_key_is_in_progress_until_its_command_ends(house: House) -> None:
    """X-C29: never executed twice, whether or not anybody still waits for it."""
    await house.fund(ANN, 100)
    house.store.commits.close()
    await house.abandon(house.ledger.record, transfer(ANN, BEN, 1, key="mine"))
    again = await house.ledger.record(transfer(ANN, BEN, 1, key="mine"))
    assert again is Refusal.IN_PROGRESS
    others = await _in_background(house, transfer(ANN, BEN, 1, key="other"))
    house.store.commits.open()
    assert isinstance(await others.receive(), Recorded)
    assert await house.ledger.record(transfer(ANN, BEN, 1, key="mine")) is Refusal.CONFLICT
    assert await house.balance(BEN) == 2
    await house.balances()


async def _in_background(
    house: House, intent: Intent
) -> trio.MemoryReceiveChannel[Recorded | Refusal]:
    send, receive = trio.open_memory_channel[Recorded | Refusal](1)

    async def ask() -> None:
        await send.send(await house.ledger.record(intent))

    house.nursery.start_soon(ask)
    return receive


async def test_effects_that_raise_fail_their_asker_only(house: House) -> None:
    await house.fund(ANN, 100)

    def broken(_: Recorded) -> Effects:
        raise LookupError("a bug")

    bad = Intent(
        kind="TRANSFER",
        postings=(Posting(wallet(ANN, "USD"), wallet(BEN, "USD"), 60),),
        effects=broken,
    )
    house.store.commits.close()
    house.nursery.start_soon(house.must, transfer(ANN, BEN, 1))
    await house.store.commits.until_waiting()
    house.nursery.start_soon(open_when_queued, house, 4)
    answers = await house.record_all([transfer(ANN, BEN, 1), bad, *[transfer(ANN, BEN, 1)] * 2])
    assert isinstance(answers[1], LookupError)
    assert [isinstance(a, Recorded) for a in answers] == [True, False, True, True]
    await house.must(transfer(ANN, BEN, 96))
    await house.balances()


async def test_a_text_no_database_takes_fails_its_asker_only(house: House) -> None:
    """JSON may carry a zero byte; PostgreSQL's text may not. The writer must survive it."""
    await house.fund(ANN, 100)
    house.store.commits.close()
    house.nursery.start_soon(house.must, transfer(ANN, BEN, 1))
    await house.store.commits.until_waiting()
    house.nursery.start_soon(open_when_queued, house, 9)
    intents = [transfer(ANN, BEN, 1, description="nul \0" if n == 4 else "é") for n in range(9)]
    answers = await house.record_all(intents)
    assert isinstance(answers[4], Unwritable)
    assert sum(isinstance(a, Recorded) for a in answers) == 8
    surrogate = await house.record_all([transfer(ANN, BEN, 1, description="\ud800")])
    assert isinstance(surrogate[0], Exception)
    await house.must(transfer(ANN, BEN, 90))
    await house.balances()


async def test_more_commands_than_the_mailbox_holds_are_refused(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "MAILBOX_LIMIT", 10)
    await house.fund(ANN, 100)
    house.store.commits.close()
    first = await _in_background(house, transfer(ANN, BEN, 1))
    await house.store.commits.until_waiting()
    house.nursery.start_soon(open_when_queued, house, 10)
    answers = await house.record_all([transfer(ANN, BEN, 1, key=f"{n}") for n in range(25)])
    assert isinstance(await first.receive(), Recorded)
    assert outcomes(answers) == {"recorded": 10, Refusal.OVERLOADED: 15}
    await house.balances()


async def test_events_are_told_after_the_commit_in_the_order_of_their_offsets(
    house: House,
) -> None:
    """X-C28: offset and journal are committed together."""
    heard: list[int] = []
    early: list[int] = []

    def listen(offset: int, _fact: Fact) -> None:
        heard.append(offset)
        if not committed:
            early.append(offset)

    committed: list[int] = []
    house.store.after_commit = lambda batch: committed.append(batch.number)
    house.feeds.listen(person(BEN), listen)
    await house.fund(ANN, 1000)
    committed.clear()
    house.store.commits.close()
    async with trio.open_nursery() as nursery:
        for _ in range(50):
            nursery.start_soon(house.must, transfer(ANN, BEN, 1))
        await house.store.commits.until_waiting()
        assert not heard
        house.store.commits.open()
    assert heard == sorted(heard)
    assert len(set(heard)) == 50
    assert not early
    rows = await house.pool.fetch("SELECT id FROM events WHERE feed = 'user:2' ORDER BY id")
    assert [offset for (offset,) in rows] == heard


@pytest.mark.expects_error_log
async def test_a_listener_that_fails_stops_neither_the_others_nor_the_ledger(
    house: House,
) -> None:
    heard: list[int] = []

    def broken(_offset: int, _fact: Fact) -> None:
        raise LookupError("a bug")

    house.feeds.listen(person(BEN), broken)
    house.feeds.listen(person(BEN), lambda offset, _fact: heard.append(offset))
    await house.fund(ANN, 10)
    await house.must(transfer(ANN, BEN, 1))
    await house.must(transfer(ANN, BEN, 1))
    assert heard == [1, 2]


async def test_a_refused_transfer_tells_nobody(house: House) -> None:
    heard: list[int] = []
    house.feeds.listen(person(BEN), lambda offset, _fact: heard.append(offset))
    assert await house.ledger.record(transfer(ANN, BEN, 1)) is Refusal.ACCOUNT_NOT_FOUND
    await house.fund(ANN, 1)
    assert await house.ledger.record(transfer(ANN, BEN, 2)) is Refusal.INSUFFICIENT_FUNDS
    assert not heard
    assert await house.count("SELECT count(*) FROM journals") == 1


async def test_a_clock_that_goes_back_does_not_take_the_ledger_along(dsn: str) -> None:
    wall = [2_000_000]
    async with living(dsn, clock=Clock(wall_us=lambda: wall[0])) as house:
        await house.fund(ANN, 10)
        wall[0] = 1_000_000
        earlier = await house.must(transfer(ANN, BEN, 1))
        wall[0] = 3_000_000
        later = await house.must(transfer(ANN, BEN, 1))
        assert (earlier.recorded_us, later.recorded_us) == (2_000_000, 3_000_000)
        await house.balances()
    wall[0] = 500_000
    async with living(dsn, clock=Clock(wall_us=lambda: wall[0])) as house:
        restarted = await house.must(transfer(ANN, BEN, 1))
        assert restarted.recorded_us == 3_000_000
        await house.balances()


async def test_numbers_go_on_where_an_earlier_process_stopped(dsn: str) -> None:
    async with living(dsn) as house:
        await house.fund(ANN, 10)
        before = await house.must(transfer(ANN, BEN, 1))
    async with living(dsn) as house:
        after = await house.must(transfer(ANN, BEN, 1))
        assert after.journal_id == before.journal_id + 1
        assert after.receipt == before.receipt + 1
        await house.balances()


async def test_a_receipt_that_was_given_before_is_used_again(house: House) -> None:
    await house.fund(ANN, 100)
    placed = await house.must(Intent(kind="HOLD", place=Hold(wallet(ANN, "USD"), 10)))
    hold = Hold(wallet(ANN, "USD"), 10, placed.journal_id)
    settled = Intent(
        kind="CLOSE",
        postings=close(hold, BEN, 10).postings,
        close=hold,
        receipt=placed.receipt,
    )
    assert (await house.must(settled)).receipt == placed.receipt
    assert (await house.must(transfer(ANN, BEN, 1))).receipt == placed.receipt + 1
    await house.balances()


async def test_random_work_of_every_kind_leaves_a_balanced_ledger(
    house: House, rng: random.Random
) -> None:
    people = range(1, 9)
    for owner in people:
        await house.fund(owner, 500)
    holds: list[Hold] = []

    async def somebody() -> None:
        for _ in range(25):
            payer, payee = rng.sample(people, 2)
            if rng.random() < 0.2:
                units = rng.randint(1, 60)
                key = wallet(payer, "USD")
                placed = await house.ledger.record(Intent(kind="HOLD", place=Hold(key, units)))
                if isinstance(placed, Recorded):
                    holds.append(Hold(key, units, placed.journal_id))
            elif holds and rng.random() < 0.3:
                hold = holds.pop(rng.randrange(len(holds)))
                units = rng.randint(0, hold.amount)
                await house.must(close(hold, payee, *([units] if units else [])))
            else:
                await house.ledger.record(transfer(payer, payee, rng.randint(1, 90)))

    async with trio.open_nursery() as nursery:
        for _ in range(40):
            nursery.start_soon(somebody)
    total = sum([await house.balance(owner) for owner in people])
    assert total == 8 * 500
    await house.balances()
