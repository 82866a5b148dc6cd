"""Inquiries about M-Pesa receipts that customers submit (NXPY-C28).

What a customer says proves nothing: the provider is asked, and says it to the payment's own
secret address. One inquiry a payment at a time; it lives as long as its asker waits, and an
answer nobody waits for means nothing.
"""

from typing import Final

import trio

from actors.payment_parts import CallbackUrls
from actors.rails import MobileMoney, Outcome, Pending, StatusResult, TransferAccepted
from domain.payments import Payment

ANSWER_WITHIN_S: Final = 20.0  # of real time


class InProgress(Exception):
    """The same payment's receipt is being looked into."""


class Inquiries:
    """Open inquiries by payment."""

    def __init__(self, rail: MobileMoney, urls: CallbackUrls) -> None:
        self._rail = rail
        self._urls = urls
        self._open: dict[int, _Inquiry] = {}

    async def ask(self, payment: Payment, receipt: str) -> StatusResult | None:
        """What the provider says of `receipt`; None when it said nothing in time.

        Raises InProgress while another receipt of the payment, or this one, is looked into.
        """
        if payment.id in self._open:
            raise InProgress
        inquiry = self._open[payment.id] = _Inquiry()
        try:
            address = self._urls.status(payment)
            accepted = await self._rail.request_status(
                receipt=receipt, result_url=address, timeout_url=address
            )
            if not isinstance(accepted, TransferAccepted):
                return None
            with trio.move_on_after(ANSWER_WITHIN_S):
                await inquiry.seen.wait()
            return inquiry.result
        finally:
            del self._open[payment.id]

    async def push_of(self, payment: Payment) -> Outcome:
        """What the provider says of the payment's own push.

        A receipt of the right payer and amount may still be another push's, whose cash was booked
        without one because its callback was lost: a query names no receipt.
        """
        if not payment.checkout:
            return Pending(message="not accepted yet")
        return await self._rail.query_push(payment.checkout)

    def answered(self, payment_id: int, result: StatusResult) -> bool:
        """Hand a status callback to whoever waits for it; False when nobody does."""
        inquiry = self._open.get(payment_id)
        if inquiry is None:
            return False
        inquiry.result = result
        inquiry.seen.set()
        return True


class _Inquiry:
    """One asker."""

    __slots__ = ("result", "seen")

    def __init__(self) -> None:
        self.result: StatusResult | None = None
        self.seen = trio.Event()
