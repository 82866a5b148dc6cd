"""Reply payloads that only read: accounts, balances, history, receipts, statements."""

from typing import Literal

from protocols.cashier.wire.base import Amount, Wire


class AccountItem(Wire, frozen=True, kw_only=True):
    """One account of `get_accounts` and `create_account`."""

    id: int
    account_number: str
    currency: str
    purpose: str
    account_type: str
    is_active: bool
    is_locked: bool
    created_at: str


class Accounts(Wire, frozen=True, kw_only=True):
    """`get_accounts`."""

    accounts: list[AccountItem]
    count: int


class Balance(Wire, frozen=True, kw_only=True):
    """`get_account_balance`; null `last_transaction`: nothing was ever posted."""

    account_number: str
    balance: Amount
    available_balance: Amount
    pending_debit: Amount
    pending_credit: Amount
    currency: str
    last_transaction: str | None


class SummaryItem(Wire, frozen=True, kw_only=True):
    """One account of `get_owner_summary`."""

    account_number: str
    currency: str
    balance: Amount
    available_balance: Amount


class OwnerSummary(Wire, frozen=True, kw_only=True):
    """`get_owner_summary`."""

    account_balances: list[SummaryItem]
    total_balance_usd: Amount
    total_accounts: int


class AccountCreated(Wire, frozen=True, kw_only=True):
    """`create_account`."""

    account: AccountItem
    message: str


class CurrencyItem(Wire, frozen=True, kw_only=True):
    """One currency of `get_supported_currencies`."""

    code: str
    name: str
    symbol: str
    type: str


class Currencies(Wire, frozen=True, kw_only=True):
    """`get_supported_currencies`."""

    currencies: list[CurrencyItem]
    count: int


class HistoryItem(Wire, frozen=True, kw_only=True):
    """One deposit or withdrawal of `get_history`, in the wallet's currency."""

    request_ref: str
    amount: Amount
    currency: str
    status: str
    created_at: str


class History(Wire, frozen=True, kw_only=True):
    """`get_history`; the list not asked for is empty (CASH-C49)."""

    deposits: list[HistoryItem]
    withdrawals: list[HistoryItem]


class JournalItem(Wire, frozen=True, kw_only=True):
    """The journal of a receipt."""

    id: int
    transaction_type: str
    description: str
    created_at: str


class ReceiptLine(Wire, frozen=True, kw_only=True):
    """One of the caller's own legs of a receipt (CASH-C47)."""

    account_number: str
    amount: Amount
    type: Literal["CREDIT", "DEBIT"]
    balance_after: Amount
    description: str


class FeeItem(Wire, frozen=True, kw_only=True):
    """A fee borne in a transaction."""

    type: str
    amount: Amount
    currency: str


class Transaction(Wire, frozen=True, kw_only=True):
    """`get_transaction_by_receipt`."""

    journal: JournalItem
    ledgers: list[ReceiptLine]
    fees: list[FeeItem]


class StatementLine(Wire, frozen=True, kw_only=True):
    """One line of a statement; CREDIT raises the balance (X-C10)."""

    id: int
    amount: Amount
    type: Literal["CREDIT", "DEBIT"]
    currency: str
    balance_after: Amount
    description: str
    receipt_code: str
    created_at: str


class AccountStatement(Wire, frozen=True, kw_only=True):
    """`get_account_statement`: opening + credits - debits = closing (CASH-C51)."""

    account_number: str
    opening_balance: Amount
    closing_balance: Amount
    total_debits: Amount
    total_credits: Amount
    period_start: str
    period_end: str
    ledgers: list[StatementLine]
    transaction_count: int


class OwnerStatementItem(Wire, frozen=True, kw_only=True):
    """One account of `get_owner_statement` (CASH-C52)."""

    account_number: str
    opening_balance: Amount
    closing_balance: Amount
    total_debits: Amount
    total_credits: Amount
    ledgers: list[StatementLine]


class OwnerStatement(Wire, frozen=True, kw_only=True):
    """`get_owner_statement`."""

    statements: list[OwnerStatementItem]
    count: int
    period_start: str
    period_end: str


class LedgerItem(Wire, frozen=True, kw_only=True):
    """One line of `get_ledgers`: a statement line with its journal."""

    id: int
    journal_id: int
    amount: Amount
    type: Literal["CREDIT", "DEBIT"]
    currency: str
    balance_after: Amount
    description: str
    receipt_code: str
    created_at: str


class Ledgers(Wire, frozen=True, kw_only=True):
    """`get_ledgers`; `total` counts the whole period, `limit` and `offset` are those applied."""

    ledgers: list[LedgerItem]
    total: int
    limit: int
    offset: int
