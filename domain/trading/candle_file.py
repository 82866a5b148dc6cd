"""Candles in a CSV file, as exchanges and data services hand them out."""

import csv
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from itertools import chain
from typing import Final

from domain.money import AmountError, units_from
from domain.trading.market import Candle

_US: Final = 1_000_000
_DELIMITERS: Final = ",;\t"
_BYTE_ORDER_MARK: Final = "\ufeff"
_COLUMNS: Final = ("timestamp", "open", "high", "low", "close")
# What else a column is called, without case, spaces and underscores.
_ALSO: Final = {
    "timestamp": ("time", "date", "datetime", "opentime", "ts", "unix", "unixtimestamp"),
    "open": ("o", "openprice"),
    "high": ("h", "highprice"),
    "low": ("l", "lowprice"),
    "close": ("c", "closeprice"),
}


class NotCandles(ValueError):
    """The file is not candles; the text names the line."""


def read_candles(lines: Iterable[str]) -> Iterator[Candle]:
    """Candles of a CSV with the columns timestamp, open, high, low, close; others are ignored.

    Names go without case, and common ones for the same are understood (time, date, o, h, l, c).
    A file without a line of names has these five first, in this order. Between columns stands a
    comma, a semicolon or a tab. A timestamp is ISO 8601 or seconds, milliseconds or microseconds
    since the epoch. Raises NotCandles for anything that is not so, or does not go forward in time.
    """
    numbered = _rows(lines)
    number, first = next(numbered, (1, []))
    places = _places(first)
    if places is None:
        places, numbered = list(range(len(_COLUMNS))), chain([(number, first)], numbered)
    before_us = -1
    for number, row in numbered:
        try:
            at, *prices = _cells(row, places)
            candle = Candle(_time_us(at), *map(_price, prices))
        except (ValueError, InvalidOperation, OverflowError) as error:
            raise NotCandles(f"line {number}: {error}") from None
        bounds_hold = candle.low <= min(candle.open, candle.close)
        if not bounds_hold or candle.high < max(candle.open, candle.close):
            raise NotCandles(f"line {number}: low and high do not hold open and close")
        if candle.open_us <= before_us:
            raise NotCandles(f"line {number}: is not later than the line before")
        before_us = candle.open_us
        yield candle


def _rows(lines: Iterable[str]) -> Iterator[tuple[int, list[str]]]:
    """Rows with the numbers of their lines; empty ones are passed over."""
    lines = iter(lines)
    first = next(lines, "").removeprefix(_BYTE_ORDER_MARK)
    delimiter = max(_DELIMITERS, key=first.count)
    reader = csv.reader(chain([first], lines), delimiter=delimiter)
    try:
        for row in reader:
            if any(cell.strip() for cell in row):
                yield reader.line_num, row
    except csv.Error as error:
        raise NotCandles(f"line {reader.line_num}: {error}") from None


def _places(names: Sequence[str]) -> list[int] | None:
    """Where the five columns are; None when the first line has no names but a candle."""
    if len(names) >= len(_COLUMNS) and all(_is_number(cell) for cell in names[1:5]):
        return None
    found = ["".join(name.lower().replace("_", " ").split()) for name in names]
    places, missing = [], []
    for column in _COLUMNS:
        known = [name for name in (column, *_ALSO[column]) if name in found]
        if known:
            places.append(found.index(known[0]))
        else:
            missing.append(column)
    if missing:
        raise NotCandles(f"line 1: no column {', '.join(missing)}")
    return places


def _is_number(text: str) -> bool:
    try:
        return Decimal(text.strip()).is_finite()
    except InvalidOperation:
        return False


def _cells(row: Sequence[str], places: Sequence[int]) -> list[str]:
    if len(row) <= max(places):
        raise ValueError("it ends before its columns do")
    return [row[place].strip() for place in places]


def _price(text: str) -> int:
    try:
        units = units_from(Decimal(text))
    except InvalidOperation:
        units = AmountError.NOT_A_NUMBER
    if isinstance(units, AmountError) or units <= 0:
        raise ValueError(f"{text!r} is no price")
    return units


def _time_us(text: str) -> int:
    if text.isascii() and text.removesuffix(".0").isdigit():
        number = int(text.removesuffix(".0"))
        # Seconds reach 10¹¹ in the year 5138, milliseconds 10¹⁴.
        return number * _US if number < 10**11 else number * 1000 if number < 10**14 else number
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r} is no time") from None
    moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return round(moment.timestamp() * _US)
