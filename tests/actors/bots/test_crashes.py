"""Bots that crash, and bots after kill -9 (FA-04)."""

import pytest

from actors.market import BATCH
from domain.events import BotAlert, TradeExecuted
from domain.ledger import Line
from domain.money import units_of
from domain.trading.records import AlertLevel, BotStatus
from tests.actors.bots.house import PRICE, USER, Floor, Wall, falling, floor_on, rising, trading
from tests.ledger.house import living


async def _break(floor: Floor, bot_id: str) -> None:
    """Let its strategy raise until it is stopped."""
    await floor.floor.fail_next_ticks(bot_id, 100)
    while floor.bot(bot_id).status is not BotStatus.STOPPED:
        await floor.play(PRICE)


@pytest.mark.expects_error_log
async def test_a_strategy_that_raises_now_and_then_is_restarted_and_goes_on(dsn):
    """FA-04: restarted by its supervisor."""
    async with floor_on(dsn) as floor:
        made = await floor.active()
        await floor.floor.fail_next_ticks(made.id, 2)
        while made.id in floor.board.faults:
            await floor.play(PRICE)
        await floor.play(PRICE, *rising(2))
        assert floor.bot(made.id).status is BotStatus.ACTIVE
        assert len(floor.facts(TradeExecuted)) == 1
        assert floor.facts(BotAlert) == []


@pytest.mark.expects_error_log
async def test_past_its_budget_it_is_stopped_with_an_alert_and_no_other_bot_notices(dsn):
    """FA-04: status "stopped", alert level "error"."""
    async with floor_on(dsn) as floor:
        broken, sound = await floor.active(), await floor.active(name="Beta")
        await _break(floor, broken.id)
        assert [(fact.bot_id, fact.level) for fact in floor.facts(BotAlert)] == [
            (broken.id, AlertLevel.ERROR)
        ]
        await floor.play(PRICE, *rising(2))
        assert [fact.trade.bot_id for fact in floor.facts(TradeExecuted)] == [sound.id]
        floor.board.faults.clear()
        assert (await floor.floor.start(USER, broken.id)).status is BotStatus.ACTIVE
        await _break(floor, broken.id)
        assert isinstance(await floor.floor.delete(USER, broken.id), Line)


async def test_after_kill_9_bots_go_on_with_their_positions(dsn):
    wall = Wall()
    up = rising(4)
    async with living(dsn) as house, trading(house, wall) as floor:
        open_, paused = await floor.active(), await floor.active(name="Beta")
        await floor.floor.pause(USER, paused.id)
        await floor.floor.kill_switch(None, True)
        await floor.floor.kill_switch(None, False)
        await floor.play(PRICE, *up)
        before = floor.bot(open_.id)
        assert before.position > 0
    async with living(dsn) as house, trading(house, wall) as floor:
        await floor.settled()
        assert floor.bot(open_.id) == before
        assert floor.bot(paused.id).status is BotStatus.PAUSED
        await floor.play(up[-1], *falling(3, up[-1]))
        after = floor.bot(open_.id)
        assert after.position == 0
        assert after.current_capital > units_of("1000")
        await house.balances()


async def test_an_outage_of_the_database_costs_no_trade_and_no_bot(dsn):
    async with floor_on(dsn) as floor:
        made = await floor.active()
        await floor.house.store.close()
        await floor.play(PRICE, *rising(5))
        await floor.until(lambda: floor.house.journal.available)
        await floor.play(*rising(3))
        assert floor.bot(made.id).status is BotStatus.ACTIVE
        assert len(floor.facts(TradeExecuted)) >= 1
        await floor.house.balances()


async def test_a_tick_is_decided_on_where_it_is_heard_and_what_it_leads_to_is_done_by_the_bot(dsn):
    """No task is woken for a tick that leads to nothing; every tick is decided on once."""
    async with floor_on(dsn) as floor:
        made = await floor.active()
        await floor.play(PRICE)  # the first makes the engine
        mailbox = floor.floor._registry._entries[made.id].mailbox
        taken = mailbox.taken
        await floor.play(*[PRICE] * 20)
        assert mailbox.taken == taken
        await floor.play(*rising(2))
        assert mailbox.taken == taken + 1
        assert floor.bot(made.id).position > 0


async def test_more_listeners_than_a_batch_all_hear_every_tick(dsn):
    async with floor_on(dsn) as floor:
        heard: list[int] = []
        markets = floor.parts.markets
        for number in range(BATCH * 2 + 1):
            markets.listen("luno", "BTC/ZAR", lambda _tick, number=number: heard.append(number))
        await floor.until(floor.exchange.listeners)
        floor.exchange.tick(PRICE)
        await floor.until(lambda: len(heard) == BATCH * 2 + 1)
        assert heard == sorted(heard)
