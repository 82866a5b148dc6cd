"""Checks that more than one message makes; each raises `Refused` with the documented text."""

import re
from datetime import UTC, datetime, time, timedelta
from typing import Final, NamedTuple

from msgspec import Raw

from domain.ledger import AccountKey
from domain.money import ASSETS, AmountError, Asset
from protocols.cashier.codec import US, units_in
from protocols.cashier.errors import Problem, Refused, of_amount

# In the order the document lists them (CASH-C18).
CURRENCIES: Final[dict[str, Asset]] = {
    code: ASSETS[code] for code in ("USD", "BTC", "USDT", "USDC", "TRX")
}
_MPESA_PHONE: Final = re.compile(r"254[17][0-9]{8}")
# IBANs have up to 34 characters; account numbers are shorter, some with dashes or slashes.
_BANK_ACCOUNT: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9/.-]{4,33}")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_DEFAULT_PERIOD_US: Final = 30 * 86_400 * US
_LONGEST_USER_ID: Final = 18  # digits that fit the ledger's 64-bit ids


def positive(amount: Raw) -> int:
    """Units of a request's amount, which must be a number above zero."""
    units = units_in(amount)
    if isinstance(units, AmountError):
        negative = bytes(amount).startswith(b"-")
        raise Refused(Problem.AMOUNT_NOT_POSITIVE if negative else of_amount(units))
    if units <= 0:
        raise Refused(Problem.AMOUNT_NOT_POSITIVE)
    return units


def currency(code: str) -> Asset:
    """The cashier's wallet currency of that code, upper case (contract.md, "Cashier")."""
    asset = CURRENCIES.get(code)
    if asset is None:
        raise Refused(Problem.CURRENCY_NOT_SUPPORTED)
    return asset


def exact(units: int, asset: Asset) -> int:
    """The same units, which must not be finer than the asset's decimals (X-C11)."""
    if units % asset.step:
        raise Refused(Problem.TOO_PRECISE)
    return units


def user_id(text: str) -> int | None:
    """The id a user id in decimal text means; None when it cannot be anybody's (X-C07)."""
    if not (text.isascii() and text.isdigit() and len(text) <= _LONGEST_USER_ID):
        return None
    return None if text.startswith("0") else int(text)


def mpesa_phone(text: str) -> str | None:
    """A Kenyan mobile number as M-Pesa writes it, 2547… or 2541… (CASH-C29); None otherwise."""
    number = text.removeprefix("+")
    if number.startswith("0"):
        number = "254" + number[1:]
    return number if _MPESA_PHONE.fullmatch(number) else None


def bank_account(text: str) -> str | None:
    """An account number or IBAN as its holder writes it, without the spaces; None otherwise."""
    number = text.replace(" ", "")
    return number if _BANK_ACCOUNT.fullmatch(number) else None


def is_cashier_account(key: AccountKey) -> bool:
    """Whether the cashier shows this account: a wallet, no chain, its currencies (X-C09)."""
    return (
        key.purpose == "WALLET" and not key.chain and not key.provider and key.asset in CURRENCIES
    )


class Period(NamedTuple):
    """Microseconds since the epoch, both ends included."""

    start_us: int
    end_us: int


def period(start: str | None, end: str | None, now_us: int) -> Period:
    """The period two dates mean; absent: the 30 days up to `end`, up to now (CASH-C54)."""
    end_us = _instant(end, day_ends=True) if end else now_us
    start_us = _instant(start, day_ends=False) if start else end_us - _DEFAULT_PERIOD_US
    if start_us > end_us:
        raise Refused(Problem.INVALID_DATES)
    return Period(start_us, end_us)


def _instant(text: str, *, day_ends: bool) -> int:
    """A date or time as microseconds; an inclusive end contains the whole of its second or day.

    A time without an offset is taken as UTC, as every other time of the document.
    """
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise Refused(Problem.INVALID_DATES) from None
    if day_ends:
        if len(text) <= len("2024-01-31"):
            at = datetime.combine(at, time.max)
        elif not at.microsecond:
            at += timedelta(seconds=1) - _MICROSECOND
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    return (at - _EPOCH) // _MICROSECOND
