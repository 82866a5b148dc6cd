"""Deposits are found by watching, credited after the stated confirmations, once (CASH-C58)."""

from decimal import Decimal
from pathlib import Path

import pytest

from actors.identity_store import StoreUnavailable
from domain.chains.addresses import evm_address, tron_address
from domain.chains.table import Family
from providers.sandbox.chains.executed import OUTSIDER_ACCOUNT
from storage.pool import Pool
from tests.actors.chains.house import ALICE, BOB, House, opened

CASES = [("arbitrum", "USDC"), ("ethereum", "ETH"), ("celo", "CELO"), ("bnb", "USDT"),
         ("tron", "USDT"), ("tron", "TRX"), ("bitcoin", "BTC")]  # fmt: skip
CHAINS = [("polygon", "USDC"), ("tron", "USDT"), ("bitcoin", "BTC")]
TEN = 1_000_000_000


async def deposited(house: House, chain: str, token: str, amount: str = "10") -> str:
    address = await house.rail.address_of(ALICE, chain)
    return await house.sims.deposit(chain, address, token, Decimal(amount))


@pytest.mark.parametrize(("chain", "token"), CASES)
async def test_a_deposit_is_credited_once_after_the_stated_confirmations(
    pool: Pool, chain: str, token: str
) -> None:
    """FC-20: nothing at no confirmation; the whole of what arrived when there are enough."""
    async with opened(pool, chain) as house:
        tx_hash = await deposited(house, chain, token, "100.5")
        await house.look(chain)
        assert not house.facts.deposits
        for confirmations in range(1, house.chain(chain).confirmations):
            await house.settle(chain, 1)
            assert house.facts.states() == ["seen"], confirmations
        await house.settle(chain, 10)
        assert house.facts.states()[-1] == "confirmed"
        assert house.facts.credited == [(ALICE, token, 10_050_000_000)]
        assert house.facts.states().count("confirmed") == 1
        assert house.facts.deposits[-1].tx_hash == tx_hash


@pytest.mark.parametrize(("chain", "token"), CASES)
async def test_a_deposit_says_who_sent_it_and_what_that_cost(
    pool: Pool, chain: str, token: str
) -> None:
    """NXPY-602, NXPY-603: gas and fee are the receipt's. Bitcoin has no single sender."""
    async with opened(pool, chain) as house:
        await deposited(house, chain, token)
        await house.settle(chain, 10)
        deposit = house.facts.deposits[-1]
        family = house.chain(chain).family
        sender = {Family.EVM: evm_address, Family.TRON: tron_address}.get(family, lambda _: "")
        assert deposit.sender == sender(OUTSIDER_ACCOUNT)
        if family is Family.EVM:
            paid = 21_000 if token == house.chain(chain).native else deposit.gas_used
            assert deposit.gas_used == paid > 0
            assert deposit.fee_raw == deposit.gas_used * 101_000_000
        elif token != "TRX":  # a transfer of TRX costs bandwidth, which is free here
            assert deposit.fee_raw > 0


@pytest.mark.parametrize(("chain", "token"), CHAINS)
async def test_a_deposit_whose_block_is_replaced_is_credited_once_from_its_new_block(
    pool: Pool, chain: str, token: str
) -> None:
    async with opened(pool, chain) as house:
        await deposited(house, chain, token)
        house.block()
        await house.sims.reorg(chain, 1)
        await house.settle(chain, 10)
        assert house.facts.credited == [(ALICE, token, TEN)]
        assert house.facts.states().count("confirmed") == 1


@pytest.mark.parametrize(("chain", "token"), [("polygon", "USDC"), ("bitcoin", "BTC")])
async def test_a_deposit_that_is_lost_before_its_confirmations_is_retracted(
    pool: Pool, chain: str, token: str
) -> None:
    async with opened(pool, chain) as house:
        await deposited(house, chain, token)
        await house.settle(chain, 1)
        await house.sims.reorg(chain, 1, drop=True)
        await house.settle(chain, 10)
        assert house.facts.states() == ["seen", "retracted"]
        assert house.facts.credited == []


async def test_a_retracted_deposit_that_comes_back_is_credited(pool: Pool) -> None:
    async with opened(pool, "polygon") as house:
        await deposited(house, "polygon", "USDC")
        await house.settle("polygon", 2)
        house.sims.evm["polygon"].base_fee *= 1000  # keeps it out of the blocks that follow
        await house.sims.reorg("polygon", 2)
        await house.settle("polygon", 2)
        house.sims.evm["polygon"].base_fee //= 1000
        await house.settle("polygon", 8)
        assert house.facts.states() == ["seen", "retracted", "seen", "confirmed"]
        assert house.facts.credited == [(ALICE, "USDC", TEN)]


async def test_a_deposit_lost_after_it_was_credited_is_told_as_reversed(pool: Pool) -> None:
    async with opened(pool, "polygon") as house:
        await deposited(house, "polygon", "USDC")
        await house.settle("polygon", 6)
        await house.sims.reorg("polygon", 6, drop=True)
        await house.settle("polygon", 2)
        assert house.facts.states() == ["seen", "confirmed", "reversed"]


@pytest.mark.parametrize(("chain", "token"), CHAINS)
async def test_what_came_while_nobody_watched_is_found(pool: Pool, chain: str, token: str) -> None:
    async with opened(pool, chain) as house:
        await deposited(house, chain, token)
        house.block(200)
        await house.restart()
        await house.look(chain)
        assert house.facts.credited == [(ALICE, token, TEN)]


async def test_a_reorganisation_while_nobody_watched_is_noticed(pool: Pool) -> None:
    async with opened(pool, "polygon") as house:
        await deposited(house, "polygon", "USDC")
        await house.settle("polygon", 2)
        assert house.facts.states() == ["seen"]
        await house.sims.reorg("polygon", 2, drop=True)
        await house.restart()
        await house.settle("polygon", 8)
        assert house.facts.states() == ["seen", "retracted"]


async def test_a_fact_is_told_again_until_the_books_have_taken_it(pool: Pool) -> None:
    async with opened(pool, "polygon") as house:
        await deposited(house, "polygon", "USDC")
        await house.settle("polygon", 1)
        house.facts.fail = StoreUnavailable("away")
        await house.settle("polygon", 6)
        assert house.facts.states() == ["seen", "confirmed"]


@pytest.mark.expects_error_log
async def test_a_crash_while_it_is_told_leads_to_its_being_told_again(pool: Pool) -> None:
    async with opened(pool, "polygon") as house:
        await deposited(house, "polygon", "USDC")
        house.facts.fail = RuntimeError("a defect of whoever keeps the books")
        await house.settle("polygon", 1)
        await house.settle("polygon", 6)
        assert house.facts.credited == [(ALICE, "USDC", TEN)]


async def test_dust_below_the_ledgers_decimals_is_kept_until_it_adds_up(pool: Pool) -> None:
    """contract.md, "Money": bnb's USDC has eighteen decimals, the ledger's has six."""
    async with opened(pool, "bnb") as house:
        address = await house.rail.address_of(ALICE, "bnb")
        for _ in range(3):
            await house.sims.deposit_raw("bnb", address, "USDC", 4 * 10**11)
            await house.settle("bnb", 6)
        assert [units for _, _, units in house.facts.credited] == [0, 0, 100]
        dust = await pool.fetch("SELECT raw FROM chain_dust")
        assert [int(row[0]) for row in dust] == [2 * 10**11]


async def test_everybody_has_addresses_of_their_own_and_only_those_are_credited(
    pool: Pool,
) -> None:
    async with opened(pool, "polygon") as house:
        addresses = {
            await house.rail.address_of(ALICE, "polygon"),
            await house.rail.address_of(BOB, "polygon"),
            await house.rail.address_of(ALICE, "polygon", "business"),
            house.rail.hot_address("polygon"),
        }
        assert len(addresses) == 4
        outside = house.wallet.address(house.chain("polygon").family, 999)
        for address in [*sorted(addresses), outside]:
            await house.sims.deposit("polygon", address, "USDC", Decimal(1))
        await house.settle("polygon", 7)
        confirmed = {(d.owner, d.purpose) for d in house.facts.deposits if d.units}
        assert confirmed == {(ALICE, "user"), (BOB, "user"), (ALICE, "business")}


async def test_an_adopted_address_is_watched_on_every_chain_of_its_family(pool: Pool) -> None:
    """The seeded wallet address of contract.md has no key here and receives all the same."""
    seeded = "0xD4732b04f997D0229a755c797Bf1e4Ce6DcC65B7"
    async with opened(pool, "arbitrum", "base") as house:
        await house.rail.adopt(ALICE, "arbitrum", seeded)
        await house.sims.deposit("base", seeded, "USDC", Decimal(5))
        await house.settle("base", 4)
        assert house.facts.credited == [(ALICE, "USDC", 500_000_000)]


async def test_two_outputs_of_one_transaction_are_two_deposits(pool: Pool) -> None:
    async with opened(pool, "bitcoin") as house:
        address = await house.rail.address_of(ALICE, "bitcoin")
        house.sims.bitcoin.pay(address, 5_000, coins=2)
        await house.settle("bitcoin", 3)
        assert house.facts.credited == [(ALICE, "BTC", 5_000)] * 2


async def test_a_node_of_another_chain_is_not_believed(pool: Pool) -> None:
    async with opened(pool, "arbitrum") as house:
        house.settings["arbitrum"] = type(house.settings["arbitrum"])(
            url=house.settings["arbitrum"].url.replace("arbitrum", "base")
        )
        await house.restart()
        address = await house.rail.address_of(ALICE, "arbitrum")
        await house.sims.deposit("base", address, "USDC", Decimal(5))
        await house.settle("arbitrum", 8)
        assert house.facts.deposits == []


@pytest.mark.parametrize(("chain", "token"), CHAINS)
async def test_the_outside_world_remembers_itself_across_restarts(
    pool: Pool, tmp_path: Path, chain: str, token: str
) -> None:
    async with opened(pool, chain, folder=tmp_path) as house:
        await deposited(house, chain, token)
        await house.settle(chain, 8)
        height = house.sims.chain(chain).pace.height
        assert house.facts.credited == [(ALICE, token, TEN)]
    async with opened(pool, chain, folder=tmp_path) as house:
        assert house.sims.chain(chain).pace.height >= height
        await deposited(house, chain, token, "3")
        await house.settle(chain, 8)
        assert house.facts.states()[-1] == "confirmed"
        assert house.facts.credited == [(ALICE, token, 300_000_000)]
