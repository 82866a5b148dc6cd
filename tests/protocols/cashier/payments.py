"""Payments at rest in memory, and a mobile-money provider the test plays itself."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import trio

from actors.audit import AuditEntry
from actors.payment_store import AlertRaised, PaymentCreated, PaymentMoved, ReceiptBooked
from actors.rails import PushAccepted, TransferAccepted
from domain.fees import Chain
from domain.ledger import Ticket
from domain.payments import Kind, Payment, State


@dataclass
class MemoryPayments:
    """actors.payment_store.PaymentStore; `keys` are the idempotency rows beside it."""

    keys: dict[tuple[str, str], tuple[bytes, bytes]]
    rows: dict[int, Payment] = field(default_factory=dict)
    counters: dict[tuple[str, str], int] = field(default_factory=dict)
    receipts: dict[str, int] = field(default_factory=dict)
    alerts: list[tuple[str, str]] = field(default_factory=list)
    audits: list[AuditEntry] = field(default_factory=list)
    ids: int = 0

    async def next_id(self) -> int:
        self.ids += 1
        return self.ids

    async def next_number(self, prefix: str, day: str) -> int:
        self.counters[prefix, day] = self.counters.get((prefix, day), 0) + 1
        return self.counters[prefix, day]

    async def insert(self, payment: Payment, ticket: Ticket | None, outcome: bytes) -> None:
        await trio.lowlevel.checkpoint()
        self.rows[payment.id] = payment
        if ticket is not None:
            self.keys[ticket.scope, ticket.key] = (ticket.fingerprint, outcome)

    async def update(self, payment: Payment) -> bool:
        await trio.lowlevel.checkpoint()
        return self.write(PaymentMoved(payment))

    def write(
        self, change: PaymentCreated | PaymentMoved | ReceiptBooked | AlertRaised | AuditEntry
    ) -> bool:
        """What the journal's transaction does; whether exactly one row changed."""
        if isinstance(change, AuditEntry):
            self.audits.append(change)
            return True
        if isinstance(change, AlertRaised):
            self.alerts.append((change.kind, change.ref))
            return True
        if isinstance(change, ReceiptBooked):
            if change.receipt in self.receipts:
                return False
            self.receipts[change.receipt] = change.payment_id
            return True
        payment = change.payment
        if isinstance(change, PaymentMoved) and (
            self.rows[payment.id].version != payment.version - 1
        ):
            return False
        self.rows[payment.id] = payment
        return True

    async def load(self, payment_id: int) -> Payment | None:
        await trio.lowlevel.checkpoint()
        return self.rows.get(payment_id)

    async def by_ref(self, ref: str) -> Payment | None:
        await trio.lowlevel.checkpoint()
        return next((p for p in self.rows.values() if p.ref == ref), None)

    async def by_receipt(self, receipt: int) -> Payment | None:
        return next((p for p in self.rows.values() if p.receipt == receipt), None)

    async def by_callback_key(self, key_hash: bytes) -> int | None:
        return next((p.id for p in self.rows.values() if p.callback_key == key_hash), None)

    async def by_provider_id(self, checkout_or_conversation: str) -> int | None:
        known = checkout_or_conversation
        return next(
            (p.id for p in self.rows.values() if known in (p.checkout, p.conversation)), None
        )

    async def receipt_owner(self, provider_receipt: str) -> int | None:
        return self.receipts.get(provider_receipt)

    async def is_receipt_used(self, provider_receipt: str) -> bool:
        return provider_receipt in self.receipts

    async def open_ids(self) -> Sequence[int]:
        return [p.id for p in self.rows.values() if p.is_open]

    async def unasked_ids(self) -> Sequence[int]:
        return [p.id for p in self.rows.values() if p.state is State.SENDING]

    async def undecided(self, limit: int, created_before_us: int) -> Sequence[Payment]:
        return [p for p in self.rows.values() if p.state is State.UNDER_REVIEW][:limit]

    async def waiting(self, user_id: int, kind: Kind) -> Sequence[Payment]:
        mine = [p for p in self.rows.values() if p.user_id == user_id and p.kind is kind]
        return [p for p in mine if p.state is State.WAITING]

    async def history(
        self, user_id: int, kinds: Sequence[Kind], limit: int, offset: int
    ) -> Sequence[Payment]:
        await trio.lowlevel.checkpoint()
        mine = [p for p in self.rows.values() if p.user_id == user_id and p.kind in kinds]
        return sorted(mine, key=lambda p: -p.id)[offset : offset + limit]


class Alerts(list[tuple[str, str]]):
    """actors.payment_store.AlertStore."""

    async def raise_alert(self, kind: str, ref: str, message: str, at_us: int) -> None:
        self.append((kind, ref))


class Rail:
    """actors.rails.MobileMoney, as far as payments call it: it accepts and remembers."""

    def __init__(self) -> None:
        self.pushes: list[dict[str, Any]] = []
        self.payouts: list[dict[str, Any]] = []

    async def push(self, **request: Any) -> PushAccepted:
        await trio.lowlevel.checkpoint()
        self.pushes.append(request)
        return PushAccepted(checkout=f"ws_CO_{len(self.pushes)}", merchant="1", message="ok")

    async def pay_out(self, **request: Any) -> TransferAccepted:
        await trio.lowlevel.checkpoint()
        self.payouts.append(request)
        return TransferAccepted(
            originator=request["payment_id"], conversation=f"AG_{len(self.payouts)}"
        )


class Urls:
    """actors.payment_parts.CallbackUrls."""

    def push(self, payment: Payment) -> str:
        return f"http://us/push/{payment.callback_hash}"

    def result(self, payment: Payment) -> str:
        return f"http://us/result/{payment.callback_hash}"

    def timeout(self, payment: Payment) -> str:
        return f"http://us/timeout/{payment.callback_hash}"

    def status(self, payment: Payment) -> str:
        return f"http://us/status/{payment.callback_hash}"


TRON = "TYzK7gD3K4VwY8uPnnnnnnnnnnnnp4dc1Y"


class FakeChains:
    """protocols.cashier.interfaces.Chains with one address each."""

    def carries(self, chain: Chain, currency: str) -> bool:
        return True

    async def deposit_address(self, user_id: int, chain: Chain) -> str:
        await trio.lowlevel.checkpoint()
        return TRON

    def is_address(self, chain: Chain, text: str) -> bool:
        return text == TRON

    def confirmations(self, chain: Chain) -> int:
        return 1
