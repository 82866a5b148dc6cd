"""A strategy over recorded candles, by the engine and the paper fills that bots use."""

import csv
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation

import msgspec

from domain.money import AmountError, units_from
from domain.trading.book import Book, settle
from domain.trading.engine import Engine
from domain.trading.fills import Fill, Rules, paper_fill
from domain.trading.market import Candle, Strategy
from domain.trading.metrics import drawdown_ppm
from domain.trading.risk import Limits

_S = 1_000_000


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
        """The deepest fall from a peak."""
        return drawdown_ppm([worth for _, worth in self.curve])


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


class NotCandles(ValueError):
    """The file is not candles; the text names the line."""


def read_candles(lines: Iterable[str]) -> Iterator[Candle]:
    """Candles of a CSV with the columns timestamp, open, high, low, close (others are ignored).

    A timestamp is ISO 8601 or seconds, milliseconds or microseconds since the epoch. Raises
    NotCandles for anything that is not so, or does not go forward in time.
    """
    rows = csv.DictReader(lines)
    missing = {"timestamp", "open", "high", "low", "close"} - set(rows.fieldnames or ())
    if missing:
        raise NotCandles(f"line 1: no column {', '.join(sorted(missing))}")
    before_us = -1
    for number, row in enumerate(rows, 2):
        try:
            candle = Candle(_time_us(row["timestamp"]), *map(_price, _prices(row)))
        except (ValueError, TypeError, InvalidOperation, OverflowError) as error:
            raise NotCandles(f"line {number}: {error}") from None
        bounds_hold = candle.low <= min(candle.open, candle.close)
        if not bounds_hold or candle.high < max(candle.open, candle.close):
            raise NotCandles(f"line {number}: low and high do not hold open and close")
        if candle.open_us <= before_us:
            raise NotCandles(f"line {number}: is not later than the line before")
        before_us = candle.open_us
        yield candle


def _prices(row: dict[str, str]) -> list[str]:
    prices = [row[name] for name in ("open", "high", "low", "close")]
    if None in prices:
        raise ValueError("it ends before its columns do")
    return prices


def _price(text: str) -> int:
    units = units_from(Decimal(text.strip()))
    if isinstance(units, AmountError) or units <= 0:
        raise ValueError(f"{text!r} is no price")
    return units


def _time_us(text: str) -> int:
    text = text.strip()
    if text.isascii() and text.isdigit():
        number = int(text)
        # Seconds reach 10¹¹ in the year 5138, milliseconds 10¹⁴.
        return number * _S if number < 10**11 else number * 1000 if number < 10**14 else number
    moment = datetime.fromisoformat(text)
    moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return round(moment.timestamp() * _S)
