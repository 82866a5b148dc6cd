"""Reversals: cash that came in by mobile money and may not be credited goes back to its payer.

An operator orders one by the receipt of the cash. It is a payment like any other in flight: the
cash is held in suspense in the transaction that records the order and its audit; the provider is
asked once, never twice; its word posts or voids the hold. After silence it is asked what became
of the receipt; only "reversed" settles, everything else leaves the decision to an operator.
What was credited is its owner's, and what is under review is decided first.
"""

from enum import Enum
from typing import Final, Protocol

import msgspec

from actors.audit import AuditEntry
from actors.clock import Clock
from actors.incoming import NO_PAYMENT, Booking
from actors.payment_store import PaymentStore
from actors.payments import Payments
from domain.hashes import ASSET
from domain.ledger import AccountKey, Refusal, SystemPurpose, system
from domain.money import UNITS_PER_WHOLE
from domain.payments import COLLECTIONS, SILENCE_US, Kind, Payment, State
from domain.settlement import suspense

ANSWER_WITHIN_S: Final = 10.0  # of real time; what takes longer is found by its reference
_PREFIX: Final = "REV-"
_ATTEMPTS: Final = 100  # of one receipt; each after the one before has failed for certain


class Cash(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Cash in the books: `amount` in units, the payment it was booked for or NO_PAYMENT, and of
    unasked cash where it went and who paid it ("" where unknown)."""

    receipt: str
    payment_id: int
    amount: int
    booking: str = ""
    phone: str = ""


class CashStore(Protocol):
    """Implemented by storage.incoming."""

    async def cash(self, receipt: str) -> Cash | None:
        """What was booked under the provider's receipt."""
        ...


class NotOrdered(Enum):
    """Why there is no reversal."""

    UNKNOWN = "no such receipt"
    NOT_OURS = "the receipt is not of cash that came in"
    CREDITED = "the cash was credited to its owner"
    UNDECIDED = "its payment is not decided yet"
    NOT_WHOLE = "only whole shillings can be given back"
    UNDER_WAY = "a reversal of it is under way, or may have been carried out"
    DONE = "it was given back already"
    GONE = "the cash is not in suspense any more"
    UNAVAILABLE = "temporarily unavailable"


class Reversals:
    """Orders reversals; the payments' actors carry them out."""

    def __init__(self, store: CashStore, payments: Payments, clock: Clock) -> None:
        self._store = store
        self._payments = payments
        self._clock = clock

    async def order(self, receipt: str, audit: AuditEntry) -> Payment | NotOrdered:
        """The reversal as it stands once it has ended, or after ANSWER_WITHIN_S.

        Raises what storage raises.
        """
        cash = await self._store.cash(receipt)
        if cash is None:
            return NotOrdered.UNKNOWN
        held = await self._suspense_of(cash)
        if isinstance(held, NotOrdered):
            return held
        account, user_id, phone = held
        ref = await self._next_ref(receipt)
        if isinstance(ref, NotOrdered):
            return ref
        draft = self._draft(cash, account, user_id, phone, ref, audit.note)
        made = await self._payments.create(draft, _PREFIX, changes=(audit,))
        if isinstance(made, Refusal):
            return _not_ordered(made)
        payment_id = made[0].id
        return await self._payments.until(payment_id, _is_over, ANSWER_WITHIN_S) or made[0]

    async def _suspense_of(self, cash: Cash) -> tuple[AccountKey, int, str] | NotOrdered:
        """Where the cash lies, whose it is, and who paid it."""
        if cash.amount % UNITS_PER_WHOLE:
            return NotOrdered.NOT_WHOLE
        if cash.payment_id == NO_PAYMENT:
            if cash.booking != Booking.SUSPENSE:
                return NotOrdered.CREDITED
            account = system(ASSET, SystemPurpose.SUSPENSE)
            return account, account.owner, cash.phone
        payment = await self._payments.store.load(cash.payment_id)
        assert payment is not None, "payments are never deleted"
        if payment.kind not in COLLECTIONS or payment.local_asset != ASSET:
            return NotOrdered.NOT_OURS
        if payment.is_open or payment.state is State.UNDER_REVIEW:
            return NotOrdered.UNDECIDED
        # A second receipt of a completed payment went to suspense: paid twice.
        if payment.state is State.COMPLETED and payment.provider_receipt == cash.receipt:
            return NotOrdered.CREDITED
        return suspense(payment), payment.user_id, payment.phone

    async def _next_ref(self, receipt: str) -> str | NotOrdered:
        """One reference an attempt, so that two orders at once cannot both be recorded."""
        store: PaymentStore = self._payments.store
        for attempt in range(1, _ATTEMPTS + 1):
            ref = f"{_PREFIX}{receipt}" + (f"-{attempt}" if attempt > 1 else "")
            before = await store.by_ref(ref)
            if before is None:
                return ref
            if before.state is State.COMPLETED or before.cash:  # it may be found out late
                return NotOrdered.DONE
            if before.state is not State.FAILED:
                return NotOrdered.UNDER_WAY
        return NotOrdered.UNDER_WAY

    def _draft(
        self, cash: Cash, account: AccountKey, user_id: int, phone: str, ref: str, note: str
    ) -> Payment:
        now_us = self._clock.now_us()
        return Payment(
            id=0,
            ref=ref,
            kind=Kind.REVERSAL,
            state=State.SENDING,
            account=account,
            user_id=user_id,
            asset=ASSET,
            amount=cash.amount,
            local_asset=ASSET,
            local_amount=cash.amount,
            held=cash.amount,
            phone=phone,
            bill=cash.receipt,
            description=note,
            created_us=now_us,
            due_us=now_us + SILENCE_US,
        )


def _is_over(payment: Payment) -> bool:
    return not payment.is_open


def _not_ordered(refusal: Refusal) -> NotOrdered:
    match refusal:
        case Refusal.CONFLICT:
            return NotOrdered.UNDER_WAY
        case Refusal.INSUFFICIENT_FUNDS | Refusal.ACCOUNT_NOT_FOUND:
            return NotOrdered.GONE
        case Refusal.UNKNOWN:
            return NotOrdered.UNDER_WAY
        case _:
            return NotOrdered.UNAVAILABLE
