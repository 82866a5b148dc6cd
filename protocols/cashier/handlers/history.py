"""Deposits and withdrawals of a person (document, "Transaction History")."""

from typing import Final

from domain.payments import Payment
from protocols.cashier.calls import Call
from protocols.cashier.codec import amount, iso
from protocols.cashier.service import Cashier
from protocols.cashier.statuses import DEPOSITS, WITHDRAWALS, status
from protocols.cashier.wire.accounts import History, HistoryItem
from protocols.cashier.wire.base import Success
from protocols.cashier.wire.requests import GetHistory

HISTORY_LIMIT: Final = 100  # a larger limit counts as this (CASH-C49)


async def get_history(cashier: Cashier, call: Call, request: GetHistory) -> Success:
    """Both members always; the kind not asked for is empty; newest first (CASH-C49)."""
    lists: dict[str, list[HistoryItem]] = {"deposits": [], "withdrawals": []}
    for name, kinds in (("deposits", DEPOSITS), ("withdrawals", WITHDRAWALS)):
        if request.type in (name, "all"):
            found = await cashier.payments.store.history(
                call.user_id, kinds, min(request.limit, HISTORY_LIMIT), request.offset
            )
            lists[name] = [_item(payment) for payment in found]
    return Success(message="transaction history", data=History(**lists))


def _item(payment: Payment) -> HistoryItem:
    """In the wallet's currency: 7.50 USD, not 1000 KES (CASH-365)."""
    return HistoryItem(
        request_ref=payment.ref,
        amount=amount(payment.amount),
        currency=payment.asset,
        status=status(payment),
        created_at=iso(payment.created_us),
    )
