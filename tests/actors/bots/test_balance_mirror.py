"""What people have at exchanges follows the exchanges (AMKT-C17, AMKT-C31, X-C09)."""

from actors.balance_mirror import BalanceMirror
from domain.events import BotAlert
from domain.ledger import AccountKey, Hold, Intent
from domain.money import units_of
from domain.trading.records import AlertLevel, SystemMode, TradingMode
from tests.actors.bots.house import KEYS, PRICE, USER, Floor, floor_on, rising

ZAR = AccountKey(USER, "ZAR", "TRADING", provider="luno")
BTC = ZAR._replace(asset="BTC")


def _mirror(floor: Floor) -> BalanceMirror:
    floor.ring.kept[USER, "luno"] = KEYS
    return BalanceMirror(
        {"luno": floor.exchange},
        floor.ring,
        floor.floor,
        floor.house.accounts,
        floor.house.ledger,
        floor.parts.clock,
    )


async def _freshen(floor: Floor, mirror: BalanceMirror) -> None:
    floor.wall.pass_s(31)
    await mirror.freshen(USER, ("luno",))


async def test_money_at_an_exchange_funds_a_live_bot_and_its_trades_change_nothing_of_the_rest(dsn):
    async with floor_on(dsn) as floor:
        mirror, exchange = _mirror(floor), floor.exchange
        exchange.free = {"ZAR": units_of("5000.25"), "BTC": units_of("0.5"), "XRP": units_of("9")}
        await mirror.freshen(USER, ("luno", "binance"))
        assert await floor.posted(ZAR) == units_of("5000.25")
        assert await floor.posted(BTC) == units_of("0.5")
        await floor.floor.set_mode(USER, SystemMode.LIVE_TRADING)
        bot_id = (await floor.active(trading_mode=TradingMode.LIVE)).id
        up = rising(4)
        await floor.play(PRICE, *up)
        bot = floor.bot(bot_id)
        assert bot.position > 0
        spent = units_of("1000") - (bot.current_capital - bot.position_cost)
        exchange.free["ZAR"] -= spent
        exchange.free["BTC"] += bot.position
        await _freshen(floor, mirror)
        assert await floor.posted(ZAR) == units_of("4000.25")
        assert await floor.posted(BTC) == units_of("0.5")
        await floor.house.balances()


async def test_an_exchange_is_asked_at_most_every_half_minute_and_anew_after_other_keys(dsn):
    async with floor_on(dsn) as floor:
        mirror = _mirror(floor)
        for _ in range(3):
            await mirror.freshen(USER, ("luno",))
        assert floor.exchange.balances_asked == 1
        mirror.forget(USER, "luno")
        await mirror.freshen(USER, ("luno",))
        assert floor.exchange.balances_asked == 2
        floor.exchange.is_away = True
        await _freshen(floor, mirror)
        await mirror.freshen(USER, ("luno",))
        assert floor.exchange.balances_asked == 3
        del floor.ring.kept[USER, "luno"]
        await _freshen(floor, mirror)
        assert floor.exchange.balances_asked == 3


async def test_money_taken_out_is_taken_off_but_never_what_is_held(dsn):
    async with floor_on(dsn) as floor:
        mirror = _mirror(floor)
        floor.exchange.free = {"ZAR": units_of("5000")}
        await mirror.freshen(USER, ("luno",))
        await floor.house.must(Intent(kind="HOLD", place=Hold(ZAR, units_of("1000"))))
        floor.exchange.free = {"ZAR": units_of("3000")}
        await _freshen(floor, mirror)
        assert await floor.posted(ZAR) == units_of("3000")
        floor.exchange.free = {}
        for _ in range(3):
            await _freshen(floor, mirror)
        assert await floor.posted(ZAR) == units_of("1000")
        told = [fact for fact in floor.facts(BotAlert) if isinstance(fact, BotAlert)]
        assert [fact.message for fact in told] == [
            "luno holds 1000 ZAR less than your bots count on"
        ]
        assert told[0].level is AlertLevel.WARNING
        floor.exchange.free = {"ZAR": units_of("1500")}
        await _freshen(floor, mirror)
        assert await floor.posted(ZAR) == units_of("1500")
        await floor.house.balances()


async def test_nothing_is_compared_while_an_order_is_under_way_or_was_booked_meanwhile(dsn):
    """The exchange and the ledger would tell of different moments."""
    async with floor_on(dsn) as floor:
        mirror, exchange = _mirror(floor), floor.exchange
        exchange.free = {"ZAR": units_of("5000")}
        await mirror.freshen(USER, ("luno",))
        await floor.floor.set_mode(USER, SystemMode.LIVE_TRADING)
        bot_id = (await floor.active(trading_mode=TradingMode.LIVE)).id
        exchange.stays_open = True
        up = rising(3)
        await floor.play(PRICE, up[0])
        assert bot_id in floor.board.ordering
        exchange.free = {"ZAR": units_of("1")}
        await _freshen(floor, mirror)
        assert exchange.balances_asked == 1
        exchange.stays_open = False
        await floor.floor.kill_switch(USER, True)
        await floor.until(lambda: bot_id not in floor.board.ordering)
        await floor.floor.kill_switch(USER, False)
        before = exchange.free

        async def balances(keys: object) -> dict[str, int]:
            """A trade is booked after the exchange has told what it was before it."""
            await floor.play(*up[1:], *rising(2, up[-1]), every_s=10)
            return before

        exchange.balances = balances  # type: ignore[assignment,method-assign]
        await _freshen(floor, mirror)
        assert floor.bot(bot_id).position > 0
        assert await floor.posted(ZAR) == units_of("4000")
        await floor.house.balances()
