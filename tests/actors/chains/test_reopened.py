"""Payments whose blocks the chain drops after they were settled: sent again, and no gap stays."""

import pytest

from storage.pool import Pool
from tests.actors.chains.house import opened
from tests.actors.chains.test_withdrawals import ONE, OUTSIDE, received

CASES = [("arbitrum", "USDC"), ("bitcoin", "BTC")]


@pytest.mark.parametrize(("chain", "token"), CASES)
async def test_a_settled_withdrawal_whose_block_is_dropped_is_sent_again(
    pool: Pool, chain: str, token: str
) -> None:
    """FC-14: once, as the same transaction."""
    async with opened(pool, chain) as house:
        await house.settle(chain, 20)
        await house.pay(chain, token, OUTSIDE[chain], ONE)
        await house.settle(chain, 8)
        first = house.facts.withdrawals[-1]
        assert first.state.value == "confirmed"
        await house.sims.reorg(chain, 10, drop=True)
        assert await received(house, chain, token) == 0
        await house.settle(chain, 12)
        assert house.facts.fates() == ["sent", "confirmed"]  # nothing new to tell
        assert house.facts.withdrawals[-1].tx_hash == first.tx_hash
        assert await received(house, chain, token) == ONE


async def test_a_dropped_nonce_does_not_keep_later_withdrawals_waiting(pool: Pool) -> None:
    """A reorganisation leaves no gap in the hot wallet's nonces, whatever was asked meanwhile."""
    async with opened(pool, "arbitrum") as house:
        await house.settle("arbitrum", 20)
        await house.pay("arbitrum", "USDC", OUTSIDE["arbitrum"], ONE, "W1")
        await house.settle("arbitrum", 8)
        await house.sims.reorg("arbitrum", 10, drop=True)
        await house.pay("arbitrum", "USDC", OUTSIDE["arbitrum"], ONE, "W2")
        await house.settle("arbitrum", 12)
        states = await pool.fetch("SELECT id, state FROM chain_withdrawals ORDER BY id")
        assert [tuple(row) for row in states] == [("W1", "confirmed"), ("W2", "confirmed")]
        assert await received(house, "arbitrum", "USDC") == 2 * ONE


async def test_a_settled_withdrawal_is_sent_again_after_a_restart(pool: Pool) -> None:
    """What the watcher found before the crash the wallet finds after it."""
    async with opened(pool, "arbitrum") as house:
        await house.settle("arbitrum", 20)
        await house.pay("arbitrum", "USDC", OUTSIDE["arbitrum"], ONE)
        await house.settle("arbitrum", 8)
        await house.sims.reorg("arbitrum", 10, drop=True)
        await house.restart()
        await house.settle("arbitrum", 12)
        states = await pool.fetch("SELECT state FROM chain_withdrawals")
        assert [row[0] for row in states] == ["confirmed"]
        assert await received(house, "arbitrum", "USDC") == ONE
