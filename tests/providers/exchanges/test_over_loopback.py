"""Every client against its own simulator, each fault included (Part D, exchange rail)."""

from dataclasses import replace

import pytest

from actors.exchanges import (
    ExchangeRefused,
    ExchangeUnavailable,
    Keys,
    KeysRefused,
    OrderStatus,
    OutcomeUnknown,
    Side,
)
from domain.money import units_of
from tests.providers.exchanges.support import KEYS, SYMBOLS, MemoryStore, rig

ALL = sorted(SYMBOLS)
WRONG = (
    Keys(api_key="other", api_secret="secret", passphrase="passphrase"),
    Keys(api_key="key", api_secret="wrong", passphrase="passphrase"),
    Keys(api_key="", api_secret="", passphrase=""),
    Keys(api_key="no\r\nkey", api_secret="é\0", passphrase=" "),
    Keys(api_key="clé", api_secret="secret", passphrase="passphrase"),
)
# Only a bearer key; OVEX quotes and does not keep orders.
BOOKS = [name for name in ALL if name != "ovex"]


def price_of(symbol: str) -> str:
    return "1200000" if symbol.endswith("ZAR") else "65000"


@pytest.mark.parametrize("name", ALL)
async def test_the_sandbox_keys_are_accepted(name: str) -> None:
    async with rig(name) as it:
        check = await it.exchange.check(KEYS)
    assert check.valid
    assert 0 <= check.latency_ms < 2_000


@pytest.mark.parametrize("name", ALL)
async def test_other_keys_are_refused(name: str) -> None:
    async with rig(name) as it:
        for keys in [wrong for wrong in WRONG if name != "ovex" or wrong.api_key != "key"]:
            assert not (await it.exchange.check(keys)).valid
            with pytest.raises(KeysRefused):
                await it.exchange.balances(keys)


@pytest.mark.parametrize("name", ALL)
async def test_balances_are_told_in_the_documents_codes(name: str) -> None:
    async with rig(name) as it:
        balances = await it.exchange.balances(KEYS)
    assert balances["BTC"] == units_of("100")
    assert balances[it.symbol.partition("/")[2]] > units_of("100000")


@pytest.mark.parametrize("name", ALL)
async def test_rules_are_told_and_kept(name: str) -> None:
    async with rig(name) as it:
        rules = await it.exchange.rules(it.symbol)
        it.fault.set("down")
        assert await it.exchange.rules(it.symbol) == rules
    assert (rules.base, rules.quote) == tuple(it.symbol.split("/"))
    assert rules.price_step > 0
    assert rules.amount_step > 0
    assert 0 < rules.least_amount < units_of("0.01")
    assert 0 <= rules.maker_fee_ppm <= rules.taker_fee_ppm < 10_000


@pytest.mark.parametrize("name", ALL)
async def test_an_unknown_symbol_is_refused(name: str) -> None:
    async with rig(name) as it:
        with pytest.raises(ExchangeRefused):
            await it.exchange.rules("DOGE/XYZ")
        with pytest.raises(ExchangeRefused):
            await it.exchange.price("DOGE/XYZ")


@pytest.mark.parametrize("name", ALL)
async def test_a_market_order_fills_at_the_tick_and_moves_the_balances(name: str) -> None:
    async with rig(name) as it:
        it.price(price_of(it.symbol))
        before = await it.exchange.balances(KEYS)
        sold = await it.exchange.place(KEYS, it.order("s-1", Side.SELL))
        bought = await it.exchange.place(KEYS, it.order("b-1", Side.BUY, "0.02"))
        after = await it.exchange.balances(KEYS)
        rules = await it.exchange.rules(it.symbol)
    quote = it.symbol.partition("/")[2]
    assert sold.status is bought.status is OrderStatus.FILLED
    assert (sold.filled, sold.side) == (units_of("0.01"), Side.SELL)
    # Luno buys by cost at the ask, OVEX quotes with its spread.
    assert abs(bought.filled - units_of("0.02")) <= units_of("0.0001")
    assert abs(sold.cost - units_of(price_of(it.symbol)) // 100) < sold.cost // 100
    fees = {"BTC": 0, quote: 0}
    for state in (sold, bought):
        fees[state.fee_currency] += state.fee
        gained = state.filled if state.fee_currency == "BTC" else state.cost
        assert state.fee == gained * rules.taker_fee_ppm // 1_000_000
    assert after["BTC"] - before["BTC"] == bought.filled - sold.filled - fees["BTC"]
    assert after[quote] - before[quote] == sold.cost - bought.cost - fees[quote]


@pytest.mark.parametrize("name", BOOKS)
async def test_a_limit_order_waits_until_the_tick_crosses_it(name: str) -> None:
    async with rig(name) as it:
        it.price("1000")
        placed = await it.exchange.place(KEYS, it.order("l-1", price="900", amount="1"))
        assert placed.status is OrderStatus.OPEN
        assert placed.filled == 0
        held = (await it.exchange.balances(KEYS))[it.symbol.partition("/")[2]]
        it.price("950")
        waiting = await it.exchange.order(KEYS, it.symbol, "l-1")
        it.price("890")
        filled = await it.exchange.order(KEYS, it.symbol, "l-1")
        later = (await it.exchange.balances(KEYS))[it.symbol.partition("/")[2]]
    assert waiting is not None
    assert waiting.status is OrderStatus.OPEN
    assert filled is not None
    assert filled.status is OrderStatus.FILLED
    assert (filled.filled, filled.cost) == (units_of("1"), units_of("900"))
    assert filled.client_order_id == "l-1"
    assert filled.exchange_order_id == placed.exchange_order_id
    assert later <= held


@pytest.mark.parametrize("name", BOOKS)
async def test_a_waiting_order_can_be_cancelled_once_and_for_all(name: str) -> None:
    async with rig(name) as it:
        it.price("1000")
        before = await it.exchange.balances(KEYS)
        await it.exchange.place(KEYS, it.order("c-1", price="900", amount="1"))
        cancelled = await it.exchange.cancel(KEYS, it.symbol, "c-1")
        again = await it.exchange.cancel(KEYS, it.symbol, "c-1")
        it.price("800")
        after = await it.exchange.order(KEYS, it.symbol, "c-1")
        assert await it.exchange.balances(KEYS) == before
    assert cancelled.status is again.status is OrderStatus.CANCELLED
    assert after is not None
    assert after.status is OrderStatus.CANCELLED
    assert after.filled == 0


@pytest.mark.parametrize("name", BOOKS)
async def test_cancelling_what_is_filled_tells_that_it_is_filled(name: str) -> None:
    async with rig(name) as it:
        it.price("1000")
        await it.exchange.place(KEYS, it.order("f-1", Side.SELL, amount="1"))
        assert (await it.exchange.cancel(KEYS, it.symbol, "f-1")).status is OrderStatus.FILLED
        with pytest.raises(ExchangeRefused):
            await it.exchange.cancel(KEYS, it.symbol, "never-seen")


@pytest.mark.parametrize("name", ALL)
async def test_an_order_nobody_placed_is_none(name: str) -> None:
    async with rig(name) as it:
        assert await it.exchange.order(KEYS, it.symbol, "never-seen") is None


@pytest.mark.parametrize("name", ALL)
async def test_the_same_client_order_id_is_carried_out_once(name: str) -> None:
    async with rig(name) as it:
        it.price(price_of(it.symbol))
        first = await it.exchange.place(KEYS, it.order("once", Side.SELL))
        balances = await it.exchange.balances(KEYS)
        second = await it.exchange.place(KEYS, it.order("once", Side.SELL))
        assert await it.exchange.balances(KEYS) == balances
    assert second == first


@pytest.mark.parametrize("name", ALL)
async def test_more_than_there_is_is_refused(name: str) -> None:
    async with rig(name) as it:
        with pytest.raises(ExchangeRefused):
            await it.exchange.place(KEYS, it.order("big", Side.SELL, "100000"))
        with pytest.raises(ExchangeRefused):
            await it.exchange.place(KEYS, it.order("small", Side.SELL, "0.00000100"))
        assert await it.exchange.order(KEYS, it.symbol, "small") is None


@pytest.mark.parametrize("name", ALL)
async def test_an_order_whose_answer_was_lost_is_unknown_and_then_found(name: str) -> None:
    async with rig(name, answer_seconds=0.3, slow_seconds=0.8) as it:
        it.price(price_of(it.symbol))
        order = it.order("lost", Side.SELL)
        await it.exchange.rules(it.symbol)
        it.fault.set("slow", times=1)
        with pytest.raises(OutcomeUnknown):
            await it.exchange.place(KEYS, order)
        found = await it.exchange.order(KEYS, it.symbol, "lost")
    assert found is not None
    assert found.status is OrderStatus.FILLED
    assert found.filled == order.amount


@pytest.mark.parametrize("name", ALL)
async def test_an_exchange_that_fails_leaves_an_order_unknown_and_reads_unavailable(
    name: str,
) -> None:
    async with rig(name) as it:
        it.fault.set("error")
        with pytest.raises(ExchangeUnavailable):
            await it.exchange.balances(KEYS)
        with pytest.raises(ExchangeUnavailable):
            await it.exchange.price(it.symbol)
        with pytest.raises((OutcomeUnknown, ExchangeUnavailable)):
            await it.exchange.place(KEYS, it.order("e-1", Side.SELL))
        it.fault.set(None)
        assert await it.exchange.order(KEYS, it.symbol, "e-1") is None


@pytest.mark.parametrize("name", ALL)
async def test_an_order_to_where_nobody_listens_was_not_placed(name: str) -> None:
    away = "http://127.0.0.1:1"
    async with rig(name, change=lambda settings: replace(settings, base_url=away)) as it:
        with pytest.raises(ExchangeUnavailable):
            await it.exchange.place(KEYS, it.order("n-1", Side.SELL))


@pytest.mark.parametrize("name", BOOKS)
async def test_a_simulated_exchange_remembers_its_orders_over_a_restart(name: str) -> None:
    store = MemoryStore()
    async with rig(name, store=store) as it:
        it.price("1000")
        await it.exchange.place(KEYS, it.order("r-1", Side.SELL, "1"))
        await it.exchange.place(KEYS, it.order("r-2", amount="0.1", price="900"))
        balances = await it.exchange.balances(KEYS)
    async with rig(name, store=store) as it:
        filled = await it.exchange.order(KEYS, it.symbol, "r-1")
        waiting = await it.exchange.order(KEYS, it.symbol, "r-2")
        assert await it.exchange.balances(KEYS) == balances
        assert await it.exchange.place(KEYS, it.order("r-1", Side.SELL, "1")) == filled
    assert filled is not None
    assert filled.status is OrderStatus.FILLED
    assert waiting is not None
    assert waiting.status is OrderStatus.OPEN


async def test_a_simulated_exchange_starts_with_a_damaged_memory() -> None:
    store = MemoryStore()
    async with rig("luno", store=store) as it:
        await it.exchange.place(KEYS, it.order("kept", Side.SELL, "1"))
    store.lines = [b"", b"not json", *store.lines, b'{"order":{}}']
    async with rig("luno", store=store) as it:
        assert await it.exchange.order(KEYS, it.symbol, "kept") is not None
    assert len(store.lines) == 1
