"""Accounts, balances, the owner's summary, currencies (document, "Account Operations")."""

from typing import Final

from actors.account import Account
from domain.fx import receive
from domain.ledger import AccountKey, Intent, Posting, Refusal, SystemPurpose, system
from domain.money import ASSETS, UNIT_DECIMALS, Asset, round_down
from protocols.cashier import checks
from protocols.cashier.calls import Call
from protocols.cashier.codec import amount, iso
from protocols.cashier.errors import Problem, Refused, account_exists, of_refusal
from protocols.cashier.service import Cashier
from protocols.cashier.wire.accounts import (
    AccountCreated,
    AccountItem,
    Accounts,
    Balance,
    Currencies,
    CurrencyItem,
    OwnerSummary,
    SummaryItem,
)
from protocols.cashier.wire.base import Success
from protocols.cashier.wire.requests import ByAccount, CreateAccount, Nothing

_CENTS: Final = 2


async def own(cashier: Cashier, user_id: int, number: str) -> Account:
    """A snapshot of the caller's account: "account not found", then "unauthorized"."""
    account = await cashier.accounts.by_number(number)
    if account is None or not checks.is_cashier_account(account.key):
        raise Refused(Problem.ACCOUNT_NOT_FOUND)
    if account.key.owner != user_id:
        raise Refused(Problem.UNAUTHORIZED)
    return account


async def all_of(cashier: Cashier, user_id: int) -> list[Account]:
    """Snapshots of every account the cashier shows this person, oldest first."""
    owned = await cashier.accounts.owned_by(user_id)
    return [account for account in owned if checks.is_cashier_account(account.key)]


async def get_accounts(cashier: Cashier, call: Call, _request: Nothing) -> Success:
    """CASH-080."""
    items = [_item(account) for account in await all_of(cashier, call.user_id)]
    return Success(message="accounts retrieved", data=Accounts(accounts=items, count=len(items)))


async def get_account_balance(cashier: Cashier, call: Call, request: ByAccount) -> Success:
    """CASH-093; holds lower what is available, not the balance (CASH-C55)."""
    account = await own(cashier, call.user_id, request.account_number)
    balance = Balance(
        account_number=account.number,
        balance=amount(account.posted),
        available_balance=amount(account.posted - account.debits_pending),
        pending_debit=amount(account.debits_pending),
        pending_credit=amount(account.credits_pending),
        currency=account.key.asset,
        last_transaction=iso(account.last_us) if account.last_us else None,
    )
    return Success(message="balance retrieved", data=balance)


async def get_owner_summary(cashier: Cashier, call: Call, _request: Nothing) -> Success:
    """REAL accounts only (CASH-C17), their total at current rates (CASH-C62)."""
    accounts = [a for a in await all_of(cashier, call.user_id) if a.key.mode == "REAL"]
    total = 0
    for account in accounts:
        total += await _in_usd(cashier, account.key.asset, account.posted)
    items = [
        SummaryItem(
            account_number=account.number,
            currency=account.key.asset,
            balance=amount(account.posted),
            available_balance=amount(account.posted - account.debits_pending),
        )
        for account in accounts
    ]
    summary = OwnerSummary(
        account_balances=items,
        total_balance_usd=amount(_to_cents(total)),
        total_accounts=len(items),
    )
    return Success(message="owner summary", data=summary)


async def create_account(cashier: Cashier, call: Call, request: CreateAccount) -> Success:
    """At most one account a currency and type (CASH-117)."""
    asset = checks.currency(request.currency)
    mode = "DEMO" if request.account_type == "demo" else "REAL"
    key = AccountKey(call.user_id, asset.code, mode=mode)
    async with cashier.opening(key):
        account = await cashier.ledger.accounts.get(key)
        # A DEMO account without a line lacks its virtual balance: an earlier start ended between.
        if account is not None and (mode == "REAL" or account.sequence):
            raise Refused(account_exists(asset.code, mode, account.number))
        if mode == "DEMO":
            await _fund_demo(cashier, key, asset)
        account = await cashier.ledger.accounts.open(key)
    created = AccountCreated(
        account=_item(account), message=f"{asset.code} {mode} wallet account created"
    )
    return Success(message="account created successfully", data=created)


async def get_supported_currencies(_cashier: Cashier, _call: Call, _request: Nothing) -> Success:
    """All five (CASH-C18)."""
    items = [
        CurrencyItem(code=asset.code, name=asset.name, symbol=asset.symbol, type=asset.kind.value)
        for asset in checks.CURRENCIES.values()
    ]
    currencies = Currencies(currencies=items, count=len(items))
    return Success(message="supported currencies", data=currencies)


async def _fund_demo(cashier: Cashier, key: AccountKey, asset: Asset) -> None:
    """The virtual balance of a DEMO account; the credit opens the account (CASH-C17)."""
    units = cashier.settings.demo_balance
    if asset.code != "USD":
        units = receive(await cashier.quote("USD", asset.code), "USD", units).units
    source = system(asset.code, SystemPurpose.DEMO_FUNDING, "DEMO")
    intent = Intent(
        kind="DEPOSIT",
        postings=(Posting(source, key, units, "Virtual balance"),),
        initiator=key.owner,
        description="Virtual balance of a demo account",
    )
    result = await cashier.ledger.record(intent)
    if isinstance(result, Refusal):
        raise Refused(of_refusal(result))


async def _in_usd(cashier: Cashier, asset: str, units: int) -> int:
    """Units of USD, not rounded to cents; nothing is worth nothing, whatever the rate."""
    quote = await cashier.usd_quote(asset) if units else None
    return units if quote is None else receive(quote, asset, units, UNIT_DECIMALS).units


def _to_cents(units: int) -> int:
    """Half up."""
    return round_down(units + ASSETS["USD"].step // 2, _CENTS)


def _item(account: Account) -> AccountItem:
    return AccountItem(
        id=account.id,
        account_number=account.number,
        currency=account.key.asset,
        purpose=account.key.purpose,
        account_type=account.key.mode,
        is_active=account.is_active,
        is_locked=account.is_locked,
        created_at=iso(account.created_us),
    )
