"""A purchase completed by the receipt of its payment (document 002, "Submit M-Pesa Receipt").

What counts is what M-Pesa says when it is asked, not what the customer says (NXPY-C28).
"""

from typing import Final

from actors.payment_evidence import Alert
from actors.rails import Paid, StatusResult
from actors.rails import Refused as Rejected
from actors.receipts import InProgress
from domain.ledger import Refusal
from domain.money import plain
from domain.nexuspay.catalogue import CHAINS
from domain.nexuspay.codes import is_mpesa_receipt, is_transaction_id, transfer_hash
from domain.nexuspay.transactions import Status
from domain.payments import TOKEN_COLLECTIONS, Payment, State
from domain.settlement import expected_cash
from protocols.http import Request, Response
from protocols.keyed import Call
from protocols.nexuspay.calls import respond
from protocols.nexuspay.checks import settled, shillings
from protocols.nexuspay.codec import iso_ms, number
from protocols.nexuspay.errors import Problem, Refused, invalid, of_refusal
from protocols.nexuspay.service import NexusPay
from protocols.nexuspay.wire import mpesa as wire
from protocols.nexuspay.wire.base import Reply

_NOTE: Final = (
    "Your M-Pesa receipt has been verified and crypto has been transferred to your wallet "
    "successfully!"
)


class Receipts:
    """The endpoint /api/mpesa/submit-receipt."""

    def __init__(self, nexus: NexusPay) -> None:
        self._nexus = nexus

    async def submit(self, request: Request, body: wire.SubmitReceipt) -> Response:
        """Complete a purchase by a receipt that M-Pesa confirms (NXPY-C27)."""
        call = Call(request)
        receipt, amount = body.mpesa_receipt_number, shillings(body.amount)
        if not is_transaction_id(body.transaction_id):
            raise invalid("transactionId is not an id of ours", "Invalid transaction ID")
        if not is_mpesa_receipt(receipt):
            raise invalid("mpesaReceiptNumber must have 10 upper-case letters and digits")
        payments = self._nexus.orders.payments
        payment = await self._eligible(call, body.transaction_id)
        if await payments.store.is_receipt_used(receipt):
            raise Refused(Problem.RECEIPT_ALREADY_USED)
        if amount != expected_cash(payment):
            details = f"{plain(amount)} is not the amount to pay"
            raise Refused(Problem.AMOUNT_MISMATCH, details=details)
        paid = await self._confirmed(payment, receipt)
        verdict = await payments.evidence(payment.id, paid)
        if verdict is Refusal.CONFLICT and await payments.store.is_receipt_used(receipt):
            raise Refused(Problem.RECEIPT_ALREADY_USED)  # since we looked
        if isinstance(verdict, Refusal):
            raise of_refusal(verdict)
        payment = await self._eligible(call, payment.ref, completed=verdict == "completed")
        if payment.is_open:
            raise Refused(Problem.RECEIPT_NOT_VERIFIED)
        return respond(await self._answer(call, payment, receipt))

    async def _eligible(self, call: Call, ref: str, *, completed: bool = False) -> Payment:
        """The caller's purchase; 409 for one that was completed before."""
        payment = await self._nexus.orders.payments.store.by_ref(ref)
        mine = payment is not None and payment.user_id == call.user_id
        if payment is None or not mine or payment.kind not in TOKEN_COLLECTIONS:
            raise Refused(Problem.NOT_FOUND, "Transaction not found")
        if payment.state is State.COMPLETED:
            if completed:
                return payment
            raise Refused(Problem.TRANSACTION_ALREADY_COMPLETED)
        if not payment.is_open:
            raise Refused(Problem.NOT_FOUND, "Transaction is not eligible for manual completion")
        return payment

    async def _confirmed(self, payment: Payment, receipt: str) -> Paid:
        """What M-Pesa says of the receipt, when it is of this payment."""
        inquiries = self._nexus.orders.payments.inquiries
        try:
            result = await inquiries.ask(payment, receipt)
        except InProgress:
            details = "a receipt of this transaction is being verified"
            raise invalid(details, "Duplicate receipt") from None
        if result is None or not self._fits(payment, receipt, result):
            raise Refused(Problem.RECEIPT_NOT_VERIFIED)
        await self._check_push(payment, receipt)
        # It may be of another push, as large and by the same phone: whose cash it is the provider
        # has yet to say, and a receipt booked for the wrong payment is cash booked twice (X-C15).
        expected = expected_cash(payment)
        return Paid(receipt=None, amount_units=expected, phone=payment.phone, submitted=receipt)

    async def _check_push(self, payment: Payment, receipt: str) -> None:
        """Its own push must have been paid, else the receipt may be of cash that another push
        already brought. A query may be wrong, so operators are told what it contradicts."""
        payments = self._nexus.orders.payments
        pushed = await payments.inquiries.push_of(payment)
        if isinstance(pushed, Paid):
            return
        if isinstance(pushed, Rejected):
            said = f"receipt {receipt} fits, but the push was not paid: {pushed.message}"
            await payments.alert(Alert("contradiction", said), payment.ref)
        raise Refused(Problem.RECEIPT_NOT_VERIFIED)

    def _fits(self, payment: Payment, receipt: str, result: StatusResult) -> bool:
        """Paid, with this receipt and amount, by the payment's phone to our paybill."""
        paid = result.outcome
        return (
            isinstance(paid, Paid)
            and paid.receipt == receipt
            and paid.amount_units == expected_cash(payment)
            and result.debit_party == payment.phone
            and result.credit_party == self._nexus.settings.paybill
        )

    async def _answer(
        self, call: Call, payment: Payment, receipt: str
    ) -> Reply[wire.ReceiptVerified]:
        tx_hash, token = transfer_hash(payment.ref), payment.asset
        shown = "0.00"
        if self._nexus.settings.show_float:
            shown = plain(await self._nexus.treasury.available(token, payment.chain), 2)
        data = wire.ReceiptVerified(
            transaction_id=payment.ref,
            mpesa_receipt_number=receipt,
            crypto_amount=number(payment.amount),
            token_type=token,
            chain=payment.chain,
            recipient=call.profile.wallet_address,
            crypto_transaction_hash=tx_hash,
            explorer_url=CHAINS[payment.chain].transaction_url(tx_hash),
            status=Status.COMPLETED.value,
            completed_at=iso_ms(payment.completed_us),
            platform_balance=f"{shown} {token}",
            note=_NOTE,
            **await settled(self._nexus, payment),
        )
        message = "M-Pesa receipt verified and crypto transferred successfully"
        return Reply(message=message, data=data)
