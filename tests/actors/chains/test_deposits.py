"""Deposits are found by watching, credited after the stated confirmations, once (CASH-C58)."""

from decimal import Decimal

import pytest

from storage.pool import Pool
from tests.actors.chains.house import ALICE, opened

CASES = [("arbitrum", "USDC"), ("ethereum", "ETH"), ("celo", "CELO"), ("bnb", "USDT"),
         ("tron", "USDT"), ("tron", "TRX"), ("bitcoin", "BTC")]  # fmt: skip


@pytest.mark.parametrize(("chain", "token"), CASES)
async def test_a_deposit_is_credited_once_after_the_stated_confirmations(
    pool: Pool, chain: str, token: str
) -> None:
    """FC-20: nothing at no confirmation; the whole of what arrived when there are enough."""
    async with opened(pool, chain) as house:
        address = await house.rail.address_of(ALICE, chain)
        await house.sims.deposit(chain, address, token, Decimal("100.5"))
        await house.look(chain)
        assert not house.facts.deposits
        for confirmations in range(1, house.chain(chain).confirmations):
            await house.settle(chain, 1)
            assert house.facts.states() == ["seen"], confirmations
        await house.settle(chain, 10)
        assert house.facts.states()[-1] == "confirmed"
        assert house.facts.credited == [(ALICE, token, 10_050_000_000)]
        assert house.facts.states().count("confirmed") == 1
