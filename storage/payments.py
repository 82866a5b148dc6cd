"""Payments: one row each, found by every id anybody knows them by."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from psycopg.types.numeric import Int8

from actors.payment_store import PaymentCreated, PaymentMoved, ReceiptBooked
from domain.ledger import Ticket
from domain.payments import MPESA_PAYOUTS, OPEN, Kind, Payment
from storage.pool import Pool
from storage.users import store_errors
from storage.writes import register_write

_INSERT: Final = """
INSERT INTO payments (id, ref, kind, state, version, user_id, receipt, callback_key, checkout,
                      conversation, provider_receipt, created_us, details)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
"""
_REMEMBER: Final = """
INSERT INTO idempotency (scope, key, fingerprint, outcome, recorded_us) VALUES (%s, %s, %s, %s, %s)
"""
_UPDATE: Final = """
UPDATE payments SET state = %s, version = %s, receipt = %s, checkout = %s, conversation = %s,
                    provider_receipt = %s, details = %s
WHERE id = %s AND version = %s
"""
_LOAD: Final = "SELECT details FROM payments WHERE id = %s"
_BY_REF: Final = "SELECT details FROM payments WHERE ref = %s"
_BY_RECEIPT: Final = "SELECT details FROM payments WHERE receipt = %s AND receipt <> 0 LIMIT 1"
_BY_KEY: Final = "SELECT id FROM payments WHERE callback_key = %s"
_BY_PROVIDER_ID: Final = """
SELECT id FROM payments WHERE checkout = %s UNION ALL
SELECT id FROM payments WHERE conversation = %s LIMIT 1
"""
_OWNER: Final = "SELECT payment_id FROM provider_receipts WHERE receipt = %s"
_BOOK: Final = """
INSERT INTO provider_receipts (receipt, payment_id, amount, booked_us)
VALUES (%s, %s, %s::text::numeric, %s)
"""
_OPEN: Final = """
SELECT id FROM payments WHERE state IN ('sending', 'pending', 'waiting', 'unknown') ORDER BY id
"""
_UNASKED: Final = "SELECT id FROM payments WHERE state = 'sending' ORDER BY id"
_UNDECIDED: Final = """
SELECT details FROM payments WHERE state = 'under_review'
UNION ALL
SELECT details FROM payments WHERE state = 'waiting' AND kind = 'bank_deposit'
UNION ALL
SELECT details FROM payments
WHERE state IN ('pending', 'unknown') AND kind = ANY(%s) AND created_us < %s
LIMIT %s
"""
_HISTORY: Final = """
SELECT details FROM payments WHERE user_id = %s AND kind = ANY(%s) ORDER BY id DESC
LIMIT %s OFFSET %s
"""
_WAITING: Final = """
SELECT details FROM payments WHERE user_id = %s AND kind = %s AND state = 'waiting' ORDER BY id
"""
_NEXT_ID: Final = "SELECT nextval('payment_ids')"
_NEXT_NUMBER: Final = """
INSERT INTO reference_counters (prefix, day, number) VALUES (%s, %s, 1)
ON CONFLICT (prefix, day) DO UPDATE SET number = reference_counters.number + 1 RETURNING number
"""

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Payment).decode

assert {state.value for state in OPEN} == {"sending", "pending", "waiting", "unknown"}


class PostgresPayments:
    """Implements actors.payment_store.PaymentStore. Raises StoreUnavailable while the database
    is away."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def next_id(self) -> int:
        with store_errors():
            return int((await self._pool.fetch(_NEXT_ID))[0][0])

    async def next_number(self, prefix: str, day: str) -> int:
        with store_errors():
            return int((await self._pool.fetch(_NEXT_NUMBER, [prefix, day]))[0][0])

    async def insert(self, payment: Payment, ticket: Ticket | None, outcome: bytes) -> None:
        with store_errors():
            async with self._pool.transaction() as connection:
                await connection.execute(_INSERT, _row(payment))
                if ticket is not None:
                    key = [ticket.scope, ticket.key, ticket.fingerprint, outcome]
                    await connection.execute(_REMEMBER, [*key, payment.created_us])

    async def update(self, payment: Payment) -> bool:
        with store_errors():
            return await self._pool.execute(_UPDATE, _changes(payment)) == 1

    async def load(self, payment_id: int) -> Payment | None:
        return await self._one(_LOAD, Int8(payment_id))

    async def by_ref(self, ref: str) -> Payment | None:
        return await self._one(_BY_REF, ref)

    async def by_receipt(self, receipt: int) -> Payment | None:
        return await self._one(_BY_RECEIPT, Int8(receipt))

    async def by_callback_key(self, key_hash: bytes) -> int | None:
        return await self._id(_BY_KEY, [key_hash])

    async def by_provider_id(self, checkout_or_conversation: str) -> int | None:
        return await self._id(_BY_PROVIDER_ID, [checkout_or_conversation] * 2)

    async def receipt_owner(self, provider_receipt: str) -> int | None:
        return await self._id(_OWNER, [provider_receipt])

    async def open_ids(self) -> Sequence[int]:
        with store_errors():
            return [row[0] for row in await self._pool.fetch(_OPEN)]

    async def unasked_ids(self) -> Sequence[int]:
        with store_errors():
            return [row[0] for row in await self._pool.fetch(_UNASKED)]

    async def undecided(self, limit: int, created_before_us: int) -> Sequence[Payment]:
        values = [[kind.value for kind in MPESA_PAYOUTS], Int8(created_before_us), limit]
        found = await self._many(_UNDECIDED, values)
        return sorted(found, key=lambda payment: payment.created_us)

    async def waiting(self, user_id: int, kind: Kind) -> Sequence[Payment]:
        return await self._many(_WAITING, [Int8(user_id), kind.value])

    async def history(
        self, user_id: int, kinds: Sequence[Kind], limit: int, offset: int
    ) -> Sequence[Payment]:
        values = [Int8(user_id), [kind.value for kind in kinds], limit, offset]
        return await self._many(_HISTORY, values)

    async def _id(self, sql: str, values: list[Any]) -> int | None:
        with store_errors():
            row = await self._pool.fetch_one(sql, values)
        return int(row[0]) if row else None

    async def _one(self, sql: str, value: object) -> Payment | None:
        found = await self._many(sql, [value])
        return found[0] if found else None

    async def _many(self, sql: str, values: list[Any]) -> list[Payment]:
        with store_errors():
            rows = await self._pool.fetch(sql, values)
        return [_decode(row[0]) for row in rows]


def _row(payment: Payment) -> list[Any]:
    return [
        payment.id,
        payment.ref,
        payment.kind.value,
        payment.state.value,
        payment.version,
        payment.user_id,
        payment.receipt,
        payment.callback_key or None,
        payment.checkout or None,
        payment.conversation or None,
        payment.provider_receipt or None,
        payment.created_us,
        _encode(payment),
    ]


def _changes(payment: Payment) -> list[Any]:
    return [
        payment.state.value,
        payment.version,
        payment.receipt,
        payment.checkout or None,
        payment.conversation or None,
        payment.provider_receipt or None,
        _encode(payment),
        payment.id,
        payment.version - 1,
    ]


register_write(PaymentCreated, _INSERT, lambda change: _row(change.payment))
register_write(PaymentMoved, _UPDATE, lambda change: _changes(change.payment))
register_write(
    ReceiptBooked,
    _BOOK,
    lambda booked: [booked.receipt, booked.payment_id, str(booked.amount), booked.booked_us],
)
