"""Payments: one row each, found by every id anybody knows them by."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from actors.payment_store import PaymentCreated, PaymentMoved
from domain.ledger import Ticket
from domain.payments import OPEN, Kind, Payment
from storage.pool import Pool
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
_USED: Final = "SELECT 1 FROM payments WHERE provider_receipt = %s AND id <> %s"
_OPEN: Final = """
SELECT id FROM payments WHERE state IN ('sending', 'pending', 'waiting', 'unknown') ORDER BY id
"""
_HISTORY: Final = """
SELECT details FROM payments WHERE user_id = %s AND kind = ANY(%s) ORDER BY id DESC
LIMIT %s OFFSET %s
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
    """Implements actors.payment_store.PaymentStore."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def next_id(self) -> int:
        return int((await self._pool.fetch(_NEXT_ID))[0][0])

    async def next_number(self, prefix: str, day: str) -> int:
        return int((await self._pool.fetch(_NEXT_NUMBER, [prefix, day]))[0][0])

    async def insert(self, payment: Payment, ticket: Ticket | None, outcome: bytes) -> None:
        async with self._pool.transaction() as connection:
            await connection.execute(_INSERT, _row(payment))
            if ticket is not None:
                key = [ticket.scope, ticket.key, ticket.fingerprint, outcome, payment.created_us]
                await connection.execute(_REMEMBER, key)

    async def update(self, payment: Payment) -> bool:
        return await self._pool.execute(_UPDATE, _changes(payment)) == 1

    async def load(self, payment_id: int) -> Payment | None:
        return await self._one(_LOAD, payment_id)

    async def by_ref(self, ref: str) -> Payment | None:
        return await self._one(_BY_REF, ref)

    async def by_receipt(self, receipt: int) -> Payment | None:
        return await self._one(_BY_RECEIPT, receipt)

    async def by_callback_key(self, key_hash: bytes) -> int | None:
        row = await self._pool.fetch_one(_BY_KEY, [key_hash])
        return int(row[0]) if row else None

    async def by_provider_id(self, checkout_or_conversation: str) -> int | None:
        row = await self._pool.fetch_one(_BY_PROVIDER_ID, [checkout_or_conversation] * 2)
        return int(row[0]) if row else None

    async def receipt_used(self, provider_receipt: str, by_other_than: int) -> bool:
        return await self._pool.fetch_one(_USED, [provider_receipt, by_other_than]) is not None

    async def open_ids(self) -> Sequence[int]:
        return [row[0] for row in await self._pool.fetch(_OPEN)]

    async def history(
        self, user_id: int, kinds: Sequence[Kind], limit: int, offset: int
    ) -> Sequence[Payment]:
        values = [user_id, [kind.value for kind in kinds], limit, offset]
        return [_decode(row[0]) for row in await self._pool.fetch(_HISTORY, values)]

    async def _one(self, sql: str, value: object) -> Payment | None:
        row = await self._pool.fetch_one(sql, [value])
        return _decode(row[0]) if row else None


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
