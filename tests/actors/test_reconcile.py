"""actors.reconcile: what one run makes of the provider's list."""

from collections.abc import Sequence
from typing import Any, cast

from actors.clock import Clock
from actors.rails import IncomingPayment
from actors.reconcile import Reconciler
from domain.ledger import Refusal


def _row(receipt: str) -> IncomingPayment:
    return IncomingPayment(
        receipt=receipt,
        amount_units=100,
        shortcode="174379",
        reference="",
        phone="254712345678",
        payer_name="",
        paid_at="",
    )


class Books:
    """Takes every receipt but those to be refused."""

    def __init__(self, *refused: str) -> None:
        self.refused = set(refused)
        self.booked: list[str] = []
        self.pulled: list[int] = []

    @property
    def store(self) -> "Books":
        return self

    async def unknown(self, receipts: Sequence[str]) -> set[str]:
        return set(receipts) - set(self.booked)

    async def take(self, payment: IncomingPayment) -> str | Refusal:
        if payment.receipt in self.refused:
            return Refusal.CONFLICT
        self.booked.append(payment.receipt)
        return "credited"

    async def open_payments(self, created_before_us: int, limit: int) -> list[Any]:
        return []

    async def ended_payments(self, created_after_us: int, limit: int) -> list[Any]:
        return []

    async def pulled_us(self) -> int:
        return 0

    async def note_pulled(self, until_us: int) -> None:
        self.pulled.append(until_us)


class Listed:
    """A provider that lists two pages."""

    async def list_incoming(
        self, *, from_us: int, to_us: int, offset: int
    ) -> list[IncomingPayment]:
        return [_row(f"R{number}") for number in range(4)][offset : offset + 2]


async def test_a_receipt_that_cannot_be_booked_keeps_no_other_from_the_books() -> None:
    """X-C15: every other one is booked; the list is read again from where it was read before."""
    books = Books("R0", "R2")
    fake = cast(Any, books)
    reconciler = Reconciler(fake, fake, fake, cast(Any, Listed()), Clock(), (), every_s=0)
    report = await reconciler.once()
    assert (books.booked, books.pulled) == (["R1", "R3"], [])
    assert (report.pulled, report.note) == (4, "R0: conflict; R2: conflict")
    books.refused.clear()
    report = await reconciler.once()
    assert (books.booked, report.note) == (["R1", "R3", "R0", "R2"], "")
    assert len(books.pulled) == 1
