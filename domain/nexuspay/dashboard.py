"""How a transaction looks in the history: texts, colours, icons (document 002; NXPY-C50..C54)."""

from datetime import datetime, timedelta
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal
from typing import Final, NamedTuple

from domain.money import plain, to_decimal
from domain.nexuspay.transactions import Operation, Status, Transaction, Type

_EPOCH: Final = datetime(1970, 1, 1)
_CENT: Final = Decimal("0.01")
_WHOLE: Final = Decimal(1)


class Portfolio(NamedTuple):
    """What a transaction does to what a person has."""

    impact: str
    direction: str
    description: str


class _Kind(NamedTuple):
    """How a type is shown; `verbs` of a summary: completed, under way, failed."""

    category: str
    icon: str
    portfolio: Portfolio
    verbs: tuple[str, str, str]


class Look(NamedTuple):
    """How a status is shown (NXPY-C54)."""

    color: str
    priority: str
    progress: int  # per cent
    action: str


def _spent(category: str, icon: str, description: str, *verbs: str) -> _Kind:
    completed, under_way, failed = verbs
    portfolio = Portfolio("negative", "-", description)
    return _Kind(category, icon, portfolio, (completed, under_way, failed))


_UNCHANGED: Final = Portfolio("neutral", "=", "No change to your portfolio")
_PAY: Final = ("Paid", "Paying", "Failed to pay")
_SELL: Final = ("Sold", "Selling", "Failed to sell")
_KINDS: Final = {
    Type.FIAT_TO_CRYPTO: _Kind(
        "Buy Crypto",
        "💳→🪙",
        Portfolio("positive", "+", "Added crypto to your portfolio"),
        ("Bought", "Buying", "Failed to buy"),
    ),
    Type.CRYPTO_TO_FIAT: _spent("Sell Crypto", "🪙→💰", "Converted crypto to cash", *_SELL),
    Type.CRYPTO_TO_PAYBILL: _spent("Pay Bill", "🪙→🧾", "Paid a bill with crypto", *_PAY),
    Type.CRYPTO_TO_TILL: _spent("Pay Till", "🪙→🏪", "Paid a till with crypto", *_PAY),
    Type.TOKEN_TRANSFER: _Kind(
        "Transfer",
        "🪙→🪙",
        Portfolio("neutral", "=", "Transferred tokens"),
        ("Sent", "Sending", "Failed to send"),
    ),
}
_LOOKS: Final = {
    Status.COMPLETED: Look("#10B981", "low", 100, "View on blockchain explorer"),
    Status.PENDING: Look("#F59E0B", "medium", 25, "Wait for confirmation"),
    Status.RESERVED: Look("#3B82F6", "medium", 50, "Complete the payment on your phone"),
    Status.FAILED: Look("#EF4444", "high", 100, "Try the transaction again"),
    Status.ERROR: Look("#DC2626", "high", 100, "Contact support"),
}


def look(transaction: Transaction) -> Look:
    """Colour, priority, progress and advice by its status."""
    return _LOOKS[transaction.status]


def category(transaction: Transaction) -> str:
    """ "Buy Crypto" and so on."""
    return _KINDS[transaction.type].category


def icon(transaction: Transaction) -> str:
    """From what to what."""
    return _KINDS[transaction.type].icon


def portfolio(transaction: Transaction) -> Portfolio:
    """Neutral for what failed (NXPY-C64)."""
    if transaction.status in (Status.FAILED, Status.ERROR):
        return _UNCHANGED
    return _KINDS[transaction.type].portfolio


def summary(transaction: Transaction) -> str:
    """One line: "Bought 50 USDC ($50.00) on arbitrum"; true amounts (NXPY-C52)."""
    verb = _verb(transaction)
    tokens = f"{plain(transaction.amount)} {transaction.token}"
    match transaction.type:
        case Type.FIAT_TO_CRYPTO:
            return f"{verb} {tokens} ({dollars(transaction.usd)}) on {transaction.chain}"
        case Type.CRYPTO_TO_FIAT:
            return f"{verb} {tokens} for {shillings_exact(transaction.kes)}"
        case Type.CRYPTO_TO_PAYBILL | Type.CRYPTO_TO_TILL:
            place = "paybill" if transaction.type is Type.CRYPTO_TO_PAYBILL else "till"
            paid = f"{verb} {shillings_exact(transaction.kes)} to {place} {transaction.target}"
            return f"{paid} using {tokens}"
        case Type.TOKEN_TRANSFER:
            return f"{verb} {tokens} ({dollars(transaction.usd)}) on {transaction.chain}"


def _verb(transaction: Transaction) -> str:
    completed, under_way, failed = _KINDS[transaction.type].verbs
    got = not transaction.owner or transaction.operation in (Operation.FUND, Operation.RECEIVE)
    if transaction.type is Type.TOKEN_TRANSFER and got:
        return "Received"
    if transaction.status is Status.COMPLETED:
        return completed
    return failed if transaction.status in (Status.FAILED, Status.ERROR) else under_way


def shillings(units: int) -> str:
    """Whole shillings, half up, with thousands separators: 3337.5 → "KES 3,338" (NXPY-C52)."""
    return f"KES {to_decimal(units).quantize(_WHOLE, ROUND_HALF_UP):,}"


def shillings_exact(units: int) -> str:
    """With cents: "KES 3,337.50"."""
    return f"KES {to_decimal(units).quantize(_CENT, ROUND_DOWN):,}"


def dollars(units: int) -> str:
    """ "$1,250.75", cut to cents."""
    return f"${to_decimal(units).quantize(_CENT, ROUND_DOWN):,}"


def en_us(at_us: int) -> str:
    """ "1/15/2024, 10:30:00 AM", UTC."""
    at = _EPOCH + timedelta(microseconds=at_us)
    half, hour = ("AM" if at.hour < 12 else "PM"), at.hour % 12 or 12
    return f"{at.month}/{at.day}/{at.year}, {hour}:{at.minute:02}:{at.second:02} {half}"
