"""Orders whose exchange says that it never saw them: given up late, looked for, booked once."""

from actors.bot_store import OpenOrder
from actors.brokers import LiveBroker, Pending, Void
from actors.clock import Clock
from actors.exchanges import Order, OrderStatus, Side
from domain.events import BotAlert, TradeExecuted
from domain.ledger import AccountKey
from domain.money import units_of
from domain.trading.fills import Rules
from domain.trading.records import AlertLevel
from tests.actors.bots.house import (
    KEYS,
    PRICE,
    USER,
    FakeExchange,
    Floor,
    falling,
    floor_on,
    lose_answer,
    rising,
)
from tests.actors.bots.test_live import live_bot, pulses

RULES = Rules(base="BTC", quote="ZAR")


def _sent() -> OpenOrder:
    return OpenOrder(
        client_order_id="c1",
        bot_id="b1",
        side="buy",
        amount=units_of("0.001"),
        reason="",
        hold_id=1,
        hold_amount=units_of("1200"),
        sent_us=0,
    )


def _broker(exchange: FakeExchange) -> LiveBroker:
    return LiveBroker(exchange, KEYS, "BTC/ZAR", RULES, Clock(0, lambda: 0))


async def test_an_exchange_that_does_not_answer_is_no_evidence_that_an_order_never_arrived(
    autojump_clock,
):
    """A timeout is unknown: only what the exchange says, for long enough, counts."""
    exchange, order = FakeExchange(), _sent()
    broker = _broker(exchange)
    exchange.is_away = True
    for _ in range(10):
        assert await broker.look(order, cancel=False) == Pending()
        autojump_clock.jump(60)
    exchange.is_away = False
    assert await broker.look(order, cancel=False) == Pending()
    autojump_clock.jump(29)
    assert await broker.look(order, cancel=False) == Pending()
    autojump_clock.jump(2)
    assert isinstance(await broker.look(order, cancel=False), Void)


async def test_an_order_that_comes_in_while_it_is_given_up_is_found_by_cancelling_it(
    autojump_clock,
):
    exchange, order = FakeExchange(), _sent()
    broker = _broker(exchange)
    assert await broker.look(order, cancel=False) == Pending()
    autojump_clock.jump(31)

    async def cancel(keys: object, symbol: str, client_order_id: str) -> object:
        """It was under way all the time, and is there now."""
        exchange.cancel = original  # type: ignore[method-assign]
        exchange.stays_open = True
        wanted = Order(client_order_id="c1", symbol=symbol, side=Side.BUY, amount=order.amount)
        await exchange.place(KEYS, wanted)
        return await original(KEYS, symbol, client_order_id)

    original = exchange.cancel
    exchange.cancel = cancel  # type: ignore[assignment,method-assign]
    verdict = await broker.look(order, cancel=False)
    assert verdict == Void("the exchange cancelled an order")
    assert exchange.orders["c1"].status is OrderStatus.CANCELLED


async def _lost(floor: Floor) -> tuple[str, Order]:
    """A live bot with an order that was given up, and that order."""
    bot_id = await live_bot(floor)
    wanted: list[Order] = []

    def lose(order: Order) -> None:
        wanted.append(order)
        lose_answer(order)

    floor.exchange.before_place = lose
    await floor.play(PRICE, *rising(2))
    await pulses(floor, bot_id)
    floor.exchange.before_place = lambda _order: None
    return bot_id, wanted[0]


async def test_an_order_that_arrives_after_it_was_given_up_is_booked_once(dsn, monkeypatch):
    """The ledger follows the exchange, however late it is heard of."""
    monkeypatch.setattr("actors.brokers.NEVER_ARRIVED_S", 0.0)
    async with floor_on(dsn) as floor:
        bot_id, order = await _lost(floor)
        await floor.floor.look_for_unseen()
        await floor.settled()
        assert floor.facts(TradeExecuted) == []
        floor.exchange.at = PRICE
        await floor.exchange.place(KEYS, order)
        for _ in range(3):
            await floor.floor.look_for_unseen()
            await floor.settled()
        assert len(floor.facts(TradeExecuted)) == 1
        assert floor.bot(bot_id).position == order.amount
        account = AccountKey(USER, "BTC", f"BOT-{bot_id}", provider="luno")
        assert await floor.posted(account) == order.amount
        results = await floor.house.pool.fetch("SELECT result FROM bot_orders")
        assert [row[0] for row in results] == ["filled"]
        await floor.house.balances()


async def test_a_late_order_that_the_bot_cannot_pay_any_more_is_left_to_a_person(dsn, monkeypatch):
    monkeypatch.setattr("actors.brokers.NEVER_ARRIVED_S", 0.0)
    async with floor_on(dsn) as floor:
        bot_id, order = await _lost(floor)
        floor.exchange.at = PRICE * 100
        await floor.exchange.place(KEYS, order)
        for _ in range(2):
            await floor.floor.look_for_unseen()
            await floor.settled()
        errors = [fact for fact in floor.facts(BotAlert) if fact.level is AlertLevel.ERROR]
        assert len(errors) == 1
        assert floor.bot(bot_id).position == 0
        assert await floor.house.count("SELECT count(*) FROM bot_orders WHERE result = ''") == 0
        await floor.house.balances()


async def test_an_open_order_is_not_asked_for_with_every_tick(dsn):
    async with floor_on(dsn) as floor:
        bot_id = await live_bot(floor)
        floor.exchange.stays_open = True
        up = rising(3)
        await floor.play(PRICE, up[0])
        assert bot_id in floor.board.ordering
        asked = floor.exchange.asked
        await floor.play(*[up[1], up[2]] * 50, every_s=0.01)
        assert floor.exchange.asked <= asked + 10


async def test_its_owner_is_told_when_an_outcome_stays_unknown_and_it_trades_on_afterwards(dsn):
    async with floor_on(dsn) as floor:
        bot_id = await live_bot(floor)
        floor.exchange.after_place = lose_answer
        await floor.play(PRICE)
        up = rising(2)
        floor.exchange.is_away = True
        await floor.play(up[0])
        floor.wall.pass_s(61)
        await floor.until(lambda: floor.bot(bot_id).note)
        assert floor.bot(bot_id).note == "the outcome of an order is not known yet"
        floor.exchange.is_away = False
        floor.exchange.after_place = lambda _order: None
        await floor.until(lambda: floor.bot(bot_id).position)
        await floor.until(lambda: not floor.bot(bot_id).note)
        await floor.play(up[1], *falling(4, up[1]))
        assert floor.bot(bot_id).position == 0
        assert [fact.level for fact in floor.facts(BotAlert)] == [AlertLevel.WARNING]
