"""A bot's journals: what each thing that happens to it moves. Synchronous, no I/O."""

from collections.abc import Iterable
from typing import Final

from actors.bot_store import EXCHANGE, EXCHANGE_FEES, BotRow, OpenOrder
from domain.ledger import AccountKey, Hold, Posting, SystemPurpose, system
from domain.money import ASSETS
from domain.trading.fills import Fill
from domain.trading.market import Move

CREATED: Final = "BOT_CAPITAL"
CHANGED: Final = "BOT"
ORDERED: Final = "BOT_ORDER"
TRADED: Final = "BOT_TRADE"
DELETED: Final = "BOT_RETURN"


def step_of(asset: str) -> int:
    """Units of the smallest amount of an asset; of one the ledger does not list, one unit."""
    known = ASSETS.get(asset)
    return known.step if known is not None else 1


def trade_postings(row: BotRow, fill: Fill) -> tuple[Posting, ...]:
    """Both sides of a fill. Fees out of what is received never reach the bot's account, because
    credits of a journal do not fund its debits."""
    base, quote = row.account(row.base), row.account(row.currency)
    their_base = row.platform_account(row.base, EXCHANGE)
    their_quote = row.platform_account(row.currency, EXCHANGE)
    base_fees = row.platform_account(row.base, EXCHANGE_FEES)
    quote_fees = row.platform_account(row.currency, EXCHANGE_FEES)
    text = f"{row.symbol} {fill.reason}"
    if fill.move is Move.BUY:
        legs = [
            (quote, their_quote, fill.cost, text),
            (quote, quote_fees, fill.fee, "Trading fee"),
            (their_base, base, fill.amount - fill.fee_base, text),
            (their_base, base_fees, fill.fee_base, "Trading fee"),
        ]
    else:
        legs = [
            (base, their_base, fill.amount, text),
            (base, base_fees, fill.fee_base, "Trading fee"),
            (their_quote, quote, fill.cost - fill.fee, text),
            (their_quote, quote_fees, fill.fee, "Trading fee"),
        ]
    return _postings(legs)


def return_postings(row: BotRow, cash: int, position: int) -> tuple[Posting, ...]:
    """What is left goes back to where the capital came from; less than a step is rounding."""
    legs = []
    for asset, amount in ((row.currency, cash), (row.base, position)):
        rest = amount % step_of(asset)
        rounding = system(asset, SystemPurpose.ROUNDING, row.mode)
        source = row.account(asset)
        legs += [
            (source, row.funds(asset), amount - rest, "Bot deleted"),
            (source, rounding, rest, "Rounding"),
        ]
    return _postings(legs)


def hold_for(row: BotRow, order: OpenOrder) -> Hold:
    """What is set aside for an order, by the journal it names."""
    asset = row.currency if order.side == Move.BUY.value else row.base
    return Hold(row.account(asset), order.hold_amount, order.hold_id)


def _postings(legs: Iterable[tuple[AccountKey, AccountKey, int, str]]) -> tuple[Posting, ...]:
    return tuple(
        Posting(source, destination, amount, text)
        for source, destination, amount, text in legs
        if amount > 0
    )
