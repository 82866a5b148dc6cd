"""Bills paid with tokens while the caller waits (document 002, "Crypto Spending System").

The tokens are held as the escrow; a definite failure or silence gives them back (NXPY-C46).
"""

from typing import Final

from actors.token_orders import Order
from domain.fx import Quote
from domain.ledger import Refusal
from domain.money import UNITS_PER_WHOLE, convert, plain
from domain.nexuspay.catalogue import CHAINS, SPENDABLE
from domain.nexuspay.codes import return_hash, transfer_hash
from domain.nexuspay.token_payments import PAYBILL, TILL
from domain.nexuspay.transactions import TOLERANCE_PERCENT, Status, within_tolerance
from domain.nexuspay.treasury import personal
from domain.payments import Kind, Payment, State
from protocols.http import Response
from protocols.keyed import Call
from protocols.nexuspay.calls import respond, save_payment
from protocols.nexuspay.checks import (
    available,
    carried,
    chain_in,
    settled,
    shillings,
    token_amount,
)
from protocols.nexuspay.codec import iso_ms, number, text_of
from protocols.nexuspay.errors import Problem, Refused, invalid, of_refusal
from protocols.nexuspay.handlers.mpesa import bill_account, bill_number, within_limits
from protocols.nexuspay.service import NexusPay
from protocols.nexuspay.wire import mpesa as wire
from protocols.nexuspay.wire.base import Reply, SpecialDetail, SpecialError

_LONGEST_DESCRIPTION: Final = 100
_WITHIN_S: Final = 40.0  # of real time; the escrow itself gives up earlier


class Spending:
    """The endpoint /api/mpesa/pay-with-crypto."""

    def __init__(self, nexus: NexusPay) -> None:
        self._nexus = nexus

    async def pay(self, call: Call, body: wire.PayWithCrypto) -> Response:
        """Pay a paybill or till with tokens: completed, or undone (NXPY-C45)."""
        order = await self._order(call, body)

        def outcome(payment: Payment, _recorded: object) -> bytes:
            return save_payment(payment.ref)

        made = await self._nexus.orders.place(order, call.ticket, outcome)
        if made in (Refusal.INSUFFICIENT_FUNDS, Refusal.ACCOUNT_NOT_FOUND):
            raise await self._short(order)
        if isinstance(made, Refusal):
            raise of_refusal(made)
        call.journaled = True
        return await self.paid(call, made.payment.ref)

    async def paid(self, _call: Call, ref: str) -> Response:
        """The answer of a payment once it is over, at most 30 s after it began (NXPY-C47)."""
        payments = self._nexus.orders.payments
        begun = await payments.store.by_ref(ref)
        assert begun is not None, "payments are never deleted"
        payment = await payments.until(begun.id, lambda p: not p.is_open, _WITHIN_S) or begun
        if payment.state is State.COMPLETED:
            data = await self._completed(payment)
            return respond(Reply(message="Crypto payment completed successfully", data=data))
        if payment.is_open:
            raise of_refusal(Refusal.UNKNOWN)
        raise _rolled_back(payment)

    async def _order(self, call: Call, body: wire.PayWithCrypto) -> Order:
        """Input, then rate, then balance (NXPY-C45)."""
        chain, token = chain_in(body.chain, body.chain_name), body.token_type
        if token not in SPENDABLE:
            details = f"{text_of(token)} is not one of {', '.join(SPENDABLE)}"
            raise Refused(Problem.UNSUPPORTED_TOKEN, details=details)
        carried(self._nexus, chain, token)
        local = within_limits(shillings(body.amount))
        amount = token_amount(body.crypto_amount, token, "cryptoAmount")
        if body.target_type not in (PAYBILL, TILL):
            raise invalid("targetType must be paybill or till")
        bill = bill_number(body.target_number, "targetNumber")
        is_bill = body.target_type == PAYBILL
        account = bill_account(body.account_number) if is_bill else ""
        description = body.description or ""
        if len(description) > _LONGEST_DESCRIPTION:
            raise invalid(f"description must have at most {_LONGEST_DESCRIPTION} characters")
        quote = await self._nexus.orders.quote(token)
        _check_rate(quote, token, amount, local)
        order = Order(
            kind=Kind.TOKEN_ESCROW,
            user_id=call.user_id,
            token=token,
            chain=chain,
            amount=amount,
            local=local,
            quote=quote,
            partner=body.target_type,
            bill=bill,
            bill_account=account,
            description=description,
        )
        if await available(self._nexus, personal(call.user_id, token, chain)) < amount:
            raise await self._short(order)
        return order

    async def _short(self, order: Order) -> Refused:
        key = personal(order.user_id, order.token, order.chain)
        have = await available(self._nexus, key)
        data = wire.Short(
            requested_amount=number(order.amount),
            available_amount=number(have),
            token_type=order.token,
            chain=order.chain,
        )
        text = f"Insufficient {order.token} balance. Available: {plain(have)}, "
        text += f"Required: {plain(order.amount)}"
        return Refused(
            Problem.INSUFFICIENT_BALANCE,
            body=SpecialError(
                message="Insufficient crypto balance",
                data=data,
                error=SpecialDetail(code="INSUFFICIENT_BALANCE", message=text),
            ),
        )

    async def _completed(self, payment: Payment) -> wire.CryptoPaid:
        tx_hash, target = transfer_hash(payment.ref), f"{payment.partner} {payment.bill}"
        fiat = plain(payment.local_amount)
        spent = f"{plain(payment.amount)} {payment.asset}"
        return wire.CryptoPaid(
            transaction_id=payment.ref,
            fiat_amount=number(payment.local_amount),
            crypto_amount=number(payment.amount),
            token_type=payment.asset,
            chain=payment.chain,
            target_type=payment.partner,
            target_number=payment.bill,
            account_number=payment.bill_account or None,
            status=Status.COMPLETED.value,
            completed_at=iso_ms(payment.completed_us),
            crypto_transaction_hash=tx_hash,
            mpesa_transaction_id=payment.provider_receipt or payment.conversation or None,
            explorer_url=CHAINS[payment.chain].transaction_url(tx_hash),
            processing_time_ms=max(0, payment.completed_us - payment.created_us) // 1000,
            conversion_rate=number(payment.rate),
            description=payment.description or None,
            note=f"Successfully paid {fiat} KES to {target} using {spent}",
            **await settled(self._nexus, payment),
        )


def _check_rate(quote: Quote, token: str, amount: int, local: int) -> None:
    """The value at the current rate may differ by 2 per cent (NXPY-C43)."""
    if not within_tolerance(convert(amount, quote.rate), local):
        expected = local * UNITS_PER_WHOLE // quote.rate
        details = f"Expected about {plain(expected)} {token} at {plain(quote.rate)} KES; "
        details += f"at most {TOLERANCE_PERCENT}% off is accepted"
        raise Refused(Problem.CONVERSION_RATE_EXCEEDED, details=details)


def _rolled_back(payment: Payment) -> Refused:
    tx_hash, reason = return_hash(payment.ref), payment.reason.rstrip(". ") or "Declined"
    data = wire.RolledBack(
        transaction_id=payment.ref,
        rollback_tx_hash=tx_hash,
        explorer_url=CHAINS[payment.chain].transaction_url(tx_hash),
    )
    text = f"M-Pesa payment failed: {reason}. Your crypto has been returned to your wallet."
    return Refused(
        Problem.INTERNAL_ERROR,
        body=SpecialError(
            message="Payment failed - crypto returned to your wallet",
            data=data,
            error=SpecialDetail(code="PAYMENT_FAILED_ROLLED_BACK", message=text),
        ),
    )
