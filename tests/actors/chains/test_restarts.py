"""Crashes between any two steps: what was signed is stored before it is sent, and stays it."""

import random
from decimal import Decimal

import pytest
import trio
import trio.testing

from actors.chain_rail import Delivery
from actors.chains import Unknown
from domain.chains.transfers import SignedTransaction
from storage.pool import Pool
from tests.actors.chains.house import ALICE, House, opened
from tests.actors.chains.test_withdrawals import ONE, OUTSIDE, received

TOKENS = [("arbitrum", "USDC"), ("tron", "USDT"), ("bitcoin", "BTC")]


async def crash_in(house: House, chain: str, token: str, *, before_sending: bool) -> None:
    """Pay, and crash while the transaction is being sent."""
    payer = house.rail._ends[chain].payer
    send = payer.send
    reached = trio.Event()

    async def hang(signed: SignedTransaction) -> Delivery:
        if not before_sending:
            await send(signed)
        reached.set()
        await trio.sleep_forever()
        raise AssertionError

    payer.send = hang  # type: ignore[method-assign]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(house.pay, chain, token, OUTSIDE[chain], ONE)
        await reached.wait()
        nursery.cancel_scope.cancel()
    await house.restart()


@pytest.mark.parametrize("before_sending", [True, False])
@pytest.mark.parametrize(("chain", "token"), TOKENS)
async def test_a_crash_around_the_broadcast_leads_to_the_same_transaction(
    pool: Pool, chain: str, token: str, before_sending: bool
) -> None:
    async with opened(pool, chain) as house:
        await crash_in(house, chain, token, before_sending=before_sending)
        signed = [row[0] for row in await pool.fetch("SELECT tx_hash FROM chain_transactions")]
        await house.settle(chain)
        assert house.facts.fates()[-1] == "confirmed"
        assert [house.facts.withdrawals[-1].tx_hash] == signed
        assert await received(house, chain, token) == ONE


@pytest.mark.parametrize(("chain", "token"), TOKENS)
async def test_a_crash_between_broadcast_and_receipt_loses_nothing(
    pool: Pool, chain: str, token: str
) -> None:
    async with opened(pool, chain) as house:
        answer = await house.pay(chain, token, OUTSIDE[chain], ONE)
        house.block()
        await house.restart()
        assert await house.pay(chain, token, OUTSIDE[chain], ONE) == answer
        await house.settle(chain)
        assert house.facts.fates()[-1] == "confirmed"
        assert await received(house, chain, token) == ONE


async def test_a_withdrawal_whose_caller_died_before_it_was_announced_is_found(
    pool: Pool,
) -> None:
    async with opened(pool, "arbitrum") as house:
        draft = house.rail._draft("W1", "arbitrum", "USDC", OUTSIDE["arbitrum"], ONE)
        await house.rail._parts.store.add(draft)  # type: ignore[arg-type]
        house.clock.advance(16)
        await house.settle("arbitrum")
        assert house.facts.fates()[-1] == "confirmed"
        assert await received(house, "arbitrum", "USDC") == ONE


async def test_who_asks_after_an_unknown_outcome_gets_the_outcome(pool: Pool) -> None:
    async with opened(pool, "arbitrum") as house:
        answer = await house.rail.broadcast(
            "W1", "arbitrum", "USDC", OUTSIDE["arbitrum"], ONE, trio.current_time() - 1
        )
        assert isinstance(answer, Unknown)
        await house.settle("arbitrum")
        status = await house.rail.status("W1")
        assert status is not None
        assert status.state.value == "confirmed"


@pytest.mark.parametrize(("chain", "token"), TOKENS)
async def test_whatever_happens_every_withdrawal_is_paid_once(
    pool: Pool, rng: random.Random, chain: str, token: str
) -> None:
    """Faults, lost replies, dropped transactions, reorganisations, restarts and dear blocks."""
    async with opened(pool, chain) as house:
        asked: list[str] = []
        for step in range(18):
            match rng.choice(["pay", "pay", "block", "lose", "down", "reorg", "restart", "wait"]):
                case "pay":
                    asked.append(f"W{step}")
                case "block":
                    house.block(rng.randrange(1, 4))
                case "lose":
                    house.sims.lose_replies(rng.randrange(1, 3))
                case "down":
                    house.fault.set(rng.choice(["down", "error"]), times=rng.randrange(1, 4))
                case "reorg":
                    await house.sims.reorg(chain, rng.randrange(1, 3))
                case "restart":
                    await house.restart()
                case "wait":
                    house.clock.advance(61)
            for ref in asked[-2:]:
                await house.pay(chain, token, OUTSIDE[chain], ONE, ref)
            await house.look(chain)
        house.fault.set(None)
        house.sims.lose_replies(0)
        for _ in range(3):
            house.clock.advance(20)
            await house.settle(chain, 6)
        ended = {w.id: w.state.value for w in house.facts.withdrawals}
        assert ended == dict.fromkeys(asked, "confirmed")
        assert await received(house, chain, token) == len(asked) * ONE


@pytest.mark.expects_error_log
async def test_a_chain_that_is_another_and_shorter_is_read_from_its_first_block(
    pool: Pool,
) -> None:
    """A test chain that was begun anew: nothing that is remembered is on it."""
    remembered = [f"{n:064x}" for n in range(200)]
    async with opened(pool, "bitcoin") as house:
        await house.settle("bitcoin", 1)
        tip = (await pool.fetch("SELECT block FROM chain_cursors"))[0][0]
        await pool.execute(
            "UPDATE chain_cursors SET block = %s, hashes = %s", [tip + 40, remembered]
        )
        await house.restart()
        address = await house.rail.address_of(ALICE, "bitcoin")
        await house.sims.deposit("bitcoin", address, "BTC", Decimal(1))
        await house.settle("bitcoin", 10)
        assert house.facts.states()[-1] == "confirmed"
        (block,) = (await pool.fetch("SELECT block FROM chain_cursors"))[0]
        assert 0 <= block <= tip + 12
