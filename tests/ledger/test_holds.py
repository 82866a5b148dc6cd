"""Holds: placed, then posted in part or whole, or voided, once."""

import pytest
import trio

from domain.ledger import (
    Hold,
    Refusal,
    wallet,
)
from tests.ledger.house import House, close, open_when_queued, outcomes, transfer

ANN, BEN, COY = 1, 2, 3


async def test_a_hold_is_posted_in_part_and_the_rest_released(house: House) -> None:
    await house.fund(ANN, 100)
    hold = await house.hold(ANN, 80)
    assert await house.ledger.record(transfer(ANN, BEN, 21)) is Refusal.INSUFFICIENT_FUNDS
    await house.must(close(hold, BEN, 30, 20))
    await house.must(transfer(ANN, BEN, 50))
    assert await house.balance(BEN) == 100
    await house.balances()


async def test_a_voided_hold_gives_everything_back(house: House) -> None:
    await house.fund(ANN, 100)
    hold = await house.hold(ANN, 100)
    assert await house.ledger.record(transfer(ANN, BEN, 1)) is Refusal.INSUFFICIENT_FUNDS
    await house.must(close(hold, BEN))
    await house.must(transfer(ANN, BEN, 100))
    await house.balances()


async def test_what_a_close_releases_is_nobodys_before_its_commit(house: House) -> None:
    await house.fund(ANN, 100)
    hold = await house.hold(ANN, 100)
    house.store.commits.close()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(house.must, close(hold, BEN, 40))
        await house.store.commits.until_waiting()
        assert await house.ledger.record(transfer(ANN, BEN, 1)) is Refusal.INSUFFICIENT_FUNDS
        house.store.commits.open()
    await house.must(transfer(ANN, BEN, 60))
    await house.balances()


@pytest.mark.parametrize("together", [True, False])
async def test_closing_a_hold_twice_refuses_the_second_and_nothing_else(
    house: House, together: bool
) -> None:
    await house.fund(ANN, 1000)
    hold = await house.hold(ANN, 100)
    others = [transfer(ANN, BEN, 1) for _ in range(20)]
    closings = [close(hold, BEN, 100), close(hold, COY, 100)]
    if together:
        house.store.commits.close()
        house.nursery.start_soon(house.must, transfer(ANN, BEN, 1))
        await house.store.commits.until_waiting()
        house.nursery.start_soon(open_when_queued, house, 22)
        answers = await house.record_all([*others[:7], *closings, *others[7:]])
        assert max(house.store.batches) >= 10  # the two were in one batch with others
    else:
        answers = [await house.ledger.record(closing) for closing in closings]
        answers += await house.record_all(others)
    assert outcomes(answers) == {"recorded": 21, Refusal.CONFLICT: 1}
    assert await house.balance(BEN) + await house.balance(COY) == 120 + together
    await house.balances()


async def test_a_close_must_name_the_holds_account_and_amount(house: House) -> None:
    await house.fund(ANN, 100)
    await house.fund(BEN, 100)
    hold = await house.hold(ANN, 50)
    await house.hold(BEN, 50)
    wrong = [
        Hold(hold.account, 49, hold.id),
        Hold(wallet(BEN, "USD"), 50, hold.id),
        Hold(hold.account, 50, hold.id + 1000),
    ]
    for each in wrong:
        assert await house.ledger.record(close(each, COY, 1)) is Refusal.CONFLICT
    await house.balances()
    await house.must(close(hold, COY, 50))
    await house.balances()
