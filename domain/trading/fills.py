"""What an order costs: sizes within an exchange's rules, and what the paper exchange fills."""

from typing import Final

import msgspec

from domain.money import UNITS_PER_WHOLE
from domain.trading.market import WHOLE, Move

SLIPPAGE_PPM: Final = 500  # how far from the last price a paper order is filled: 0.05 %
# A market order may fill this far above the last price before it costs more than was set aside.
MARGIN_PPM: Final = 50_000


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """What an exchange accepts for a symbol and charges; `quote_step` is the smallest amount of
    the quote currency that a fill is settled in."""

    base: str
    quote: str
    price_step: int = 1
    amount_step: int = 1
    least_amount: int = 1
    least_cost: int = 0
    fee_ppm: int = 1_000
    quote_step: int = 1


class Fill(msgspec.Struct, frozen=True, kw_only=True):
    """What an order did: `amount` base units for `cost` quote units, at `price` on average.

    `fee` in quote units comes on top, `fee_base` out of what was bought.
    """

    move: Move
    amount: int
    cost: int
    price: int
    fee: int
    at_us: int
    reason: str
    fee_base: int = 0


def buying(budget: int, price: int, rules: Rules) -> int:
    """Base units that `budget` quote units buy at `price`, slippage and fee included; 0 when the
    exchange would not take so small an order."""
    dearest = _filled_at(Move.BUY, price, rules)
    costs_ppm = WHOLE + rules.fee_ppm
    # The cost and the fee are each rounded up to a step of the quote currency.
    spendable = max(budget - 2 * rules.quote_step, 0)
    amount = spendable * WHOLE * UNITS_PER_WHOLE // (dearest * costs_ppm)
    return _accepted(amount - amount % rules.amount_step, price, rules)


def selling(position: int, share_ppm: int, price: int, rules: Rules) -> int:
    """Base units of a position to sell; all of it when what would be left could not be sold."""
    amount = min(position, position * share_ppm // WHOLE)
    amount -= amount % rules.amount_step
    if amount < position and not _accepted(position - amount, price, rules):
        amount = position - position % rules.amount_step
    return _accepted(amount, price, rules)


def paper_fill(move: Move, amount: int, price: int, rules: Rules, at_us: int, reason: str) -> Fill:
    """A market order at the paper exchange: filled whole, a little worse than the last price,
    with the exchange's taker fee; every rounding is at the bot's expense."""
    at = _filled_at(move, price, rules)
    up = move is Move.BUY
    cost = _rounded(amount * at, UNITS_PER_WHOLE, rules.quote_step, up=up)
    fee = _rounded(cost * rules.fee_ppm, WHOLE, rules.quote_step, up=True)
    return Fill(move=move, amount=amount, cost=cost, price=at, fee=fee, at_us=at_us, reason=reason)


def _filled_at(move: Move, price: int, rules: Rules) -> int:
    step = rules.price_step
    if move is Move.BUY:
        return -(-price * (WHOLE + SLIPPAGE_PPM) // (WHOLE * step)) * step
    return max(price * (WHOLE - SLIPPAGE_PPM) // (WHOLE * step) * step, 1)


def _accepted(amount: int, price: int, rules: Rules) -> int:
    if amount < max(rules.least_amount, 1):
        return 0
    return amount if amount * price // UNITS_PER_WHOLE >= rules.least_cost else 0


def _rounded(number: int, by: int, step: int, *, up: bool) -> int:
    by *= step
    return -(-number // by) * step if up else number // by * step
