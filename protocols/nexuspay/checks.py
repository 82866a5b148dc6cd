"""What requests have in common: amounts, chains, tokens, pages; each refuses what is not one."""

from typing import Any, Final

from msgspec import UnsetType

from domain.fx import Quote
from domain.ledger import AccountKey
from domain.money import ASSETS, AmountError
from domain.nexuspay.catalogue import CHAINS, TOKENS
from domain.nexuspay.paging import MAX_LIMIT, Page, page_from
from domain.payments import Payment
from protocols.http import Request
from protocols.nexuspay.codec import number, text_of, units_in
from protocols.nexuspay.errors import Problem, Refused, invalid, of_amount
from protocols.nexuspay.service import NexusPay
from protocols.nexuspay.wire.base import ABSENT, Amount, Pagination

_LINES: Final = 10  # more than one settlement makes on one account
_WHOLE_KES: Final = 0  # decimals of an amount M-Pesa moves (contract.md, "NexusPay")


def positive(amount: Amount, decimals: int, member: str = "amount") -> int:
    """Units of an amount above zero with at most so many decimals (NXPY-C33)."""
    if amount == ABSENT:
        raise invalid(f"{member} is required")
    units = units_in(amount, decimals)
    if isinstance(units, AmountError):
        raise of_amount(units, member)
    if units <= 0:
        raise invalid(f"{member} must be greater than zero")
    return units


def token_amount(amount: Amount, token: str, member: str = "amount") -> int:
    """Units of a token amount above zero."""
    return positive(amount, ASSETS[token].decimals, member)


def shillings(amount: Amount, member: str = "amount") -> int:
    """Units of a whole number of shillings above zero: M-Pesa has no cents."""
    return positive(amount, _WHOLE_KES, member)


def chain_in(*names: str | UnsetType) -> str:
    """The first of the names that is given, a supported chain (NXPY-C15)."""
    name = next((name for name in names if isinstance(name, str)), None)
    if name is None:
        raise invalid("chain is required")
    if name not in CHAINS:
        raise Refused(Problem.UNSUPPORTED_CHAIN, details=f"{text_of(name)} is not supported")
    return name


def token_in(name: str) -> str:
    """A supported token."""
    if name not in TOKENS:
        raise Refused(Problem.UNSUPPORTED_TOKEN, details=f"{text_of(name)} is not supported")
    return name


def carried(nexus: NexusPay, chain: str, token: str) -> None:
    """Refuse a token that this chain does not have."""
    if not nexus.carries(chain, token):
        raise Refused(Problem.UNSUPPORTED_TOKEN, details=f"{token} is not available on {chain}")


def page_in(request: Request) -> Page:
    """The page the query asks for (NXPY-C39)."""
    page = page_from(request.query.get("page"), request.query.get("limit"))
    if page is None:
        raise invalid(f"page must be at least 1 and limit from 1 to {MAX_LIMIT}")
    return page


def pagination(page: Page, total: int) -> Pagination:
    """The metadata of a list."""
    return Pagination(total=total, page=page.number, limit=page.limit, pages=page.pages(total))


async def available(nexus: NexusPay, key: AccountKey) -> int:
    """Units that may be spent now; 0 of an account that was never opened."""
    account = await nexus.ledger.accounts.get(key)
    return 0 if account is None else max(0, account.available)


async def quote(nexus: NexusPay, token: str, currency: str) -> Quote:
    """The stored quote; raises RatesUnavailable while there is none."""
    return await nexus.rates.quote(token, currency)


async def settled(nexus: NexusPay, payment: Payment) -> dict[str, Any]:
    """The caller's account after a completed payment, as members of its answer."""
    account = await nexus.ledger.accounts.get(payment.account)
    if account is None:
        return {}
    at_us = payment.completed_us
    lines = await nexus.reads.lines_after(account.id, at_us, at_us, 0, _LINES)
    if not lines:
        return {}
    sequence, line = lines[-1]
    return {"balance_after": number(line.balance_after), "sequence": sequence}
