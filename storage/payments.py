"""Payments: one row each, found by every id anybody knows them by."""

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any, Final

import msgspec
from psycopg.types.numeric import Int8

from actors.payment_store import (
    PaymentCreated,
    PaymentMoved,
    ReceiptBooked,
    ReceiptSubmitted,
)
from domain.ledger import Ticket
from domain.payments import MPESA_PAYOUTS, OPEN, Kind, Payment
from storage.arrays import Column, blobs, int8, int8s, texts
from storage.driver import TrioConnection
from storage.gathered import Gathered
from storage.pool import Pool
from storage.prepared import Prepared
from storage.users import store_errors
from storage.writes import register_writes

_MAKE: Final = """
INSERT INTO payments (id, ref, kind, state, version, user_id, receipt, callback_key, checkout,
                      conversation, provider_receipt, created_us, details)
SELECT id, ref, kind, state, version, user_id, receipt, nullif(callback_key, ''::bytea),
       nullif(checkout, ''), nullif(conversation, ''), nullif(provider_receipt, ''), created_us,
       details
FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::bigint[],
            $7::bigint[], $8::bytea[], $9::text[], $10::text[], $11::text[], $12::bigint[],
            $13::bytea[])
    AS n (id, ref, kind, state, version, user_id, receipt, callback_key, checkout, conversation,
          provider_receipt, created_us, details)
"""
# With no tickets the second insert does nothing; it is what makes both one statement.
_INSERT_ALL: Final = Prepared(
    "insert_payments",
    f"""
WITH made AS ({_MAKE})
INSERT INTO idempotency (scope, key, fingerprint, outcome, recorded_us)
SELECT * FROM unnest($14::text[], $15::text[], $16::bytea[], $17::bytea[], $18::bigint[])
""",  # noqa: S608  # only constants
)
_MOVE: Final = """
UPDATE payments p
SET state = n.state, version = n.version, receipt = n.receipt, checkout = nullif(n.checkout, ''),
    conversation = nullif(n.conversation, ''),
    provider_receipt = nullif(n.provider_receipt, ''), contested = n.contested <> 0,
    details = n.details
FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::text[], $5::text[], $6::text[],
            $7::bigint[], $8::bytea[], $9::bigint[])
    AS n (state, version, receipt, checkout, conversation, provider_receipt, contested, details, id)
WHERE p.id = n.id AND p.version = n.version - 1
"""
_UPDATE_ALL: Final = Prepared("update_payments", f"{_MOVE} RETURNING p.id")
_LOAD_ALL: Final = Prepared(
    "load_payments", "SELECT id, details FROM payments WHERE id = ANY($1::bigint[])"
)
_OWNERS: Final = Prepared(
    "receipt_owners",
    "SELECT receipt, payment_id FROM provider_receipts WHERE receipt = ANY($1::text[])",
)
_BY_KEYS: Final = Prepared(
    "payments_by_key",
    "SELECT callback_key, id FROM payments WHERE callback_key = ANY($1::bytea[])",
)
_BY_REF: Final = "SELECT details FROM payments WHERE ref = %s"
_BY_RECEIPT: Final = "SELECT details FROM payments WHERE receipt = %s AND receipt <> 0 LIMIT 1"
_BY_PROVIDER_ID: Final = """
SELECT id FROM payments WHERE checkout = %s UNION ALL
SELECT id FROM payments WHERE conversation = %s LIMIT 1
"""
_BOOK: Final = """
INSERT INTO provider_receipts (receipt, payment_id, amount, booked_us)
SELECT receipt, payment_id, amount::numeric, booked_us
FROM unnest($1::text[], $2::bigint[], $3::text[], $4::bigint[])
    AS n (receipt, payment_id, amount, booked_us)
"""
_SUBMIT: Final = """
INSERT INTO submitted_receipts (receipt, payment_id)
SELECT receipt, payment_id FROM unnest($1::text[], $2::bigint[]) AS n (receipt, payment_id)
"""
_IS_USED: Final = """
SELECT EXISTS (SELECT FROM provider_receipts WHERE receipt = %(receipt)s)
    OR EXISTS (SELECT FROM submitted_receipts WHERE receipt = %(receipt)s)
"""
_OPEN: Final = """
SELECT id FROM payments WHERE state IN ('sending', 'pending', 'waiting', 'unknown') ORDER BY id
"""
_UNASKED: Final = "SELECT id FROM payments WHERE state = 'sending' ORDER BY id"
_UNDECIDED: Final = """
SELECT details FROM payments WHERE state = 'under_review'
UNION ALL
SELECT details FROM payments WHERE contested
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
_NEXT_IDS: Final = Prepared(
    "payment_ids", "SELECT nextval('payment_ids') FROM generate_series(1, $1::bigint)"
)
_NEXT_NUMBER: Final = """
INSERT INTO reference_counters (prefix, day, number) VALUES (%s, %s, 1)
ON CONFLICT (prefix, day) DO UPDATE SET number = reference_counters.number + 1 RETURNING number
"""

_T, _B, _I = texts, blobs, int8s
_ROW_COLUMNS: Final[tuple[Column, ...]] = (_I, _T, _T, _T, _I, _I, _I, _B, _T, _T, _T, _I, _B)
_MOVE_COLUMNS: Final[tuple[Column, ...]] = (_T, _I, _I, _T, _T, _T, _I, _B, _I)

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
        self._owners = Gathered(pool, partial(_found_by, _OWNERS, texts))
        self._by_keys = Gathered(pool, partial(_found_by, _BY_KEYS, blobs))

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

    async def is_receipt_used(self, provider_receipt: str) -> bool:
        with store_errors():
            row = await self._pool.fetch_one(_IS_USED, {"receipt": provider_receipt})
        return row is not None and bool(row[0])

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
    return [int(row[0]) for row in await _NEXT_IDS.on(connection, int8(len(asked)))]


async def _insert_all(
    connection: TrioConnection, made: list[tuple[Payment, Ticket | None, bytes]]
) -> list[None]:
    kept = [(p.created_us, t, outcome) for p, t, outcome in made if t is not None]
    saved = (
        texts([ticket.scope for _, ticket, _ in kept]),
        texts([ticket.key for _, ticket, _ in kept]),
        blobs([ticket.fingerprint for _, ticket, _ in kept]),
        blobs([outcome for _, _, outcome in kept]),
        int8s([at_us for at_us, _, _ in kept]),
    )
    rows = _arrays(_ROW_COLUMNS, [_row(payment) for payment, _, _ in made])
    await _INSERT_ALL.on(connection, *rows, *saved)
    return [None] * len(made)


async def _update_all(connection: TrioConnection, moved: list[Payment]) -> list[bool]:
    rows = _arrays(_MOVE_COLUMNS, [_moved(payment) for payment in moved])
    stored = {row[0] for row in await _UPDATE_ALL.on(connection, *rows)}
    return [payment.id in stored for payment in moved]


async def _load_all(connection: TrioConnection, ids: list[int]) -> list[Payment | None]:
    rows = await _LOAD_ALL.on(connection, int8s(ids))
    found = {payment_id: _decode(details) for payment_id, details in rows}
    return [found.get(payment_id) for payment_id in ids]


async def _found_by(
    sql: Prepared, column: Column, connection: TrioConnection, names: list[Any]
) -> list[int | None]:
    found: dict[Any, int] = dict(await sql.on(connection, column(names)))
    return [found.get(name) for name in names]


def _arrays(columns: Sequence[Column], rows: Iterable[Sequence[Any]]) -> list[bytes]:
    return [column(cells) for column, cells in zip(columns, zip(*rows, strict=True), strict=True)]


def _row(payment: Payment) -> list[Any]:
    return [
        payment.id,
        payment.ref,
        payment.kind.value,
        payment.state.value,
        payment.version,
        payment.user_id,
        payment.receipt,
        payment.callback_key,
        payment.checkout,
        payment.conversation,
        payment.provider_receipt,
        payment.created_us,
        _encode(payment),
    ]


def _moved(payment: Payment) -> list[Any]:
    return [
        payment.state.value,
        payment.version,
        payment.receipt,
        payment.checkout,
        payment.conversation,
        payment.provider_receipt,
        int(payment.contested),
        _encode(payment),
        payment.id,
    ]


register_writes(PaymentCreated, _MAKE, _ROW_COLUMNS, lambda change: _row(change.payment))
register_writes(PaymentMoved, _MOVE, _MOVE_COLUMNS, lambda change: _moved(change.payment))
register_writes(
    ReceiptBooked,
    _BOOK,
    (texts, int8s, texts, int8s),
    lambda booked: [booked.receipt, booked.payment_id, str(booked.amount), booked.booked_us],
)
register_writes(
    ReceiptSubmitted,
    _SUBMIT,
    (texts, int8s),
    lambda submitted: [submitted.receipt, submitted.payment_id],
)
