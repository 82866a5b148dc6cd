"""Paper bots: life cycle, money, events (FA-03, AMKT-C16, C17, C20, C21, C24)."""

import trio.testing

from actors.bots import Denied, Once, Opened, Reason
from domain.events import BotAlert, BotCountChanged, BotUpdated, TradeExecuted
from domain.ledger import AccountKey, Line, Ticket
from domain.money import units_of
from domain.trading.records import AlertLevel, BotSpec, BotStatus, RiskLevel, RiskMode
from storage.idempotency import PostgresIdempotency
from tests.actors.bots.house import OTHER, PRICE, USER, falling, floor_on, rising


async def test_a_bot_trades_through_a_wave_and_its_capital_is_initial_plus_profits(dsn):
    """FA-03 steps 2-4: active by itself; trades are booked, then told with offsets."""
    async with floor_on(dsn) as floor:
        made = await floor.active()
        assert made.status is BotStatus.CREATED
        up = rising(12)
        await floor.play(PRICE, *up, *falling(12, up[-1]))
        trades, total = await floor.floor.trades(USER, made.id, 100, 0)
        assert total == 2
        assert [trade.side for trade in trades] == ["sell", "buy"]
        assert trades[1].profit == 0
        assert trades[0].profit > units_of("30")
        bot = floor.bot(made.id)
        assert bot.current_capital == units_of("1000") + sum(trade.profit for trade in trades)
        assert bot.position == 0
        assert [fact.trade.id for fact in floor.facts(TradeExecuted)] == [
            trade.id for trade in reversed(trades)
        ]
        offsets = [offset for offset, _ in floor.heard]
        assert offsets == sorted(offsets)
        assert offsets[0] > 0
        updates = [fact.bot.status for fact in floor.facts(BotUpdated)]
        assert updates == [BotStatus.ACTIVE] * 3
        assert floor.facts(BotCountChanged) == [BotCountChanged(total_bots=1)]
        metrics = await floor.floor.metrics(USER)
        assert metrics.win_rate_bp == 10_000
        assert metrics.exposure_bp == 0
        assert metrics.risk_level is RiskLevel.LOW
        assert metrics.total_capital == bot.current_capital
        await floor.house.balances()


async def test_every_trade_moves_the_bots_own_accounts_by_what_its_book_says(dsn):
    async with floor_on(dsn) as floor:
        made = await floor.active()
        await floor.play(PRICE, *rising(3))
        bot = floor.bot(made.id)
        assert bot.position > 0
        account = AccountKey(USER, "ZAR", f"BOT-{made.id}", provider="luno", mode="DEMO")
        assert await floor.posted(account) == bot.current_capital - bot.position_cost
        assert await floor.posted(account._replace(asset="BTC")) == bot.position
        exposure = (await floor.floor.metrics(USER)).exposure_bp
        assert exposure == bot.position_cost * 10_000 // bot.current_capital


async def test_a_paused_bot_makes_no_trades_until_it_is_resumed(dsn):
    """AMKT-125; pausing and resuming twice is fine (AMKT-C16)."""
    async with floor_on(dsn) as floor:
        made = await floor.active()
        for _ in range(2):
            assert (await floor.floor.pause(USER, made.id)).status is BotStatus.PAUSED
        await floor.settled()
        assert floor.exchange.listeners() == 0
        await floor.play(PRICE, *rising(5))
        assert not floor.facts(TradeExecuted)
        for _ in range(2):
            assert (await floor.floor.resume(USER, made.id)).status is BotStatus.ACTIVE
        await floor.settled()
        await floor.play(PRICE, *rising(2))
        assert len(floor.facts(TradeExecuted)) == 1


async def test_an_administrator_pauses_anybodys_bot_and_its_owner_is_told(dsn):
    """FA-10."""
    async with floor_on(dsn) as floor:
        made = await floor.active()
        await floor.floor.pause(None, made.id)
        await floor.settled()
        assert floor.facts(BotUpdated)[-1].bot.status is BotStatus.PAUSED
        assert floor.facts(BotAlert) == [
            BotAlert(
                bot_id=made.id,
                level=AlertLevel.WARNING,
                message="Bot Alpha paused by an administrator",
            )
        ]


async def test_a_deleted_bot_gives_back_what_is_left_and_keeps_its_trades(dsn):
    """AMKT-C21, and AMKT-C17 with its override."""
    async with floor_on(dsn) as floor:
        made = await floor.active()
        await floor.play(PRICE, *rising(3))
        before = floor.bot(made.id)
        gone = await floor.floor.delete(USER, made.id)
        assert isinstance(gone, Line)
        assert await floor.floor.list(USER) == []
        assert isinstance(await floor.floor.delete(USER, made.id), Denied)
        funds = AccountKey(USER, "ZAR", "TRADING", provider="luno", mode="DEMO")
        assert await floor.posted(funds) == before.current_capital - before.position_cost
        assert (gone.account, gone.balance) == (funds, await floor.posted(funds))
        assert await floor.posted(funds._replace(asset="BTC")) == before.position
        account = AccountKey(USER, "ZAR", f"BOT-{made.id}", provider="luno", mode="DEMO")
        assert await floor.posted(account) == 0
        assert (await floor.floor.trades(USER, made.id, 10, 0))[1] == 1
        await floor.settled()
        assert floor.exchange.listeners() == 0
        assert floor.facts(BotCountChanged)[-1].total_bots == 0
        await floor.house.balances()


async def test_a_bot_with_nothing_left_tells_the_balance_it_did_not_change(dsn, monkeypatch):
    """Override "Balances in replies": a deletion that gives nothing back tells it too."""
    monkeypatch.setattr("actors.bot.return_postings", lambda *_: ())
    async with floor_on(dsn) as floor:
        made = await floor.floor.create(USER, _spec())
        assert isinstance(made, Opened)
        assert (made.funds.balance, made.funds.sequence) == (0, 2)
        assert await floor.floor.delete(USER, made.bot.id) == made.funds


async def test_nobody_touches_or_sees_somebody_elses_bot(dsn):
    """FA-03 step 7; contract.md: trades of somebody else's bot are an empty list."""
    async with floor_on(dsn) as floor:
        made = await floor.active()
        await floor.play(PRICE, *rising(3))
        bots = floor.floor
        for answer in (
            await bots.pause(OTHER, made.id),
            await bots.resume(OTHER, made.id),
            await bots.stop(OTHER, made.id),
            await bots.start(OTHER, made.id),
            await bots.delete(OTHER, made.id),
        ):
            assert isinstance(answer, Denied)
            assert answer.reason is Reason.NOT_FOUND
        assert await bots.get(OTHER, made.id) is None
        assert await bots.trades(OTHER, made.id, 10, 0) == ([], 0)
        assert floor.bot(made.id).status is BotStatus.ACTIVE


async def test_what_cannot_be_a_bot_is_refused_and_costs_nothing(dsn):
    """FA-03 step 8, AMKT-C20; the order of Reason."""
    async with floor_on(dsn) as floor:
        cases = [
            (_spec(platform="nope"), Reason.UNKNOWN_PLATFORM),
            (_spec(strategy="astrology"), Reason.UNKNOWN_STRATEGY),
            (_spec(symbol="BTC"), Reason.UNKNOWN_SYMBOL),
            (_spec(name="  "), Reason.INVALID_NAME),
            (_spec(name="x" * 101), Reason.INVALID_NAME),
            (_spec(initial_capital=0), Reason.INVALID_CAPITAL),
            (_spec(initial_capital=-5), Reason.INVALID_CAPITAL),
            (_spec(initial_capital=1), Reason.INVALID_CAPITAL),
        ]
        for spec, reason in cases:
            answer = await floor.floor.create(USER, spec)
            assert isinstance(answer, Denied)
            assert answer.reason is reason
        assert floor.house.journal.journals == 0
        for _ in range(5):
            await floor.make()
        refused = await floor.floor.create(USER, _spec())
        assert refused == Denied(Reason.BOT_LIMIT, "Bot limit reached for luno")
        await floor.make(platform="binance")
        await floor.make(OTHER)
        assert len(await floor.floor.list(USER, platform="luno")) == 5


async def test_the_answer_to_a_keyed_request_is_committed_with_the_bot_it_made(dsn):
    """X-C29: a server killed right after the commit repeats the answer, not the bot."""
    async with floor_on(dsn) as floor:
        ticket = Ticket("user:7001", "key", b"f" * 32)
        once = Once(ticket, lambda made: repr(made).encode())
        made = await floor.floor.create(USER, _spec(), once)
        assert isinstance(made, Opened)
        kept = await PostgresIdempotency(floor.house.pool).find("user:7001", "key")
        assert kept == (b"f" * 32, repr(made).encode())


async def test_six_bots_asked_for_at_once_are_five(dsn):
    async with floor_on(dsn) as floor:
        answers = []

        async def create() -> None:
            answers.append(await floor.floor.create(USER, _spec()))

        async with trio.open_nursery() as nursery:
            for _ in range(6):
                nursery.start_soon(create)
        assert sum(isinstance(answer, Denied) for answer in answers) == 1
        counts = [fact.total_bots for fact in floor.facts(BotCountChanged)]
        assert counts == [1, 2, 3, 4, 5]


async def test_one_feed_serves_every_bot_of_a_symbol_and_ends_with_the_last(dsn):
    async with floor_on(dsn) as floor:
        bots = [await floor.active() for _ in range(4)]
        assert floor.exchange.listeners() == floor.exchange.feeds_opened == 1
        await floor.play(PRICE, *rising(2))
        assert len(floor.facts(TradeExecuted)) == 4
        for bot in bots:
            await floor.floor.delete(USER, bot.id)
        await floor.settled()
        assert floor.exchange.listeners() == 0


async def test_a_graceful_stop_manages_the_position_to_its_exit(dsn):
    async with floor_on(dsn) as floor:
        made = await floor.active()
        up = rising(4)
        await floor.play(PRICE, *up)
        stopping = await floor.floor.stop(USER, made.id)
        assert stopping.status is BotStatus.ACTIVE
        assert "stopping" in stopping.note
        await floor.play(*falling(3, up[-1]))
        assert floor.bot(made.id).status is BotStatus.STOPPED
        assert floor.bot(made.id).position == 0
        refused = await floor.floor.resume(USER, made.id)
        assert isinstance(refused, Denied)
        assert refused.reason is Reason.STOPPED
        assert (await floor.floor.start(USER, made.id)).status is BotStatus.ACTIVE


async def test_the_kill_switch_stops_everybody_and_is_lifted_without_a_restart(dsn):
    async with floor_on(dsn) as floor:
        await floor.active()
        await floor.floor.kill_switch(None, True)
        assert await floor.floor.killed(USER)
        await floor.play(PRICE, *rising(5))
        assert not floor.facts(TradeExecuted)
        await floor.floor.kill_switch(None, False)
        await floor.play(PRICE, *rising(2))
        assert len(floor.facts(TradeExecuted)) == 1
        assert [fact.level for fact in floor.facts(BotAlert)] == [
            AlertLevel.WARNING,
            AlertLevel.INFO,
        ]


async def test_a_drawdown_sells_pauses_and_tells(dsn):
    async with floor_on(dsn) as floor:
        made = await floor.active(strategy="dca", risk_mode=RiskMode.AGGRESSIVE)
        price = PRICE
        for _ in range(10):
            await floor.play(price, every_s=3601)
        await floor.play(price * 45 // 100)
        bot = floor.bot(made.id)
        assert bot.position == 0
        assert bot.status is BotStatus.PAUSED
        assert [fact.level for fact in floor.facts(BotAlert)] == [AlertLevel.WARNING]
        assert (await floor.floor.resume(USER, made.id)).status is BotStatus.ACTIVE


def _spec(**changes: object) -> BotSpec:
    fields = {
        "name": "Alpha",
        "platform": "luno",
        "initial_capital": units_of("1000"),
        **changes,
    }
    return BotSpec(**fields)
