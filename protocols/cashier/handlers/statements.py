"""Statements, ledgers and receipts (document, "Statements & Reports", "Transaction History")."""

from typing import Final, Literal, NamedTuple

import trio

from actors.account import Account
from actors.ledger_reads import Entry, Receipt, ReceiptJournal
from domain.ledger import receipt_code, receipt_number
from protocols.cashier import checks
from protocols.cashier.calls import Call
from protocols.cashier.checks import Period
from protocols.cashier.codec import amount, iso
from protocols.cashier.errors import Problem, Refused
from protocols.cashier.handlers.accounts import all_of, own
from protocols.cashier.service import Cashier
from protocols.cashier.wire.accounts import (
    AccountStatement,
    FeeItem,
    JournalItem,
    LedgerItem,
    Ledgers,
    OwnerStatement,
    OwnerStatementItem,
    ReceiptLine,
    StatementLine,
    Transaction,
)
from protocols.cashier.wire.base import Success
from protocols.cashier.wire.requests import (
    ByReceipt,
    GetLedgers,
    OwnerStatementRequest,
    StatementRequest,
)

LEDGERS_LIMIT: Final = 500
# A statement is one message. Past so many lines it is refused; get_ledgers pages through them.
STATEMENT_LINES: Final = 20_000
_CHUNK: Final = 1_000  # lines read at a time, so that other connections get their turn

Direction = Literal["CREDIT", "DEBIT"]


async def get_account_statement(cashier: Cashier, call: Call, request: StatementRequest) -> Success:
    """CASH-391; opening + credits - debits = closing (CASH-C51)."""
    period = checks.period(request.from_, request.to, cashier.clock.now_us())
    account = await own(cashier, call.user_id, request.account_number)
    body = await _statement(cashier, account, period, STATEMENT_LINES)
    statement = AccountStatement(
        account_number=account.number,
        opening_balance=amount(body.opening),
        closing_balance=amount(body.closing),
        total_debits=amount(body.debits),
        total_credits=amount(body.credits),
        period_start=_date(period.start_us),
        period_end=_date(period.end_us),
        ledgers=body.lines,
        transaction_count=len(body.lines),
    )
    return Success(message="account statement", data=statement)


async def get_owner_statement(
    cashier: Cashier, call: Call, request: OwnerStatementRequest
) -> Success:
    """One statement an account, REAL and DEMO (CASH-C52)."""
    period = checks.period(request.from_, request.to, cashier.clock.now_us())
    statements: list[OwnerStatementItem] = []
    room = STATEMENT_LINES
    for account in await all_of(cashier, call.user_id):
        body = await _statement(cashier, account, period, room)
        room -= len(body.lines)
        item = OwnerStatementItem(
            account_number=account.number,
            opening_balance=amount(body.opening),
            closing_balance=amount(body.closing),
            total_debits=amount(body.debits),
            total_credits=amount(body.credits),
            ledgers=body.lines,
        )
        statements.append(item)
    statement = OwnerStatement(
        statements=statements,
        count=len(statements),
        period_start=_date(period.start_us),
        period_end=_date(period.end_us),
    )
    return Success(message="owner statement", data=statement)


async def get_ledgers(cashier: Cashier, call: Call, request: GetLedgers) -> Success:
    """Newest first; a larger limit counts as 500 (contract.md, "Cashier")."""
    period = checks.period(request.from_, request.to, cashier.clock.now_us())
    account = await own(cashier, call.user_id, request.account_number)
    limit = min(request.limit, LEDGERS_LIMIT)
    entries = await cashier.reads.page(
        account.id, period.start_us, period.end_us, limit, request.offset
    )
    items = [
        LedgerItem(
            id=entry.id,
            journal_id=entry.journal_id,
            amount=amount(abs(entry.amount)),
            type=_direction(entry.amount),
            currency=account.key.asset,
            balance_after=amount(entry.balance_after),
            description=entry.description,
            receipt_code=receipt_code(entry.receipt),
            created_at=iso(entry.recorded_us),
        )
        for entry in entries
    ]
    total = await cashier.reads.count(account.id, period.start_us, period.end_us)
    ledgers = Ledgers(ledgers=items, total=total, limit=limit, offset=request.offset)
    return Success(message="ledgers retrieved", data=ledgers)


async def get_transaction_by_receipt(cashier: Cashier, call: Call, request: ByReceipt) -> Success:
    """The caller's own legs only (CASH-C47); no legs before settlement (CASH-C46). What touched
    no account of the cashier is no transaction of it (X-C09)."""
    number = receipt_number(request.receipt_code)
    receipt = None
    if number is not None:
        receipt = await cashier.reads.receipt(number, call.user_id, checks.CURRENCIES)
    if receipt is not None and not receipt.party:
        raise Refused(Problem.UNAUTHORIZED)
    if receipt is None or not receipt.shown:
        raise Refused(Problem.TRANSACTION_NOT_FOUND)
    journal = _telling(receipt)
    transaction = Transaction(
        journal=JournalItem(
            id=journal.id,
            transaction_type=journal.kind,
            description=journal.description,
            created_at=iso(journal.recorded_us),
        ),
        ledgers=[
            ReceiptLine(
                account_number=leg.number,
                amount=amount(abs(leg.amount)),
                type=_direction(leg.amount),
                balance_after=amount(leg.balance_after),
                description=leg.description,
            )
            for leg in receipt.legs
        ],
        fees=[
            FeeItem(type=fee.type, amount=amount(fee.amount), currency=fee.currency)
            for fee in journal.fees
        ],
    )
    return Success(message="transaction details", data=transaction)


class _Body(NamedTuple):
    """What both kinds of statement say of an account, in units."""

    opening: int
    closing: int
    debits: int
    credits: int
    lines: list[StatementLine]


async def _statement(cashier: Cashier, account: Account, period: Period, room: int) -> _Body:
    """The account's period; refused when it has more lines than `room`."""
    opening = await cashier.reads.balance_before(account.id, period.start_us)
    debits = credits_ = 0
    lines: list[StatementLine] = []
    start, sequence = period.start_us, 0
    while True:
        chunk = await cashier.reads.lines_after(account.id, start, period.end_us, sequence, _CHUNK)
        for _, entry in chunk:
            if entry.amount > 0:
                credits_ += entry.amount
            else:
                debits -= entry.amount
            lines.append(_line(entry, account.key.asset))
        if len(lines) > room:
            raise Refused(Problem.STATEMENT_TOO_LONG)
        if len(chunk) < _CHUNK:
            break
        sequence, last = chunk[-1]
        start = last.recorded_us
        await trio.lowlevel.checkpoint()
    return _Body(opening, opening + credits_ - debits, debits, credits_, lines)


def _line(entry: Entry, asset: str) -> StatementLine:
    return StatementLine(
        id=entry.id,
        amount=amount(abs(entry.amount)),
        type=_direction(entry.amount),
        currency=asset,
        balance_after=amount(entry.balance_after),
        description=entry.description,
        receipt_code=receipt_code(entry.receipt),
        created_at=iso(entry.recorded_us),
    )


def _telling(receipt: Receipt) -> ReceiptJournal:
    """Of the journals under one receipt (held, then settled) the one that moved money."""
    moved = [journal for journal in receipt.journals if journal.entry_count]
    return moved[0] if moved else receipt.journals[0]


def _direction(units: int) -> Direction:
    """Seen from the customer's account (X-C10)."""
    return "CREDIT" if units > 0 else "DEBIT"


def _date(at_us: int) -> str:
    """A period's end as the document writes dates; years it cannot write are refused."""
    try:
        return iso(at_us)
    except OverflowError:
        raise Refused(Problem.INVALID_DATES) from None
