"""The engine: sizes, stops, limits, protections, and books that add up."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.money import units_of
from domain.trading.book import Book, settle
from domain.trading.engine import (
    DAY_US,
    STALE_US,
    Engine,
    fresh,
    restore,
    save,
)
from domain.trading.fills import MARGIN_PPM, Fill, Rules, buying, paper_fill, selling
from domain.trading.market import Move
from domain.trading.protections import (
    Closed,
    Cooldown,
    LowProfit,
    MaxDrawdown,
    StopLossGuard,
    locked,
)
from domain.trading.records import AlertLevel, RiskMode
from domain.trading.risk import LIMITS
from domain.trading.strategies import STRATEGIES

PRICE = units_of("1000000")
CAPITAL = units_of("1000")
T0 = 1_700_000_000_000_000 // DAY_US * DAY_US
S = 1_000_000
RULES = Rules(
    base="BTC",
    quote="ZAR",
    price_step=units_of("1"),
    amount_step=100,
    least_amount=1_000,
    least_cost=units_of("1"),
    quote_step=units_of("0.01"),
)
MOVES = st.lists(st.integers(-300, 300), min_size=1, max_size=150)  # hundredths of a per cent


class Run:
    """An engine whose wishes are filled on paper at once."""

    def __init__(self, strategy="momentum", risk=RiskMode.BALANCED, capital=CAPITAL):
        self.engine = Engine(STRATEGIES[strategy], LIMITS[risk], RULES, Book(cash=capital))
        self.at_us = T0
        self.fills = []
        self.profits = []

    def tick(self, price, after_us=S):
        self.at_us += after_us
        wanted = self.engine.on_tick(price, self.at_us)
        if wanted is not None:
            self.fill(wanted, price)
        return wanted

    def fill(self, wanted, price):
        fill = paper_fill(wanted.move, wanted.amount, price, RULES, self.at_us, wanted.reason)
        book, profit = settle(self.engine.book, fill)
        self.engine.adopt(book, fill.price)
        self.fills.append(fill)
        self.profits.append(profit)


@pytest.mark.parametrize("risk", RiskMode)
def test_a_risk_mode_sets_how_much_of_the_capital_is_in_a_position(risk):
    """AMKT-C19."""
    run = Run(risk=risk)
    run.tick(PRICE)
    run.tick(PRICE * 101 // 100)
    allowed = CAPITAL * LIMITS[risk].position_ppm // 1_000_000
    assert allowed * 99 // 100 < run.engine.book.position_cost <= allowed


def test_a_position_is_sold_at_its_stop_loss_whatever_the_strategy_says():
    run = Run("dca", RiskMode.CONSERVATIVE)
    run.tick(PRICE)
    assert run.tick(PRICE * 99 // 100) is None
    sold = run.tick(PRICE * 97 // 100)
    assert (sold.move, sold.reason) == (Move.SELL, "stop loss")
    assert run.engine.book.position == 0


def test_a_day_that_lost_too_much_ends_with_everything_sold_until_tomorrow():
    run = Run("dca", RiskMode.AGGRESSIVE)
    for _ in range(9):
        run.tick(PRICE, 3_601 * S)
    while run.engine.book.position_cost < CAPITAL * 7 // 10:
        run.tick(PRICE, 3_601 * S)
    run.engine.watch.day_worth = run.engine.book.worth(PRICE) * 12 // 10
    sold = run.tick(PRICE)
    assert sold.reason == "daily loss limit"
    assert [notice.level for notice in run.engine.notices] == [AlertLevel.WARNING]
    assert run.tick(PRICE, 3_601 * S) is None
    assert run.tick(PRICE, DAY_US).move is Move.BUY


def test_a_drawdown_sells_everything_and_asks_for_a_pause():
    run = Run("dca", RiskMode.AGGRESSIVE)
    run.tick(PRICE)
    run.engine.watch.peak_worth = CAPITAL * 2
    assert run.tick(PRICE).reason == "drawdown limit"
    assert [notice.pauses for notice in run.engine.notices] == [True]
    run.engine.forgive()
    assert run.tick(PRICE, 3_601 * S).move is Move.BUY


def test_a_draining_engine_manages_its_exit_and_opens_nothing():
    run = Run()
    for step in range(3):
        run.tick(PRICE * (100 + step) // 100)
    run.engine.watch.draining = True
    assert not run.engine.is_drained
    assert run.tick(PRICE).move is Move.SELL
    assert run.engine.is_drained
    for step in range(5):
        assert run.tick(PRICE * (101 + step) // 100, 60 * S) is None


def _closed(*trades):
    return [Closed(at_us, profit, CAPITAL, reason) for at_us, profit, reason in trades]


def test_protections_look_back_so_far_and_pause_for_so_long():
    guard = StopLossGuard(lookback_us=100, stops=2, pause_us=50)
    assert guard.lock(_closed((0, -1, "stop loss"), (101, -1, "stop loss"))) is None
    assert guard.lock(_closed((1, -1, "stop loss"), (101, -1, "stop loss"))).until_us == 151
    assert guard.lock(_closed((1, -1, "exit"), (101, -1, "stop loss"))) is None
    fall = MaxDrawdown(lookback_us=100, loss_ppm=10_000, least_trades=2, pause_us=7)
    assert fall.lock(_closed((1, CAPITAL, "exit"), (2, -CAPITAL // 40, "exit"))).until_us == 9
    assert fall.lock(_closed((1, -CAPITAL // 200, "exit"), (2, 0, "exit"))) is None
    low = LowProfit(lookback_us=100, loss_ppm=10_000, least_trades=2, pause_us=7)
    assert low.lock(_closed((1, -CAPITAL // 50, "exit"), (2, 0, "exit"))).until_us == 9
    assert low.lock(_closed((1, -CAPITAL // 50, "exit"), (2, CAPITAL // 50, "exit"))) is None
    rest = Cooldown(pause_us=5)
    assert rest.lock([]) is None
    assert locked((rest, guard), _closed((3, 1, "exit"))).until_us == 8


def test_after_an_exit_it_cools_down_before_it_enters_again():
    run = Run()
    for price in (PRICE, PRICE * 101 // 100, PRICE * 99 // 100):
        run.tick(price)
    assert run.engine.book.closed_trades == 1
    assert run.tick(PRICE * 101 // 100) is None
    assert run.tick(PRICE * 102 // 100, 2 * S).move is Move.BUY


@pytest.mark.parametrize("strategy", STRATEGIES)
@given(moves=MOVES)
def test_capital_is_always_the_initial_capital_plus_the_profits(strategy, moves):
    """Property: cash and position never go below zero, and nothing is lost in rounding."""
    run, price, peak = Run(strategy, RiskMode.AGGRESSIVE), PRICE, CAPITAL
    for move in moves:
        price = max(price * (10_000 + move) // 10_000, units_of("1"))
        run.tick(price, 61 * S)
        peak = max(peak, run.engine.book.capital)
        book = run.engine.book
        assert book.capital == CAPITAL + sum(run.profits)
        assert book.cash >= 0
        assert book.position >= 0
        assert (book.position == 0) == (book.position_cost == 0)
        allowed = LIMITS[RiskMode.AGGRESSIVE].position_ppm
        assert book.position_cost <= peak * allowed // 1_000_000


@pytest.mark.parametrize("strategy", STRATEGIES)
@given(moves=MOVES, cut=st.integers(0, 150))
def test_a_restored_engine_goes_on_as_if_it_had_never_stopped(strategy, moves, cut):
    runs = [Run(strategy), Run(strategy)]
    price = PRICE
    for number, move in enumerate(moves):
        price = max(price * (10_000 + move) // 10_000, units_of("1"))
        if number == cut and strategy != "breakout":  # a candle that forms is not kept
            engine = runs[1].engine
            body = save(engine, engine.book, engine.watch, runs[1].at_us)
            rules, limits = engine.rules, engine.limits
            runs[1].engine = restore(body, engine.strategy, limits, rules, runs[1].at_us)
        for run in runs:
            run.tick(price)
    assert runs[0].fills == runs[1].fills
    assert runs[0].engine.book == runs[1].engine.book


def test_prices_from_before_a_long_stop_are_forgotten_and_the_book_is_not():
    run = Run()
    run.tick(PRICE)
    run.tick(PRICE * 101 // 100)
    engine = run.engine
    body = save(engine, engine.book, engine.watch, run.at_us)
    later = restore(body, engine.strategy, engine.limits, RULES, run.at_us + STALE_US + 1)
    assert later.state == engine.strategy.state()
    assert later.book == engine.book
    assert restore(body, STRATEGIES["grid"], engine.limits, RULES, run.at_us).book == engine.book
    assert restore(fresh(5), engine.strategy, engine.limits, RULES, T0).book == Book(cash=5)


@given(
    budget=st.integers(0, 10**15),
    price=st.integers(units_of("0.01"), units_of("10000000")),
    fee_ppm=st.integers(0, 20_000),
)
def test_a_purchase_never_costs_more_than_its_budget(budget, price, fee_ppm):
    rules = Rules(base="B", quote="Q", price_step=1, amount_step=7, fee_ppm=fee_ppm, quote_step=10)
    amount = buying(budget, price, rules)
    assert amount % 7 == 0
    if amount:
        fill = paper_fill(Move.BUY, amount, price, rules, T0, "")
        assert fill.cost + fill.fee <= budget
        assert fill.price > price
        assert fill.cost % 10 == fill.fee % 10 == 0


@given(st.integers(0, 10**12), st.integers(0, 1_000_000), st.integers(1, 10**15))
def test_a_sale_leaves_nothing_behind_that_could_not_be_sold(position, share, price):
    amount = selling(position, share, price, RULES)
    assert 0 <= amount <= position
    assert amount % RULES.amount_step == 0
    left = position - amount
    if amount and left >= RULES.amount_step:
        assert selling(left, 1_000_000, price, RULES)


def test_a_paper_fill_is_a_little_worse_than_the_price_and_pays_the_fee():
    bought = paper_fill(Move.BUY, 10**8, PRICE, RULES, T0, "")
    sold = paper_fill(Move.SELL, 10**8, PRICE, RULES, T0, "")
    assert (bought.price, sold.price) == (PRICE * 10_005 // 10_000, PRICE * 9_995 // 10_000)
    assert (bought.cost, sold.cost) == (bought.price, sold.price)
    assert bought.fee == bought.cost // 1_000
    assert MARGIN_PPM > 500


def test_a_book_refuses_what_it_cannot_bear():
    book = Book(cash=100)
    buy = Fill(move=Move.BUY, amount=5, cost=100, price=20, fee=1, at_us=T0, reason="")
    sell = Fill(move=Move.SELL, amount=5, cost=100, price=20, fee=1, at_us=T0, reason="")
    for fill in (buy, sell):
        with pytest.raises(ValueError, match="than there is"):
            settle(book, fill)
