"""Withdrawals are paid once, whatever happens on the way (issue C.1)."""

import pytest
import trio

from actors.chain_rail import Refused
from actors.chains import Sent, Unknown
from domain.chains.amounts import raw_of
from domain.chains.table import Family
from providers.evm.codec import Terms, signed
from providers.sandbox.chains.executed import OUTSIDER, OUTSIDER_ACCOUNT
from storage.pool import Pool
from tests.actors.chains.house import House, opened

OUTSIDE = {
    "arbitrum": "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
    "tron": "TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t",
    "bitcoin": "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",
}
CASES = [("arbitrum", "USDC"), ("arbitrum", "ETH"), ("tron", "USDT"), ("tron", "TRX"),
         ("bitcoin", "BTC")]  # fmt: skip
ONE = 100_000_000


async def received(house: House, chain: str, token: str) -> int:
    """What came to the outside address there, in units, as the chain itself says."""
    source = house.rail._ends[chain].source
    tip = await source.tip()
    found, first = 0, 1
    raw_one = raw_of(ONE, house.sims.tokens[chain, token])
    assert raw_one is not None
    while first <= tip.number:
        blocks = await source.blocks(first, tip.number)
        found += sum(
            i.amount_raw
            for b in blocks
            for i in b.incoming
            if i.address == OUTSIDE[chain] and i.token == token
        )
        first = blocks[-1].number + 1
    return found * ONE // raw_one


@pytest.mark.parametrize(("chain", "token"), CASES)
async def test_a_withdrawal_is_paid_and_told_when_it_is_confirmed(
    pool: Pool, chain: str, token: str
) -> None:
    """FC-14: processing, then the chain confirms."""
    async with opened(pool, chain) as house:
        answer = await house.pay(chain, token, OUTSIDE[chain], 3 * ONE)
        assert isinstance(answer, Sent)
        assert house.facts.fates() == ["sent"]
        await house.settle(chain)
        assert house.facts.fates() == ["sent", "confirmed"]
        told = house.facts.withdrawals[-1]
        assert told.tx_hash == answer.tx_hash
        assert told.block > 0
        assert await received(house, chain, token) == 3 * ONE
        assert await house.pay(chain, token, OUTSIDE[chain], 3 * ONE) == answer


@pytest.mark.parametrize("chain", ["arbitrum", "tron", "bitcoin"])
async def test_an_id_pays_once_and_only_what_it_was_first_used_for(pool: Pool, chain: str) -> None:
    token = {"arbitrum": "USDC", "tron": "USDT", "bitcoin": "BTC"}[chain]
    async with opened(pool, chain) as house:
        answers: list[object] = []

        async def ask() -> None:
            answers.append(await house.pay(chain, token, OUTSIDE[chain], ONE))

        async with trio.open_nursery() as nursery:
            for _ in range(10):
                nursery.start_soon(ask)
        assert len(set(answers)) == 1
        assert isinstance(answers[0], Sent)
        other = await house.pay(chain, token, OUTSIDE[chain], 2 * ONE)
        assert isinstance(other, Refused)
        await house.settle(chain)
        assert await received(house, chain, token) == ONE


@pytest.mark.parametrize(
    ("token", "to", "units", "reason"),
    [
        ("CELO", OUTSIDE["arbitrum"], ONE, "CELO is not carried on arbitrum"),
        ("USDC", "0x5aaeb6053F3E94C9b9A09f33669435E7Ef1BeAed", ONE, "invalid address"),
        ("USDC", "TYzK7gD3K4VwY8uP...", ONE, "invalid address"),
        ("USDC", OUTSIDE["arbitrum"], 1, "invalid amount"),
        ("USDC", OUTSIDE["arbitrum"], 0, "invalid amount"),
        ("USDC", OUTSIDE["arbitrum"], 10**18, "the hot wallet holds too little"),
        ("ETH", OUTSIDE["arbitrum"], 10**18, "the hot wallet holds too little"),
    ],
)
async def test_what_cannot_be_paid_is_refused_before_anything_is_signed(
    pool: Pool, token: str, to: str, units: int, reason: str
) -> None:
    async with opened(pool, "arbitrum") as house:
        assert await house.pay("arbitrum", token, to, units) == Refused(reason)
        rows = await pool.fetch("SELECT count(*) FROM chain_transactions")
        assert rows[0][0] == 0


async def test_a_hundred_withdrawals_at_once_use_a_hundred_nonces(pool: Pool) -> None:
    async with opened(pool, "arbitrum") as house:
        async with trio.open_nursery() as nursery:
            for number in range(100):
                nursery.start_soon(
                    house.pay, "arbitrum", "USDC", OUTSIDE["arbitrum"], ONE, f"W{number}"
                )
        await house.settle("arbitrum", 5)
        assert house.facts.fates().count("confirmed") == 100
        assert await received(house, "arbitrum", "USDC") == 100 * ONE
        slots = await pool.fetch("SELECT slot FROM chain_slots ORDER BY slot")
        assert [int(row[0]) for row in slots] == list(range(100))


async def test_bitcoin_withdrawals_beyond_the_coins_wait_for_settled_ones(pool: Pool) -> None:
    async with opened(pool, "bitcoin") as house:
        for number in range(45):
            await house.pay("bitcoin", "BTC", OUTSIDE["bitcoin"], ONE, f"W{number}")
        assert house.facts.fates().count("sent") == 40
        await house.settle("bitcoin", 10)
        assert house.facts.fates().count("confirmed") == 45
        assert await received(house, "bitcoin", "BTC") == 45 * ONE


@pytest.mark.parametrize("chain", ["arbitrum", "tron", "bitcoin"])
async def test_a_lost_reply_to_a_broadcast_is_unknown_and_never_sent_as_another(
    pool: Pool, chain: str
) -> None:
    token = {"arbitrum": "USDC", "tron": "USDT", "bitcoin": "BTC"}[chain]
    async with opened(pool, chain) as house:
        house.sims.lose_replies(1)
        answer = await house.pay(chain, token, OUTSIDE[chain], ONE)
        assert isinstance(answer, Unknown)
        assert answer.tx_hash
        await house.settle(chain)
        assert house.facts.fates()[-1] == "confirmed"
        assert house.facts.withdrawals[-1].tx_hash == answer.tx_hash
        assert await received(house, chain, token) == ONE


@pytest.mark.parametrize("chain", ["arbitrum", "tron", "bitcoin"])
async def test_a_node_that_is_down_delays_and_never_doubles(pool: Pool, chain: str) -> None:
    token = {"arbitrum": "USDC", "tron": "USDT", "bitcoin": "BTC"}[chain]
    async with opened(pool, chain) as house:
        house.fault.set("down")
        assert await house.pay(chain, token, OUTSIDE[chain], ONE) == Unknown()
        await house.settle(chain, 2)
        house.fault.set(None)
        await house.settle(chain)
        assert house.facts.fates()[-1] == "confirmed"
        assert await received(house, chain, token) == ONE


async def test_a_dropped_transaction_is_sent_again_as_it_was(pool: Pool) -> None:
    async with opened(pool, "arbitrum") as house:
        answer = await house.pay("arbitrum", "USDC", OUTSIDE["arbitrum"], ONE)
        assert isinstance(answer, Sent)
        house.sims.evm["arbitrum"].drop(bytes.fromhex(answer.tx_hash[2:]))
        await house.look("arbitrum")
        await house.settle("arbitrum")
        assert house.facts.withdrawals[-1].tx_hash == answer.tx_hash
        assert await received(house, "arbitrum", "USDC") == ONE


async def test_fees_of_what_waits_too_long_are_raised_with_the_same_nonce(pool: Pool) -> None:
    async with opened(pool, "arbitrum") as house:
        first = await house.pay("arbitrum", "USDC", OUTSIDE["arbitrum"], ONE)
        assert isinstance(first, Sent)
        house.sims.evm["arbitrum"].base_fee *= 50
        await house.settle("arbitrum", 3)
        assert house.facts.fates() == ["sent"]
        house.clock.advance(61)
        await house.settle("arbitrum", 6)
        told = house.facts.withdrawals[-1]
        assert told.state.value == "confirmed"
        assert told.tx_hash != first.tx_hash
        versions = await pool.fetch("SELECT version FROM chain_transactions ORDER BY version")
        assert [row[0] for row in versions] == [0, 1]
        assert [row[0] for row in await pool.fetch("SELECT slot FROM chain_slots")] == ["0" * 20]
        assert await received(house, "arbitrum", "USDC") == ONE


async def test_a_bitcoin_payment_that_waits_too_long_is_replaced_from_the_same_coins(
    pool: Pool,
) -> None:
    """BIP-125."""
    async with opened(pool, "bitcoin") as house:
        first = await house.pay("bitcoin", "BTC", OUTSIDE["bitcoin"], ONE)
        assert isinstance(first, Sent)
        house.sims.bitcoin.least_rate = 40
        await house.settle("bitcoin", 3)
        house.clock.advance(61)
        await house.settle("bitcoin", 5)
        told = house.facts.withdrawals[-1]
        assert told.state.value == "confirmed"
        assert told.tx_hash != first.tx_hash
        assert told.fee_raw >= 40 * 100
        assert await received(house, "bitcoin", "BTC") == ONE


async def test_a_withdrawal_in_a_block_that_is_dropped_is_followed_into_another(
    pool: Pool,
) -> None:
    async with opened(pool, "arbitrum") as house:
        await house.pay("arbitrum", "USDC", OUTSIDE["arbitrum"], ONE)
        await house.settle("arbitrum", 2)
        await house.sims.reorg("arbitrum", 2, drop=True)
        await house.settle("arbitrum", 8)
        assert house.facts.fates() == ["sent", "confirmed"]
        assert await received(house, "arbitrum", "USDC") == ONE


@pytest.mark.expects_error_log
async def test_a_foreign_transaction_with_our_nonce_is_for_a_person_to_decide(pool: Pool) -> None:
    """Never concluded to be unpaid, and never paid again."""
    async with opened(pool, "arbitrum") as house:
        chain = house.sims.evm["arbitrum"]
        await house.pay("arbitrum", "USDC", OUTSIDE["arbitrum"], ONE)
        chain.send(by_the_hot_wallet(house, 0, OUTSIDE["arbitrum"], b"", max_fee=10**12))
        await house.settle("arbitrum", 8)
        assert house.facts.fates() == ["sent", "stuck"]
        assert await received(house, "arbitrum", "USDC") == 0


async def test_a_transaction_that_the_chain_reverts_is_told_as_failed(pool: Pool) -> None:
    async with opened(pool, "arbitrum") as house:
        chain = house.sims.evm["arbitrum"]
        usdc = house.sims.tokens["arbitrum", "USDC"].contract
        approve = bytes.fromhex("095ea7b3") + words(OUTSIDER_ACCOUNT, 10**30)
        chain.send(by_the_hot_wallet(house, 0, usdc, approve))
        house.block()
        chain.height()
        answer = await house.pay("arbitrum", "USDC", OUTSIDE["arbitrum"], 10**9 * ONE)
        assert isinstance(answer, Sent)
        chain.base_fee *= 50  # holds the payment back, while the tokens leave by another way
        hot = bytes.fromhex(house.rail.hot_address("arbitrum")[2:])
        take = bytes.fromhex("23b872dd") + words(hot, OUTSIDER_ACCOUNT, 1)
        chain.send(by_an_outsider(house, usdc, take))
        await house.settle("arbitrum", 1)
        chain.base_fee //= 50
        await house.settle("arbitrum", 6)
        assert house.facts.fates() == ["sent", "failed"]
        assert house.facts.withdrawals[-1].reason == "reverted by the chain"


async def test_a_tron_payment_that_expired_unseen_is_told_as_failed(pool: Pool) -> None:
    """Only when the chain's final blocks are far past its end."""
    async with opened(pool, "tron") as house:
        answer = await house.pay("tron", "USDT", OUTSIDE["tron"], ONE)
        assert isinstance(answer, Sent)
        await pass_by(house, answer.tx_hash, 1190)
        assert house.facts.fates() == ["sent"]
        await pass_by(house, answer.tx_hash, 20)
        assert house.facts.fates() == ["sent", "failed"]
        assert await received(house, "tron", "USDT") == 0


async def pass_by(house: House, tx_id: str, seconds: int) -> None:
    """Time passes on TRON, and no node keeps the transaction."""
    house.sims.tron.waiting.pop(bytes.fromhex(tx_id), None)
    house.sims.tron.pace.stall()
    house.time[0] += seconds
    house.sims.tron.pace.resume()
    await house.settle("tron", 3)


def words(*values: bytes | int) -> bytes:
    """Arguments of a call."""
    return b"".join(
        v.to_bytes(32, "big") if isinstance(v, int) else v.rjust(32, b"\0") for v in values
    )


def by_the_hot_wallet(
    house: House, nonce: int, to: str, data: bytes, max_fee: int = 10**10
) -> bytes:
    """What another server with the same seed might sign."""
    terms = Terms(nonce, to, "0", data.hex(), 200_000, max_fee, 10**8)
    return signed(terms, 42161, house.wallet.hot(Family.EVM).secret)[0]


def by_an_outsider(house: House, to: str, data: bytes) -> bytes:
    nonce = house.sims.evm["arbitrum"].next_nonce(OUTSIDER_ACCOUNT)
    terms = Terms(nonce, to, "0", data.hex(), 200_000, 10**13, 10**8)
    return signed(terms, 42161, int.from_bytes(OUTSIDER, "big"))[0]
