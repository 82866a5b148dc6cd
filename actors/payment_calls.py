"""The calls a payment makes to its provider: beside its actor, so that a slow provider delays
neither a cancellation nor a callback. What they are answered comes back as messages."""

from collections.abc import Awaitable, Callable
from typing import Any, Final

import trio

from actors.payment_messages import Called, Message
from actors.payment_parts import Parts
from actors.runtime.failures import Failure
from actors.runtime.mailbox import Mailbox
from domain.money import UNITS_PER_WHOLE
from domain.payments import CHAIN_PAYOUTS, COLLECTIONS, PAYOUTS, SENT_ONCE, Kind, Payment
from domain.settlement import expected_cash

PUSH: Final = "push"
PAYOUT: Final = "payout"
QUERY: Final = "query"
STATUS: Final = "status"
_FULL_S: Final = 0.05  # before a full mailbox is tried again


class Calls:
    """One payment's calls, at most one of a kind at a time."""

    def __init__(self, parts: Parts, mailbox: Mailbox[Message], nursery: trio.Nursery) -> None:
        self._parts = parts
        self._mailbox = mailbox
        self._nursery = nursery
        self.in_flight: set[str] = set()  # begun, and their answer not recorded

    def move_money(self, payment: Payment) -> None:
        """Push or pay out. The caller has recorded that it is about to."""
        if payment.kind in COLLECTIONS:
            self._call(PUSH, lambda: self._push(payment))
        elif payment.kind is Kind.REVERSAL:
            self._call(PAYOUT, lambda: self._reverse(payment))
        elif payment.kind in SENT_ONCE:
            self._call(PAYOUT, lambda: self._pay_bill(payment))
        elif payment.kind in CHAIN_PAYOUTS:
            self._call(PAYOUT, lambda: self._parts.chains.pay(payment))
        elif payment.kind in PAYOUTS:
            self._call(PAYOUT, lambda: self._pay_out(payment))

    def question(self, payment: Payment) -> None:
        """Ask what became of the money; a push or a bill whose id at the provider is not known
        cannot be asked about."""
        if payment.kind in COLLECTIONS and payment.checkout:
            self._call(QUERY, lambda: self._parts.rail.query_push(payment.checkout))
        elif payment.kind in CHAIN_PAYOUTS:
            self.move_money(payment)  # asked again, the rail says how it stands
        elif payment.kind is Kind.REVERSAL:
            self._call(STATUS, lambda: self._status_of(payment, receipt=payment.bill))
        elif payment.kind in PAYOUTS and (payment.kind not in SENT_ONCE or payment.conversation):
            self._call(STATUS, lambda: self._status(payment))

    def recorded(self, step: str) -> None:
        """The answer to `step` is recorded, so that the next call of its kind may begin."""
        self.in_flight.discard(step)

    def again(self, answer: Called, after_s: float) -> None:
        """Deliver an answer once more, since it could not be recorded."""
        self._nursery.start_soon(self._deliver, answer, after_s)

    def _push(self, payment: Payment) -> Awaitable[object]:
        return self._parts.rail.push(
            payment_id=payment.ref,
            phone=payment.phone,
            amount_kes=expected_cash(payment) // UNITS_PER_WHOLE,
            reference=payment.ref[-12:],
            description=payment.description or "Deposit",
            callback_url=self._parts.urls.push(payment),
        )

    def _pay_out(self, payment: Payment) -> Awaitable[object]:
        urls = self._parts.urls
        return self._parts.rail.pay_out(
            payment_id=self._parts.originator(payment),
            phone=payment.phone,
            amount_kes=expected_cash(payment) // UNITS_PER_WHOLE,
            remarks=payment.description or "Withdrawal",
            result_url=urls.result(payment),
            timeout_url=urls.timeout(payment),
        )

    def _pay_bill(self, payment: Payment) -> Awaitable[object]:
        urls, rail = self._parts.urls, self._parts.rail
        order: dict[str, Any] = {
            "payment_id": self._parts.originator(payment),
            "amount_kes": expected_cash(payment) // UNITS_PER_WHOLE,
            "remarks": payment.description or "Bill payment",
            "result_url": urls.result(payment),
            "timeout_url": urls.timeout(payment),
        }
        if payment.partner == "till":
            return rail.pay_till(till=payment.bill, **order)
        return rail.pay_bill(paybill=payment.bill, account=payment.bill_account, **order)

    def _reverse(self, payment: Payment) -> Awaitable[object]:
        urls = self._parts.urls
        return self._parts.rail.request_reversal(
            receipt=payment.bill,
            amount_kes=expected_cash(payment) // UNITS_PER_WHOLE,
            remarks=payment.description or "Reversal",
            result_url=urls.result(payment),
            timeout_url=urls.timeout(payment),
        )

    def _status(self, payment: Payment) -> Awaitable[object]:
        named = payment.kind in SENT_ONCE  # the provider knows a bill by its own id only
        own = self._parts.originator(payment)
        return self._status_of(payment, originator=payment.conversation if named else own)

    def _status_of(self, payment: Payment, **named: str) -> Awaitable[object]:
        url = self._parts.urls.status(payment)
        return self._parts.rail.request_status(result_url=url, timeout_url=url, **named)

    def _call(self, step: str, call: Callable[[], Awaitable[object]]) -> None:
        if step in self.in_flight:
            return
        self.in_flight.add(step)

        async def run() -> None:
            await self._deliver(Called(step, await call()), 0)

        self._nursery.start_soon(run)

    async def _deliver(self, answer: Called, after_s: float) -> None:
        await trio.sleep(after_s)
        while self._mailbox.send(answer) is Failure.OVERLOADED:
            await trio.sleep(_FULL_S)
