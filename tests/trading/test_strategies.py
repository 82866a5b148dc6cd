"""Strategies as pure functions: what each wants of which prices."""

import inspect

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.money import units_of
from domain.trading.market import Moment, Move, fold
from domain.trading.strategies import STRATEGIES, breakout, dca, grid, mean_reversion, momentum

PRICE = units_of("1000000")
T0 = 1_699_999_980_000_000  # a full minute


def play(strategy, prices, **held):
    """The signals of a strategy over prices a second apart, never obeyed."""
    state, signals = strategy.state(), []
    candle = None
    for second, price in enumerate(prices):
        at_us, closed = T0 + second * 1_000_000, None
        if strategy.span_us:
            before, candle = candle, fold(candle, price, at_us, strategy.span_us)
            closed = before if before is not None and candle.open_us != before.open_us else None
        moment = Moment(price=price, at_us=at_us, candle=closed, **held)
        state, signal = strategy.decide(state, moment)
        signals.append(signal)
    return signals


def wave(start, *percents):
    prices = [start]
    for percent in percents:
        prices.append(prices[-1] * (100 + percent) // 100)
    return prices


def test_the_registry_has_every_module_of_the_folder_under_its_own_name():
    """A user extends it with one file."""
    assert set(STRATEGIES) == {"breakout", "dca", "grid", "mean_reversion", "momentum"}
    for name, strategy in STRATEGIES.items():
        assert strategy.name == name
        assert strategy.state() == strategy.state()


def test_default_momentum_enters_on_the_first_rise_of_one_percent():
    """contract.md, "Amarktai": 1 % ticks in 12 % waves, whichever way the wave begins."""
    falling_first = wave(PRICE, *[-1] * 12, *[1] * 2)
    signals = play(momentum.STRATEGY, falling_first)
    assert signals[13] is not None
    assert signals[13].move is Move.BUY
    assert signals[:13] == [None] * 13


def test_momentum_leaves_one_fall_below_the_peak():
    held = {"position": 1, "position_cost": 1, "entries": 1, "peak": PRICE * 110 // 100}
    assert play(momentum.STRATEGY, [PRICE * 109 // 100], **held)[0].move is Move.SELL
    assert play(momentum.STRATEGY, [PRICE * 1095 // 1000], **held)[0] is None


def test_mean_reversion_buys_far_below_the_mean_and_sells_at_it():
    flat = [PRICE + (second % 2) * PRICE // 2000 for second in range(20)]
    signals = play(mean_reversion.STRATEGY, [*flat, PRICE * 98 // 100])
    assert signals[-1].move is Move.BUY
    assert signals[:-1] == [None] * 20
    held = {"position": 1, "position_cost": 1}
    assert play(mean_reversion.STRATEGY, [*flat, PRICE * 101 // 100], **held)[-1].move is Move.SELL


@given(st.lists(st.integers(1, 10**15), min_size=1, max_size=60))
def test_mean_reversion_keeps_the_sums_of_exactly_its_window(prices):
    state = mean_reversion.State()
    for price in prices:
        state, _ = mean_reversion.decide(state, Moment(price=price, at_us=T0))
    kept = tuple(prices[-mean_reversion.WINDOW :])
    assert state == mean_reversion.State(kept, sum(kept), sum(p * p for p in kept))


def test_the_grid_buys_each_step_down_and_sells_each_step_up():
    assert play(grid.STRATEGY, [PRICE, PRICE * 99 // 100])[-1].move is Move.BUY
    held = {"position": 10, "position_cost": 10, "entries": 2, "last_price": PRICE}
    up, down, still = (
        play(grid.STRATEGY, [price], **held)[0]
        for price in (PRICE * 101 // 100, PRICE * 99 // 100, PRICE)
    )
    assert (up.move, up.share_ppm) == (Move.SELL, 500_000)
    assert down.move is Move.BUY
    assert still is None
    full = {**held, "entries": grid.LEVELS}
    assert play(grid.STRATEGY, [PRICE * 99 // 100], **full)[0] is None


def test_dca_buys_every_hour_and_takes_its_profit():
    assert play(dca.STRATEGY, [PRICE])[0].move is Move.BUY
    held = {"position": 10**8, "position_cost": PRICE, "entries": 1, "last_us": T0}
    assert play(dca.STRATEGY, [PRICE] * 60, **held) == [None] * 60
    assert play(dca.STRATEGY, [PRICE], **{**held, "last_us": T0 - dca.EVERY_US})[0] is not None
    assert play(dca.STRATEGY, [PRICE * 103 // 100], **held)[0].move is Move.SELL


def test_breakout_wants_a_minute_that_closes_above_ten_before():
    prices = [PRICE + (second // 60) * PRICE // 1000 for second in range(13 * 60)]
    signals = [signal for signal in play(breakout.STRATEGY, prices) if signal is not None]
    assert [signal.move for signal in signals] == [Move.BUY] * 2
    assert not any(play(breakout.STRATEGY, [PRICE] * 13 * 60))


@pytest.mark.parametrize("strategy", STRATEGIES.values(), ids=STRATEGIES)
@given(prices=st.lists(st.integers(1, 10**18), min_size=1, max_size=80))
def test_a_strategy_decides_the_same_of_the_same_prices(strategy, prices):
    """Pure: state in, state out, nothing remembered elsewhere."""
    assert play(strategy, prices) == play(strategy, prices)
    assert not inspect.iscoroutinefunction(strategy.decide)


@given(
    st.lists(st.tuples(st.integers(1, 10**12), st.integers(0, 400_000_000)), min_size=1),
    st.integers(1_000_000, 60_000_000),
)
def test_candles_hold_every_price_of_their_span(ticks, span_us):
    forming, spans = None, {}
    for price, at_us in sorted(ticks, key=lambda tick: tick[1]):
        forming = fold(forming, price, at_us, span_us)
        spans.setdefault(at_us // span_us, []).append(price)
        prices = spans[at_us // span_us]
        assert (forming.open, forming.close) == (prices[0], prices[-1])
        assert (forming.high, forming.low) == (max(prices), min(prices))
        assert forming.open_us == at_us // span_us * span_us
