"""Cash paid to us unasked: a customer typed our paybill number, or a callback never came.

Each receipt is booked once in all, whichever way it becomes known (a confirmation, or a row of
the provider's own list): as evidence for the payment whose reference it names, to the account
whose number it names, else into suspense with an alert.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import Final, Protocol

import msgspec
import structlog

from actors.account import Account
from actors.clock import Clock
from actors.ledger import Ledger
from actors.payment_store import AlertRaised, ReceiptBooked
from actors.payments import Payments
from actors.rails import IncomingPayment, Paid
from domain.hashes import ASSET, HASH
from domain.ledger import SYSTEM, AccountKey, Effects, Intent, Posting, Refusal, SystemPurpose
from domain.ledger import system as platform

log = structlog.get_logger(__name__)

REFERENCE_LENGTH: Final = 12
NO_PAYMENT: Final = 0  # whom a receipt was booked for that is no payment's
_PURPOSES: Final = frozenset({"WALLET", HASH})
# Daraja's codes of a refused validation.
UNKNOWN_REFERENCE: Final = "C2B00012"
OTHER: Final = "C2B00016"


class Booking(StrEnum):
    """Where unasked cash went."""

    CREDITED = "credited"
    SUSPENSE = "suspense"


class IncomingBooked(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A row change: unasked cash as it was booked."""

    payment: IncomingPayment
    state: Booking
    booked_us: int


class IncomingStore(Protocol):
    """Implemented by storage.incoming."""

    async def unknown(self, receipts: Sequence[str]) -> set[str]:
        """Those of `receipts` that are in no book yet."""
        ...

    async def by_reference(self, reference: str) -> int | None:
        """Id of the collection whose prompt shows this reference, in capitals or not."""
        ...


class Numbers(Protocol):
    """Accounts by number; implemented by storage.accounts."""

    async def by_number(self, number: str) -> Account | None: ...


class Incoming:
    """Books unasked cash. One instance; holds no state."""

    def __init__(
        self,
        store: IncomingStore,
        numbers: Numbers,
        ledger: Ledger,
        payments: Payments,
        clock: Clock,
    ) -> None:
        self.store = store
        self._numbers = numbers
        self._ledger = ledger
        self._payments = payments
        self._clock = clock

    async def refusal(self, payment: IncomingPayment) -> str | None:
        """Why cash should not be taken, by the provider's code; None to take it."""
        if payment.amount_units <= 0:
            return OTHER
        if await self._payment_of(payment) is not None:
            return None
        return None if await self._account_of(payment) is not None else UNKNOWN_REFERENCE

    async def take(self, payment: IncomingPayment) -> str | Refusal:
        """Book it unless it is booked; the verdict, or a Refusal to try again.

        Raises what storage raises.
        """
        if not await self.store.unknown([payment.receipt]):
            return "known"
        payment_id = await self._payment_of(payment)
        if payment_id is not None:
            paid = Paid(
                receipt=payment.receipt,
                amount_units=payment.amount_units,
                phone=payment.phone,
                unasked=True,
            )
            return await self._payments.evidence(payment_id, paid)
        account = await self._account_of(payment)
        if account is not None:
            return await self._book(payment, account, Booking.CREDITED)
        return await self._book(payment, platform(ASSET, SystemPurpose.SUSPENSE), Booking.SUSPENSE)

    async def _payment_of(self, payment: IncomingPayment) -> int | None:
        reference = payment.reference.strip()
        if len(reference) > REFERENCE_LENGTH or not reference or "\0" in reference:
            return None
        return await self.store.by_reference(reference)

    async def _account_of(self, payment: IncomingPayment) -> AccountKey | None:
        """The shilling account whose number the payer typed."""
        number = payment.reference.strip().upper()
        if not number or "\0" in number:
            return None
        account = await self._numbers.by_number(number)
        if account is None:
            return None
        key = account.key
        fits = key.asset == ASSET and key.mode == "REAL" and key.purpose in _PURPOSES
        return key if fits and key.owner != SYSTEM else None

    async def _book(
        self, payment: IncomingPayment, account: AccountKey, state: Booking
    ) -> str | Refusal:
        now_us = self._clock.now_us()
        label = f"M-Pesa payment {payment.receipt}"
        changes: list[object] = [
            ReceiptBooked(
                receipt=payment.receipt,
                payment_id=NO_PAYMENT,
                amount=payment.amount_units,
                booked_us=now_us,
            ),
            IncomingBooked(payment=payment, state=state, booked_us=now_us),
        ]
        if state is Booking.SUSPENSE:
            alert = AlertRaised(
                kind="unmatched_cash",
                ref=payment.receipt,
                message=f"{payment.amount_units // 10**8} for reference {payment.reference!r}",
                raised_us=now_us,
            )
            changes.append(alert)
        source = platform(ASSET, SystemPurpose.MPESA_FLOAT)
        recorded = await self._ledger.record(
            Intent(
                kind="DEPOSIT" if state is Booking.CREDITED else "SUSPENSE",
                postings=(Posting(source, account, payment.amount_units, label),),
                description=label,
                ref=payment.receipt,
                effects=lambda _recorded: Effects(changes=tuple(changes)),
            )
        )
        if recorded is Refusal.CONFLICT:
            return "known"
        if isinstance(recorded, Refusal):
            return recorded
        log.info("cash booked", receipt=payment.receipt, state=state.value)
        return state.value
