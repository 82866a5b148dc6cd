"""What payment actors ask of storage."""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from domain.ledger import Ticket
from domain.payments import Kind, Payment


class PaymentCreated(msgspec.Struct, frozen=True, gc=False):
    """A new payment, written with the journal that set its money aside."""

    payment: Payment


class PaymentMoved(msgspec.Struct, frozen=True, gc=False):
    """A payment's next version; its row must still be the version before."""

    payment: Payment


class ReceiptBooked(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Cash under a provider's receipt is in the books: once in all, whatever it was for.

    `amount` in units of the currency that changed hands.
    """

    receipt: str
    payment_id: int
    amount: int
    booked_us: int


class ReceiptSubmitted(msgspec.Struct, frozen=True, gc=False):
    """A customer has completed a payment by this receipt, whosever cash it is."""

    receipt: str
    payment_id: int


class AlertRaised(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Something for operators, written with the move that caused it."""

    kind: str
    ref: str
    message: str
    raised_us: int


class PaymentStore(Protocol):
    """Payments at rest; implemented by storage.payments."""

    async def next_id(self) -> int: ...

    async def next_number(self, prefix: str, day: str) -> int:
        """The next reference number of a UTC day, from 1."""
        ...

    async def insert(self, payment: Payment, ticket: Ticket | None, outcome: bytes) -> None:
        """Store a payment that sets no money aside, with its idempotency outcome."""
        ...

    async def update(self, payment: Payment) -> bool:
        """Store the next version; False when the row is not the version before."""
        ...

    async def load(self, payment_id: int) -> Payment | None: ...

    async def by_ref(self, ref: str) -> Payment | None: ...

    async def by_receipt(self, receipt: int) -> Payment | None:
        """The payment with our receipt number."""
        ...

    async def by_callback_key(self, key_hash: bytes) -> int | None:
        """Id of the payment whose callback address carries this key."""
        ...

    async def by_provider_id(self, checkout_or_conversation: str) -> int | None:
        """Id of the payment the provider knows by this id."""
        ...

    async def receipt_owner(self, provider_receipt: str) -> int | None:
        """Id of the payment this receipt of the provider was booked for."""
        ...

    async def is_receipt_used(self, provider_receipt: str) -> bool:
        """Whether it was booked for anything, or a customer has completed a payment by it."""
        ...

    async def open_ids(self) -> Sequence[int]:
        """Every payment that may still move."""
        ...

    async def unasked_ids(self) -> Sequence[int]:
        """Payments whose provider may not have been asked yet (SENDING)."""
        ...

    async def undecided(self, limit: int, created_before_us: int) -> Sequence[Payment]:
        """Payments under review, contested payouts, and payouts still open that were made before
        that time; the oldest first."""
        ...

    async def waiting(self, user_id: int, kind: Kind) -> Sequence[Payment]:
        """A person's payments of that kind that wait for somebody, the oldest first."""
        ...

    async def history(
        self, user_id: int, kinds: Sequence[Kind], limit: int, offset: int
    ) -> Sequence[Payment]:
        """A person's payments, newest first."""
        ...


class AlertStore(Protocol):
    """Where operators look; implemented by storage.alerts."""

    async def raise_alert(self, kind: str, ref: str, message: str, at_us: int) -> None: ...
