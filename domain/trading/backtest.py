"""A strategy over recorded candles, by the engine and the paper fills that bots use."""

from collections.abc import Iterable, Iterator

import msgspec

from domain.trading.book import Book, settle
from domain.trading.engine import Engine
from domain.trading.fills import Fill, Rules, paper_fill
from domain.trading.market import Candle, Strategy
from domain.trading.metrics import drawdown_ppm
from domain.trading.risk import Limits


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What a backtest found. `curve` is (time, worth) at every candle's close, money in quote
    units, `profit` marks what is still held at the last price."""

    initial_capital: int
    curve: tuple[tuple[int, int], ...]
    fills: tuple[Fill, ...]
    closed_trades: int
    winning_trades: int
    fees: int

    @property
    def profit(self) -> int:
        """Quote units won or lost in all."""
        return (self.curve[-1][1] if self.curve else self.initial_capital) - self.initial_capital

    @property
    def drawdown_ppm(self) -> int:
        """The deepest fall from a peak, the capital it began with counted as one."""
        return drawdown_ppm([self.initial_capital, *(worth for _, worth in self.curve)])


def backtest(
    strategy: Strategy, limits: Limits, rules: Rules, capital: int, candles: Iterable[Candle]
) -> Report:
    """Run to the end. A bot that a limit would pause is resumed by nobody, so it ends there."""
    engine = Engine(strategy, limits, rules, Book(cash=capital))
    curve: list[tuple[int, int]] = []
    fills: list[Fill] = []
    paused = False
    for candle in candles:
        for price, at_us in _path(candle):
            wanted = None if paused and not engine.held else engine.on_tick(price, at_us)
            paused = paused or any(notice.pauses for notice in engine.notices)
            engine.notices.clear()
            if wanted is not None:
                fill = paper_fill(wanted.move, wanted.amount, price, rules, at_us, wanted.reason)
                book, _ = settle(engine.book, fill)
                engine.adopt(book, fill.price)
                fills.append(fill)
        curve.append((candle.open_us, engine.book.worth(candle.close)))
    book = engine.book
    return Report(
        initial_capital=capital,
        curve=tuple(curve),
        fills=tuple(fills),
        closed_trades=book.closed_trades,
        winning_trades=book.winning_trades,
        fees=sum(fill.fee for fill in fills),
    )


def _path(candle: Candle) -> Iterator[tuple[int, int]]:
    """Four ticks: what the candle says of the order of its extremes is nothing, so the worse one
    for a holder comes first."""
    for number, price in enumerate((candle.open, candle.low, candle.high, candle.close)):
        yield price, candle.open_us + number
