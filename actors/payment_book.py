"""One payment's record, as its actor keeps it: what is stored, and how it moves on.

Every move is committed with the money, the event, the receipt and the alert it causes, or not at
all. Where it is not certain whether a move was recorded, the record counts as stale and is read
again before the next decision; the version in its row keeps a move from being made twice.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec
import structlog

from actors.payment_evidence import Alert
from actors.payment_parts import Parts, feed_of, label
from actors.payment_store import AlertRaised, PaymentMoved, ReceiptBooked, ReceiptSubmitted
from domain.events import Event, Fact
from domain.ledger import Effects, Intent, Posting, Recorded, Refusal, Ticket
from domain.payments import Payment, State

log = structlog.get_logger(__name__)

SUSPENSE_KIND = "SUSPENSE"


class NotRecorded(Exception):
    """A move was not recorded, or nobody knows (UNKNOWN): read again, then decide again."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.value)
        self.refusal = refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """What a move commits beside the payment's next version.

    `settles`: it is what the payment was for, so the journal bears its receipt and fees.
    `closes`: its hold ends, paying for the postings. `places`: it is held for anew. `receipt` is
    the provider's, for `cash` local units that are in the books from now on. `strict`: not into a
    locked account.
    """

    postings: tuple[Posting, ...] = ()
    fact: Callable[[Payment, int], Fact | None] | None = None
    settles: bool = False
    closes: bool = False
    places: bool = False
    strict: bool = False
    receipt: str = ""
    cash: int = 0
    alert: Alert | None = None
    changes: tuple[Any, ...] = ()
    ticket: Ticket | None = None
    outcome: Callable[[Payment, Recorded], bytes] | None = None


class PaymentBook:
    """Reads and moves one payment."""

    def __init__(self, payment: Payment, parts: Parts) -> None:
        self.payment = payment
        self.is_contradicted = False
        """The last move was refused because a row, or its receipt, was not as expected."""
        self._parts = parts
        self._stale = False

    @property
    def originator(self) -> str:
        """Our id of its order at the provider."""
        return self._parts.originator(self.payment)

    async def refresh(self) -> None:
        """Read the payment again if what is known of it may not be what is stored."""
        if not self._stale:
            return
        try:
            payment = await self._parts.store.load(self.payment.id)
        except self._parts.unavailable as error:
            raise NotRecorded(Refusal.UNAVAILABLE) from error
        assert payment is not None, "payments are never deleted"
        self.payment = payment
        self._stale = False

    async def receipt_owner(self, receipt: str | None) -> int | None:
        """Id of the payment that cash under `receipt` was booked for."""
        if not receipt:
            return None
        try:
            return await self._parts.store.receipt_owner(receipt)
        except self._parts.unavailable as error:
            raise NotRecorded(Refusal.UNAVAILABLE) from error

    async def terms(self) -> dict[str, Any]:
        """Members of the payment that its settlement changes."""
        return await self._parts.terms(self.payment)

    def next(self, state: State | None = None, **fields: Any) -> Payment:
        """The payment's next version."""
        payment = self.payment
        changed: Payment = msgspec.structs.replace(
            payment, state=state or payment.state, version=payment.version + 1, **fields
        )
        return changed

    async def note(self, moved: Payment) -> None:
        """Store a move that touches no money and owes nobody an event."""
        try:
            stored = await self._parts.store.update(moved)
        except self._parts.unavailable as error:
            self._stale = True
            raise NotRecorded(Refusal.UNKNOWN) from error
        if not stored:
            self._stale = True
            raise NotRecorded(Refusal.CONFLICT)
        self.payment = moved
        self._parts.moved(moved)

    async def record(self, moved: Payment, deed: Deed) -> Recorded:
        """Commit a move; memory changes after the commit."""
        made: list[Payment] = []
        intent = self._intent(moved, deed, made)
        try:
            recorded = await self._parts.ledger.record(intent)
        except self._parts.unavailable as error:
            self._stale = True
            raise NotRecorded(Refusal.UNAVAILABLE) from error
        self.is_contradicted = recorded is Refusal.CONFLICT
        if isinstance(recorded, Refusal):
            self._stale = recorded in (Refusal.CONFLICT, Refusal.UNKNOWN)
            raise NotRecorded(recorded)
        self.payment = made[-1]
        self._parts.moved(self.payment)
        if deed.alert is not None:
            _log(deed.alert, moved.ref)
        return recorded

    def tell(self, chain: str) -> None:
        """A deposit on that chain was written with a move: it is to be told. Never waits."""
        self._parts.chains.tell(chain)

    async def alert(self, alert: Alert | None) -> None:
        """Tell operators of something that moved nothing; stored, so that it is there when they
        look."""
        if alert is None:
            return
        _log(alert, self.payment.ref)
        parts = self._parts
        try:
            await parts.alerts.raise_alert(
                alert.kind, self.payment.ref, alert.message, parts.clock.now_us()
            )
        except parts.unavailable as error:
            raise NotRecorded(Refusal.UNAVAILABLE) from error

    def _intent(self, moved: Payment, deed: Deed, made: list[Payment]) -> Intent:
        def effects(recorded: Recorded) -> Effects:
            final = moved
            if deed.settles:
                final = msgspec.structs.replace(
                    moved, receipt=recorded.receipt, completed_us=recorded.recorded_us
                )
            if deed.places:
                final = msgspec.structs.replace(moved, hold_id=recorded.journal_id)
            made.append(final)
            fact = deed.fact(final, recorded.recorded_us) if deed.fact is not None else None
            events = (Event(feed_of(final), fact),) if fact is not None else ()
            outcome = deed.outcome(final, recorded) if deed.outcome is not None else b""
            return Effects(events=events, changes=self._changes(final, deed), outcome=outcome)

        parts = self._parts
        money_only = bool(deed.postings) and not deed.settles
        return Intent(
            kind=SUSPENSE_KIND if money_only else parts.journal_kind(moved),
            postings=deed.postings,
            close=moved.hold if deed.closes else None,
            place=moved.hold if deed.places else None,
            initiator=moved.user_id,
            description=label(moved),
            ref=moved.ref,
            receipt=moved.receipt if deed.settles or deed.closes else 0,
            quote_id=moved.quote_id,
            fees=parts.fees(moved) if deed.settles else (),
            effects=effects,
            ticket=deed.ticket,
            strict_credit=deed.strict,
        )

    def _changes(self, final: Payment, deed: Deed) -> tuple[Any, ...]:
        now_us = self._parts.clock.now_us()
        changes: list[Any] = [PaymentMoved(final), *deed.changes]
        if deed.receipt:
            booked = ReceiptBooked(
                receipt=deed.receipt, payment_id=final.id, amount=deed.cash, booked_us=now_us
            )
            changes.append(booked)
        if final.submitted != self.payment.submitted:
            changes.append(ReceiptSubmitted(final.submitted, final.id))
        if (alert := deed.alert) is not None:
            changes.append(
                AlertRaised(kind=alert.kind, ref=final.ref, message=alert.message, raised_us=now_us)
            )
        return tuple(changes)


def _log(alert: Alert, ref: str) -> None:
    log.warning("alert", kind=alert.kind, ref=ref, reason=alert.message)
