"""Deposits are collected into the hot wallet: planned, once, and never credited to anybody."""

from decimal import Decimal

import pytest
import trio

from actors.chain_rail import ChainUnavailable
from actors.chain_sweeps import Action, Operator, Plan
from domain.chains.table import CHAINS, Family
from domain.chains.transfers import Withdrawal, WithdrawalState
from providers.hdwallet.wallet import HdWallet
from storage.pool import Pool
from tests.actors.chains.house import ALICE, BOB, WORDS, House, opened

USD = 10**8
BY = Operator(id=1, how="pwd")
CASES = [("polygon", "USDC", "25"), ("arbitrum", "USDC", "25"), ("arbitrum", "ETH", "0.5"),
         ("bnb", "USDT", "25"), ("tron", "USDT", "25"), ("tron", "TRX", "25"),
         ("bitcoin", "BTC", "0.5")]  # fmt: skip


async def deposited(
    house: House, chain: str, token: str, amount: str, owner: int = ALICE, purpose: str = "cashier"
) -> str:
    """The address that a confirmed deposit lies on."""
    address = await house.rail.address_of(owner, chain, purpose)
    await house.sims.deposit(chain, address, token, Decimal(amount))
    await house.settle(chain, 8)
    return address


async def lies_at(house: House, chain: str, address: str, token: str) -> int:
    """Raw units, as the chain's node says."""
    return (await house.ends[chain].payer.held(address, [token]))[token]


async def execute(house: House, chain: str, least_usd: int = USD) -> Plan:
    """Returns once the wallet has looked at what was begun."""
    plan = await house.sweeps.execute(chain, least_usd, BY)
    await house.look(chain)
    return plan


def actions(plan: Plan) -> list[tuple[str, Action]]:
    return [(row.token, row.action) for row in plan.rows]


async def states(house: House) -> dict[str, list[str]]:
    """States of sweeps and gas, oldest first."""
    found: dict[str, list[str]] = {"sweep": [], "gas": []}
    for withdrawal in reversed(await house.sweeps.newest(100)):
        found[withdrawal.kind].append(withdrawal.state)
    return found


@pytest.mark.parametrize(("chain", "token", "amount"), CASES)
async def test_a_deposit_is_collected_into_the_hot_wallet(
    pool: Pool, chain: str, token: str, amount: str
) -> None:
    """With gas where a token needs it; whoever paid in is credited what they paid, once."""
    async with opened(pool, chain) as house:
        address = await deposited(house, chain, token, amount)
        before = await lies_at(house, chain, house.rail.hot_address(chain), token)
        plan = await house.sweeps.plan(chain, USD)
        assert actions(plan) == [(token, Action.SWEEP)]
        assert (await states(house)) == {"sweep": [], "gas": []}
        await execute(house, chain)
        await house.settle(chain, 20)
        is_token = token != CHAINS[chain].native
        assert await states(house) == {
            "sweep": ["confirmed"],
            "gas": ["confirmed"] if is_token else [],
        }
        arrived = await lies_at(house, chain, house.rail.hot_address(chain), token) - before
        left = await lies_at(house, chain, address, token)
        total = int(Decimal(amount).scaleb(house.sims.tokens[chain, token].decimals))
        if is_token:
            assert (arrived, left) == (total, 0)
        else:
            assert total * 98 // 100 < arrived < total
            assert left < total // 50
        assert house.facts.credited == [(ALICE, token, int(Decimal(amount) * USD))]
        assert actions(await execute(house, chain)) == []
        audited = await pool.fetch("SELECT operator_id, action, subject FROM audit_log")
        assert [tuple(row) for row in audited] == [
            (1, "sweep deposits", f"SWP-{chain}-{address}-1")
        ]


async def test_what_was_not_settled_when_its_address_was_swept_is_collected_the_next_time(
    pool: Pool,
) -> None:
    """Of Bitcoin only settled coins are spent: a deposit that was merely seen stays behind."""
    async with opened(pool, "bitcoin") as house:
        address = await deposited(house, "bitcoin", "BTC", "0.5")
        await house.sims.deposit("bitcoin", address, "BTC", Decimal("0.25"))
        house.block()
        await house.look("bitcoin")  # it is seen
        house.clock.advance(1)
        await execute(house, "bitcoin")
        await house.settle("bitcoin", 20)
        assert await lies_at(house, "bitcoin", address, "BTC") == 25_000_000
        assert house.facts.credited == [(ALICE, "BTC", USD // 2), (ALICE, "BTC", USD // 4)]
        assert actions(await execute(house, "bitcoin")) == [("BTC", Action.SWEEP)]
        await house.settle("bitcoin", 20)
        assert await lies_at(house, "bitcoin", address, "BTC") == 0
        assert actions(await execute(house, "bitcoin")) == []


@pytest.mark.parametrize(("chain", "token"), [("arbitrum", "USDC"), ("tron", "USDT")])
async def test_a_sweep_survives_restarts_and_lost_replies_and_is_sent_once(
    pool: Pool, chain: str, token: str
) -> None:
    """A crash after every block, and nodes that hang up after they took a transaction."""
    async with opened(pool, chain, timeout_s=0.5) as house:
        address = await deposited(house, chain, token, "25")
        house.sims.lose_replies(3)
        await execute(house, chain)
        for _ in range(16):
            await house.restart()
            house.clock.advance(10)
            house.block()
            await house.look(chain)
        assert await states(house) == {"sweep": ["confirmed"], "gas": ["confirmed"]}
        assert await lies_at(house, chain, address, token) == 0
        assert house.facts.credited == [(ALICE, token, 25 * USD)]
        signed = await pool.fetch("SELECT withdrawal_id FROM chain_transactions")
        assert len(signed) == len({row[0] for row in signed}) == 2


async def test_a_sweep_asked_for_many_times_at_once_is_begun_once(pool: Pool) -> None:
    async with opened(pool, "polygon") as house:
        await deposited(house, "polygon", "USDC", "25")
        async with trio.open_nursery() as nursery:
            for _ in range(8):
                nursery.start_soon(execute, house, "polygon")
        assert actions(await execute(house, "polygon")) == [("USDC", Action.UNDER_WAY)]
        await house.settle("polygon", 20)
        assert await states(house) == {"sweep": ["confirmed"], "gas": ["confirmed"]}


async def test_two_servers_cannot_both_sweep_an_address(pool: Pool) -> None:
    """The database says so, whatever the actors remember."""
    async with opened(pool, "polygon") as house:
        address = await deposited(house, "polygon", "USDC", "25")
        plan = await house.sweeps.plan("polygon", USD)
        await execute(house, "polygon")
        row = plan.rows[0]
        assert (
            await house.sweeps._begin("polygon", row, BY, house.clock.now_us())
        ).action is Action.UNDER_WAY
        assert len((await states(house))["sweep"]) == 1
        assert row.address == address


async def test_every_token_of_an_address_is_collected_one_after_the_other(pool: Pool) -> None:
    """The own coin last: it pays for the others."""
    async with opened(pool, "arbitrum") as house:
        address = await deposited(house, "arbitrum", "ETH", "0.1")
        for token, amount in (("USDC", "50"), ("DAI", "80")):
            await deposited(house, "arbitrum", token, amount)
        first = await execute(house, "arbitrum")
        assert actions(first) == [
            ("DAI", Action.SWEEP), ("USDC", Action.LATER), ("ETH", Action.LATER)
        ]  # fmt: skip
        assert first.rows[0].top_up == 0
        for _ in range(2):
            await house.settle("arbitrum", 8)
            await execute(house, "arbitrum")
        await house.settle("arbitrum", 8)
        assert await states(house) == {"sweep": ["confirmed"] * 3, "gas": []}
        for token in ("USDC", "DAI"):
            assert await lies_at(house, "arbitrum", address, token) == 0
        assert await lies_at(house, "arbitrum", address, "ETH") < 10**15


async def test_later_deposits_are_collected_again(pool: Pool) -> None:
    async with opened(pool, "bitcoin") as house:
        for number in (1, 2):
            await deposited(house, "bitcoin", "BTC", "0.5")
            await execute(house, "bitcoin")
            await house.settle("bitcoin", 6)
            assert (await states(house))["sweep"] == ["confirmed"] * number


async def test_what_is_not_worth_it_stays(pool: Pool) -> None:
    """Too little, of unknown keys, or gone."""
    async with opened(pool, "polygon", "bitcoin") as house:
        await deposited(house, "polygon", "USDC", "4.99")
        foreign = "0xD4732b04f997D0229a755c797Bf1e4Ce6DcC65B7"
        await house.rail.adopt(BOB, "polygon", foreign)
        await house.sims.deposit("polygon", foreign, "USDC", Decimal(500))
        await house.settle("polygon", 8)
        plan = await execute(house, "polygon", 5 * USD)
        assert actions(plan) == [("USDC", Action.TOO_SMALL), ("USDC", Action.NO_KEY)]
        await deposited(house, "bitcoin", "BTC", "0.000006")
        house.sims.bitcoin.least_rate = 10
        assert actions(await execute(house, "bitcoin", 0)) == [("BTC", Action.TOO_SMALL)]
        assert await states(house) == {"sweep": [], "gas": []}


async def test_a_sweep_whose_gas_became_too_little_is_given_more(pool: Pool) -> None:
    """Fees rose between the two: the operator asks again."""
    async with opened(pool, "polygon") as house:
        address = await deposited(house, "polygon", "USDC", "25")
        await execute(house, "polygon")
        await house.settle("polygon", 3)
        house.sims.evm["polygon"].base_fee *= 8
        await house.settle("polygon", 4)
        assert await states(house) == {"sweep": ["queued"], "gas": ["confirmed"]}
        assert actions(await execute(house, "polygon")) == [("USDC", Action.TOP_UP)]
        await house.settle("polygon", 16)
        assert await states(house) == {"sweep": ["confirmed"], "gas": ["confirmed"] * 2}
        assert await lies_at(house, "polygon", address, "USDC") == 0


@pytest.mark.parametrize(("chain", "token"), [("arbitrum", "ETH"), ("bitcoin", "BTC")])
async def test_the_fees_of_a_sweep_that_waits_are_raised_out_of_what_it_moves(
    pool: Pool, chain: str, token: str
) -> None:
    async with opened(pool, chain) as house:
        address = await deposited(house, chain, token, "0.5")
        await execute(house, chain)
        await house.look(chain)
        if chain == "bitcoin":
            house.sims.bitcoin.least_rate = 40
        else:
            house.sims.evm[chain].base_fee *= 50
        await house.settle(chain, 3)
        assert (await states(house))["sweep"] == ["sent"]
        house.clock.advance(61)
        await house.settle(chain, 10)
        assert (await states(house))["sweep"] == ["confirmed"]
        versions = await pool.fetch("SELECT version FROM chain_transactions ORDER BY version")
        assert [row[0] for row in versions] == [0, 1]
        assert await lies_at(house, chain, address, token) < 10**16


@pytest.mark.parametrize("purpose", ["user", "business", "treasury"])
async def test_every_kind_of_address_is_collected_from(pool: Pool, purpose: str) -> None:
    async with opened(pool, "arbitrum") as house:
        if purpose == "treasury":
            address = await house.rail.address_of(-2, "arbitrum", purpose, number=0)
            await house.sims.deposit("arbitrum", address, "USDC", Decimal(25))
            await house.settle("arbitrum", 8)
        else:
            await deposited(house, "arbitrum", "USDC", "25", BOB, purpose)
        await execute(house, "arbitrum")
        await house.settle("arbitrum", 16)
        assert (await states(house))["sweep"] == ["confirmed"]


async def test_a_node_that_is_down_begins_nothing(pool: Pool) -> None:
    async with opened(pool, "polygon") as house:
        await deposited(house, "polygon", "USDC", "25")
        house.fault.set("down")
        with pytest.raises(ChainUnavailable):
            await execute(house, "polygon")
        house.fault.set(None)
        assert await states(house) == {"sweep": [], "gas": []}


def test_a_wallet_that_does_not_collect_has_no_keys_of_deposit_addresses() -> None:
    """CHAIN_SWEEPS off: they cannot be derived at all."""
    for family in Family:
        keeps, collects = HdWallet(WORDS), HdWallet(WORDS, collects=True)
        assert keeps.keys(family).named(f"cashier/{ALICE}") is None
        key = collects.keys(family).named(f"cashier/{ALICE}")
        assert key is not None
        assert key.address == keeps.address(family, ALICE, "cashier")
        high = collects.keys(family).named(f"user/{2**31 + 5}")
        assert high is not None
        assert high.address == keeps.address(family, 2**31 + 5)
        assert collects.keys(family).named("hot/0") is None
        assert collects.keys(family).named("user/-1") is None


def test_a_key_signs_for_its_own_address_only() -> None:
    keys = HdWallet(WORDS, collects=True).keys(Family.EVM)
    sweep = Withdrawal(
        id="SWP-1", chain="polygon", token="USDC", address=keys.hot.address, amount_raw=1,
        state=WithdrawalState.QUEUED, source=keys.hot.address, source_key=f"user/{ALICE}",
    )  # fmt: skip
    assert keys.of(sweep) is None
