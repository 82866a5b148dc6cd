"""Payments: one row each, found by every id anybody knows them by."""

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any, Final

import msgspec
from psycopg.types.numeric import Int8

from actors.payment_store import PaymentCreated, PaymentMoved, ReceiptBooked
from domain.ledger import Ticket
from domain.payments import MPESA_PAYOUTS, OPEN, Kind, Payment
from storage.arrays import Blobs, Int8s, Texts
from storage.driver import TrioConnection
from storage.gathered import Gathered
from storage.pool import Pool
from storage.users import store_errors
from storage.writes import register_write

_INSERT: Final = """
INSERT INTO payments (id, ref, kind, state, version, user_id, receipt, callback_key, checkout,
                      conversation, provider_receipt, created_us, details)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
"""
# With no tickets the second insert does nothing; it is what makes both one statement.
_INSERT_ALL: Final = """
WITH made AS (
    INSERT INTO payments (id, ref, kind, state, version, user_id, receipt, callback_key, checkout,
                          conversation, provider_receipt, created_us, details)
    SELECT id, ref, kind, state, version, user_id, receipt, nullif(callback_key, ''::bytea),
           nullif(checkout, ''), nullif(conversation, ''), nullif(provider_receipt, ''),
           created_us, details
    FROM unnest(%b, %b, %b, %b, %b, %b, %b, %b, %b, %b, %b, %b, %b)
        AS n (id, ref, kind, state, version, user_id, receipt, callback_key, checkout,
              conversation, provider_receipt, created_us, details)
)
INSERT INTO idempotency (scope, key, fingerprint, outcome, recorded_us)
SELECT * FROM unnest(%b, %b, %b, %b, %b)
"""
_UPDATE: Final = """
UPDATE payments SET state = %s, version = %s, receipt = %s, checkout = %s, conversation = %s,
                    provider_receipt = %s, details = %s
WHERE id = %s AND version = %s
"""
_UPDATE_ALL: Final = """
UPDATE payments p
SET state = n.state, version = n.version, receipt = n.receipt, checkout = nullif(n.checkout, ''),
    conversation = nullif(n.conversation, ''),
    provider_receipt = nullif(n.provider_receipt, ''), details = n.details
FROM unnest(%b, %b, %b, %b, %b, %b, %b, %b)
    AS n (state, version, receipt, checkout, conversation, provider_receipt, details, id)
WHERE p.id = n.id AND p.version = n.version - 1
RETURNING p.id
"""
_LOAD_ALL: Final = "SELECT id, details FROM payments WHERE id = ANY(%b)"
_OWNERS: Final = "SELECT receipt, payment_id FROM provider_receipts WHERE receipt = ANY(%b)"
_BY_KEYS: Final = "SELECT callback_key, id FROM payments WHERE callback_key = ANY(%b)"
_BY_REF: Final = "SELECT details FROM payments WHERE ref = %s"
_BY_RECEIPT: Final = "SELECT details FROM payments WHERE receipt = %s AND receipt <> 0 LIMIT 1"
_BY_PROVIDER_ID: Final = """
SELECT id FROM payments WHERE checkout = %s UNION ALL
SELECT id FROM payments WHERE conversation = %s LIMIT 1
"""
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
SELECT details FROM payments
WHERE state = 'waiting' AND kind IN ('bank_deposit', 'bank_withdrawal')
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
_NEXT_IDS: Final = "SELECT nextval('payment_ids') FROM generate_series(1, %b::int8)"
_NEXT_NUMBER: Final = """
INSERT INTO reference_counters (prefix, day, number) VALUES (%s, %s, 1)
ON CONFLICT (prefix, day) DO UPDATE SET number = reference_counters.number + 1 RETURNING number
"""

_T, _B, _I = Texts, Blobs, Int8s
_ROW_TYPES: Final = (_I, _T, _T, _T, _I, _I, _I, _B, _T, _T, _T, _I, _B)  # as _row()
_CHANGES_TYPES: Final = (_T, _I, _I, _T, _T, _T, _B, _I)  # as _changes(), the version before aside

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Payment).decode

assert {state.value for state in OPEN} == {"sending", "pending", "waiting", "unknown"}


class PostgresPayments:
    """Implements actors.payment_store.PaymentStore. Raises StoreUnavailable while the database
    is away."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._ids = Gathered(pool, _next_ids)
        self._inserts = Gathered(pool, _insert_all)
        self._updates = Gathered(pool, _update_all, key=lambda payment: payment.id)
        self._loads = Gathered(pool, _load_all)
        self._owners = Gathered(pool, partial(_found_by, _OWNERS, Texts))
        self._by_keys = Gathered(pool, partial(_found_by, _BY_KEYS, Blobs))

    async def next_id(self) -> int:
        with store_errors():
            return await self._ids(object())

    async def next_number(self, prefix: str, day: str) -> int:
        with store_errors():
            return int((await self._pool.fetch(_NEXT_NUMBER, [prefix, day]))[0][0])

    async def insert(self, payment: Payment, ticket: Ticket | None, outcome: bytes) -> None:
        with store_errors():
            await self._inserts((payment, ticket, outcome))

    async def update(self, payment: Payment) -> bool:
        with store_errors():
            return await self._updates(payment)

    async def load(self, payment_id: int) -> Payment | None:
        with store_errors():
            return await self._loads(payment_id)

    async def by_ref(self, ref: str) -> Payment | None:
        return await self._one(_BY_REF, ref)

    async def by_receipt(self, receipt: int) -> Payment | None:
        return await self._one(_BY_RECEIPT, Int8(receipt))

    async def by_callback_key(self, key_hash: bytes) -> int | None:
        with store_errors():
            return await self._by_keys(key_hash)

    async def by_provider_id(self, checkout_or_conversation: str) -> int | None:
        return await self._id(_BY_PROVIDER_ID, [checkout_or_conversation] * 2)

    async def receipt_owner(self, provider_receipt: str) -> int | None:
        with store_errors():
            return await self._owners(provider_receipt)

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


async def _next_ids(connection: TrioConnection, asked: list[object]) -> list[int]:
    cursor = await connection.execute(_NEXT_IDS, [Int8(len(asked))])
    return [int(row[0]) for row in await cursor.fetchall()]


async def _insert_all(
    connection: TrioConnection, made: list[tuple[Payment, Ticket | None, bytes]]
) -> list[None]:
    columns = zip(*(_row(payment) for payment, _, _ in made), strict=True)
    kept = [(p.created_us, t, outcome) for p, t, outcome in made if t is not None]
    saved = (
        Texts(ticket.scope for _, ticket, _ in kept),
        Texts(ticket.key for _, ticket, _ in kept),
        Blobs(ticket.fingerprint for _, ticket, _ in kept),
        Blobs(outcome for _, _, outcome in kept),
        Int8s(at_us for at_us, _, _ in kept),
    )
    await connection.execute(_INSERT_ALL, [*_arrays(_ROW_TYPES, columns), *saved])
    return [None] * len(made)


async def _update_all(connection: TrioConnection, moved: list[Payment]) -> list[bool]:
    columns = zip(*(_changes(payment)[:-1] for payment in moved), strict=True)
    cursor = await connection.execute(_UPDATE_ALL, _arrays(_CHANGES_TYPES, columns))
    stored = {row[0] for row in await cursor.fetchall()}
    return [payment.id in stored for payment in moved]


async def _load_all(connection: TrioConnection, ids: list[int]) -> list[Payment | None]:
    cursor = await connection.execute(_LOAD_ALL, [Int8s(ids)])
    found = {row[0]: _decode(row[1]) for row in await cursor.fetchall()}
    return [found.get(payment_id) for payment_id in ids]


async def _found_by(
    sql: str, array: type[Any], connection: TrioConnection, names: list[Any]
) -> list[int | None]:
    cursor = await connection.execute(sql, [array(names)])
    found = {row[0]: row[1] for row in await cursor.fetchall()}
    return [found.get(name) for name in names]


def _arrays(types: Sequence[type[Any]], columns: Iterable[tuple[Any, ...]]) -> list[Any]:
    """Columns as arrays; no text or blob is null in them."""
    return [
        array(values if array is Int8s else (value or array.nothing for value in values))
        for array, values in zip(types, columns, strict=True)
    ]


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
