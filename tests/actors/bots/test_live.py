"""Live bots: intents before orders, unknown outcomes, nothing sent or booked twice."""

import pytest

from actors.bots import Denied, Reason
from actors.exchanges import ExchangeUnavailable, KeysRefused, OrderStatus
from domain.events import BotAlert, TradeExecuted
from domain.ledger import AccountKey, Line
from domain.money import units_of
from domain.trading.records import BotSpec, BotStatus, SystemMode, TradingMode
from tests.actors.bots.house import (
    KEYS,
    PRICE,
    USER,
    FakeExchange,
    FakeRing,
    Floor,
    Wall,
    falling,
    floor_on,
    lose_answer,
    rising,
    trading,
)
from tests.ledger.house import living


async def live_bot(floor: Floor) -> str:
    """A live bot that may trade."""
    await floor.lend(USER, "5000")
    floor.ring.kept[USER, "luno"] = KEYS
    await floor.floor.set_mode(USER, SystemMode.LIVE_TRADING)
    return (await floor.active(trading_mode=TradingMode.LIVE)).id


async def pulses(floor: Floor, bot_id: str) -> None:
    await floor.until(lambda: bot_id not in floor.board.ordering)
    await floor.settled()


async def test_a_live_bot_spends_real_money_through_the_exchange(dsn):
    """AMKT-C17 with its override: the same accounts as a paper bot's, REAL."""
    async with floor_on(dsn) as floor:
        bot_id = await live_bot(floor)
        up = rising(5)
        await floor.play(PRICE, *up, *falling(3, up[-1]))
        assert [order.side.value for order in floor.exchange.placed] == ["buy", "sell"]
        bot = floor.bot(bot_id)
        assert bot.position == 0
        account = AccountKey(USER, "ZAR", f"BOT-{bot_id}", provider="luno")
        assert await floor.posted(account) == bot.current_capital
        assert await floor.house.count("SELECT count(*) FROM bot_orders WHERE result = ''") == 0
        gone = await floor.floor.delete(USER, bot_id)
        assert isinstance(gone, Line)
        funds = AccountKey(USER, "ZAR", "TRADING", provider="luno")
        assert units_of("4990") < await floor.posted(funds) < units_of("5100")
        assert (gone.account, gone.balance) == (funds, await floor.posted(funds))
        await floor.house.balances()


async def test_capital_above_the_balance_is_refused(dsn):
    """FA-03 step 8."""
    async with floor_on(dsn) as floor:
        await floor.lend(USER, "999.99")
        spec = BotSpec(
            name="A",
            platform="luno",
            initial_capital=units_of("1000"),
            trading_mode=TradingMode.LIVE,
        )
        refused = Denied(Reason.INSUFFICIENT_FUNDS, "Not enough capital for operation")
        assert await floor.floor.create(USER, spec) == refused
        assert await floor.floor.list(USER) == []


async def test_it_idles_in_mode_testing_and_without_keys_and_says_each_once(dsn):
    """AMKT-C18, contract.md: a live bot may be created without keys."""
    async with floor_on(dsn) as floor:
        await floor.lend(USER, "5000")
        made = await floor.active(trading_mode=TradingMode.LIVE)
        await floor.play(PRICE, *rising(3))
        assert floor.bot(made.id).note == "the mode is testing"
        await floor.floor.set_mode(USER, SystemMode.AUTOPILOT)
        await floor.play(PRICE, *rising(3))
        assert floor.bot(made.id).note == "it has no valid API keys"
        assert [fact.message for fact in floor.facts(BotAlert)] == [
            "Bot Alpha is idle: the mode is testing",
            "Bot Alpha is idle: it has no valid API keys",
        ]
        assert floor.exchange.placed == []
        floor.ring.kept[USER, "luno"] = KEYS
        await floor.floor.keys_changed(USER, "luno")
        await floor.play(PRICE, *rising(3))
        assert len(floor.exchange.placed) == 1
        assert floor.bot(made.id).note == ""


async def test_an_order_whose_answer_was_lost_is_found_and_booked_once(dsn):
    """A timeout after sending is unknown, never failed; it is never sent again."""
    async with floor_on(dsn) as floor:
        bot_id = await live_bot(floor)
        floor.exchange.after_place = lose_answer
        up = rising(6)
        await floor.play(PRICE, *up[:2])
        await floor.play(*up[2:])
        await pulses(floor, bot_id)
        assert len(floor.exchange.placed) == 1
        assert len(floor.facts(TradeExecuted)) == 1
        assert floor.bot(bot_id).position == floor.exchange.placed[0].amount
        await floor.house.balances()


async def test_an_order_that_never_arrived_frees_its_money(dsn, monkeypatch):
    monkeypatch.setattr("actors.brokers.NEVER_ARRIVED_S", 0.0)
    async with floor_on(dsn) as floor:
        bot_id = await live_bot(floor)
        floor.exchange.before_place = lose_answer
        await floor.play(PRICE, *rising(2))
        await pulses(floor, bot_id)
        assert floor.exchange.orders == {}
        account = AccountKey(USER, "ZAR", f"BOT-{bot_id}", provider="luno")
        held = await floor.house.ledger.accounts.get(account)
        assert held is not None
        assert held.debits_pending == 0
        assert held.available == units_of("1000")
        told = [fact.message for fact in floor.facts(BotAlert)]
        assert told == [
            "Bot Alpha lost an order on its way to the exchange; it is looked for until tomorrow"
        ]


async def test_killed_after_sending_it_books_the_fill_when_it_is_back(dsn):
    """Restart reconciles open orders by client order id; positions are kept."""
    exchange, ring, wall = FakeExchange(), FakeRing(), Wall()
    exchange.after_place = lose_answer
    async with living(dsn) as house, trading(house, wall, exchange, ring) as floor:
        bot_id = await live_bot(floor)
        up = rising(2)
        await floor.play(PRICE, up[0])
        assert bot_id in floor.board.ordering
    async with living(dsn) as house, trading(house, wall, exchange, ring) as floor:
        await floor.until(lambda: floor.bot(bot_id).position)
        await pulses(floor, bot_id)
        bot = floor.bot(bot_id)
        assert bot.status is BotStatus.ACTIVE
        assert bot.position == exchange.placed[0].amount
        assert len(exchange.placed) == 1
        assert (await floor.floor.trades(USER, bot_id, 10, 0))[1] == 1
        exchange.after_place = lambda _order: None
        await floor.play(up[1], *falling(3, up[1]))
        assert floor.bot(bot_id).position == 0
        await floor.house.balances()


@pytest.mark.parametrize("error", [ExchangeUnavailable("not now"), KeysRefused("revoked")])
async def test_a_refused_order_moves_nothing(dsn, error):
    async with floor_on(dsn) as floor:
        bot_id = await live_bot(floor)

        def refuse(_order: object) -> None:
            raise error

        floor.exchange.before_place = refuse
        await floor.play(PRICE, *rising(4), every_s=6)
        assert bot_id not in floor.board.ordering
        assert len(floor.facts(BotAlert)) == 1
        account = AccountKey(USER, "ZAR", f"BOT-{bot_id}", provider="luno")
        assert await floor.posted(account) == units_of("1000")
        await floor.house.balances()


async def test_an_order_left_open_is_cancelled_when_the_kill_switch_is_thrown(dsn):
    async with floor_on(dsn) as floor:
        bot_id = await live_bot(floor)
        floor.exchange.stays_open = True
        await floor.play(PRICE, *rising(1))
        assert bot_id in floor.board.ordering
        await floor.floor.kill_switch(USER, True)
        await pulses(floor, bot_id)
        assert [state.status for state in floor.exchange.orders.values()] == [OrderStatus.CANCELLED]


async def test_a_fee_in_the_base_currency_comes_out_of_what_was_bought(dsn):
    async with floor_on(dsn) as floor:
        floor.exchange.fee_currency = "BTC"
        bot_id = await live_bot(floor)
        up = rising(3)
        await floor.play(PRICE, *up)
        bought = floor.exchange.placed[0].amount
        assert floor.bot(bot_id).position == bought - bought // 1000
        floor.exchange.fee_currency = "ZAR"
        await floor.play(*falling(3, up[-1]))
        # What is left is less than the exchange takes: it counts as no position.
        assert floor.bot(bot_id).position < 100
        await floor.play(*rising(2))
        assert [order.side.value for order in floor.exchange.placed] == ["buy", "sell", "buy"]
        await floor.house.balances()
