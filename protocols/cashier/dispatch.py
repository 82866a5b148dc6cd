"""Which handler answers which message type. A test compares this table with the vocabulary."""

from collections.abc import Awaitable, Callable
from typing import Any, Final

from protocols.cashier.calls import Call, Draft, Missing
from protocols.cashier.handlers import (
    accounts,
    conversion,
    deposits,
    fees_partners,
    fulfilment,
    history,
    statements,
    transfers,
    verification,
    withdrawals,
)
from protocols.cashier.service import Cashier
from protocols.cashier.wire.base import Success

Handler = Callable[[Cashier, Call, Any], Awaitable[Success]]
Drafter = Callable[[Cashier, Call, Any], Draft | Missing | None]

HANDLERS: Final[dict[str, Handler]] = {
    "verification_request": verification.verification_request,
    "verify_totp": verification.verify_totp,
    "verify_otp": verification.verify_otp,
    "get_accounts": accounts.get_accounts,
    "get_account_balance": accounts.get_account_balance,
    "get_owner_summary": accounts.get_owner_summary,
    "create_account": accounts.create_account,
    "get_supported_currencies": accounts.get_supported_currencies,
    "deposit_request": deposits.deposit_request,
    "get_deposit_status": deposits.get_deposit_status,
    "cancel_deposit": deposits.cancel_deposit,
    "withdraw_request": withdrawals.withdraw_request,
    "fulfill_withdrawal": fulfilment.fulfill_withdrawal,
    "transfer": transfers.transfer,
    "get_history": history.get_history,
    "get_transaction_by_receipt": statements.get_transaction_by_receipt,
    "get_account_statement": statements.get_account_statement,
    "get_owner_statement": statements.get_owner_statement,
    "get_ledgers": statements.get_ledgers,
    "calculate_fee": fees_partners.calculate_fee,
    "convert_and_transfer": conversion.convert_and_transfer,
    "get_partners": fees_partners.get_partners,
}

# Those that may also be begun without waiting.
DRAFTS: Final[dict[str, Drafter]] = {
    "transfer": transfers.draft,
}
