"""What a bot has and has done: changed by fills alone, and only after they are in the ledger."""

from typing import Final

import msgspec

from domain.trading.fills import Fill
from domain.trading.market import Move
from domain.trading.protections import Closed

REMEMBERED: Final = 64  # closed trades kept for the protections


class Book(msgspec.Struct, frozen=True, kw_only=True):
    """`cash` + `position_cost` is the initial capital plus the profits of all trades, always:
    what a position cost includes the fees of buying it."""

    cash: int
    position: int = 0
    position_cost: int = 0
    entries: int = 0
    last_price: int = 0
    last_us: int = 0
    closed_trades: int = 0
    winning_trades: int = 0
    closed: tuple[Closed, ...] = ()

    @property
    def capital(self) -> int:
        """Quote units, an open position at its cost."""
        return self.cash + self.position_cost

    def worth(self, price: int) -> int:
        """Quote units, an open position at `price`."""
        return self.cash + self.position * price // 10**8


def settle(book: Book, fill: Fill) -> tuple[Book, int]:
    """The book after a fill, and the profit it made (0 for a purchase).

    Raises ValueError for a fill the book cannot bear: more sold than held, more spent than there.
    """
    return _bought(book, fill) if fill.move is Move.BUY else _sold(book, fill)


def _bought(book: Book, fill: Fill) -> tuple[Book, int]:
    spent = fill.cost + fill.fee
    received = fill.amount - fill.fee_base
    if spent > book.cash or received < 0:
        raise ValueError("bought for more than there is")
    after = msgspec.structs.replace(
        book,
        cash=book.cash - spent,
        position=book.position + received,
        position_cost=book.position_cost + spent,
        entries=book.entries + 1,
        last_price=fill.price,
        last_us=fill.at_us,
    )
    return after, 0


def _sold(book: Book, fill: Fill) -> tuple[Book, int]:
    gone = fill.amount + fill.fee_base
    if gone > book.position or not gone:
        raise ValueError("sold more than there is")
    # Exact: the last part of a position takes the whole rest of its cost.
    cost = book.position_cost * gone // book.position
    profit = fill.cost - fill.fee - cost
    closed = Closed(fill.at_us, profit, book.capital, fill.reason)
    left = book.position - gone
    after = msgspec.structs.replace(
        book,
        cash=book.cash + fill.cost - fill.fee,
        position=left,
        position_cost=book.position_cost - cost,
        entries=max(book.entries - 1, 1) if left else 0,
        last_price=fill.price,
        last_us=fill.at_us,
        closed_trades=book.closed_trades + 1,
        winning_trades=book.winning_trades + (profit > 0),
        closed=(*book.closed[1 - REMEMBERED :], closed),
    )
    return after, profit
