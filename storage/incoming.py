"""Unasked cash, and what reconciliation reads of payments."""

from collections.abc import Sequence
from typing import Final

import msgspec
from psycopg.types.numeric import Int8

from actors.incoming import IncomingBooked
from actors.reversals import Cash
from domain.payments import COLLECTIONS, MPESA_PAYOUTS, Payment
from storage.installation import recall, remember
from storage.pool import Pool
from storage.users import store_errors
from storage.writes import register_write

_BOOK: Final = """
INSERT INTO mpesa_incoming (receipt, amount, shortcode, reference, phone, payer, paid_at, state,
                            booked_us)
VALUES (%s, %s::text::numeric, %s, %s, %s, %s, %s, %s, %s)
"""
_UNKNOWN: Final = """
SELECT receipt FROM unnest(%s::text[]) AS asked (receipt)
WHERE NOT EXISTS (SELECT FROM provider_receipts p WHERE p.receipt = asked.receipt)
"""
_BY_REFERENCE: Final = """
SELECT id FROM payments
WHERE right(ref, 12) = ANY(%s)
  AND kind IN ('partner_deposit', 'push', 'token_deposit', 'token_purchase')
ORDER BY id DESC LIMIT 1
"""
_OPEN: Final = """
SELECT details FROM payments
WHERE state IN ('sending', 'pending', 'unknown') AND kind = ANY(%s) AND created_us < %s
ORDER BY id LIMIT %s
"""
# Most of what ends without money does so by the provider's word, which leaves its code: were those
# counted too, a busy day's would hide the others.
_ENDED: Final = """
SELECT details FROM payments
CROSS JOIN LATERAL (SELECT convert_from(details, 'UTF8')::jsonb AS d) AS parsed
WHERE state IN ('failed', 'expired', 'cancelled') AND created_us >= %s
  AND kind IN ('partner_deposit', 'push', 'partner_withdrawal', 'payout', 'token_deposit',
               'token_purchase', 'token_sale', 'token_bill', 'token_escrow', 'reversal')
  AND (d ->> 'asked_us')::bigint > 0 AND coalesce(d ->> 'code', '') = ''
  AND (d ->> 'cash')::numeric = 0
ORDER BY id LIMIT %s
"""
_CASH: Final = """
SELECT p.payment_id, p.amount::text, coalesce(i.state, ''), coalesce(i.phone, '')
FROM provider_receipts p LEFT JOIN mpesa_incoming i USING (receipt) WHERE p.receipt = %s
"""
_PULLED: Final = "mpesa_pulled_us"
_KINDS: Final = [kind.value for kind in (*COLLECTIONS, *MPESA_PAYOUTS)]

_decode: Final = msgspec.json.Decoder(Payment).decode

assert all(f"'{kind}'" in _ENDED for kind in _KINDS)


class PostgresIncoming:
    """Implements actors.incoming.IncomingStore, actors.reconcile.ReconcileStore and
    actors.reversals.CashStore. Raises StoreUnavailable while the database is away."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def unknown(self, receipts: Sequence[str]) -> set[str]:
        with store_errors():
            return {row[0] for row in await self._pool.fetch(_UNKNOWN, [list(receipts)])}

    async def by_reference(self, reference: str) -> int | None:
        # Ours are in capitals, but NexusPay's, whose transaction ids are UUIDs, in small letters.
        spellings = [reference.upper(), reference.lower()]
        with store_errors():
            row = await self._pool.fetch_one(_BY_REFERENCE, [spellings])
        return int(row[0]) if row else None

    async def cash(self, receipt: str) -> Cash | None:
        with store_errors():
            row = await self._pool.fetch_one(_CASH, [receipt])
        if row is None:
            return None
        payment_id, amount, booking, phone = row
        return Cash(
            receipt=receipt,
            payment_id=int(payment_id),
            amount=int(amount),
            booking=booking,
            phone=phone,
        )

    async def open_payments(self, created_before_us: int, limit: int) -> list[Payment]:
        return await self._payments(_OPEN, [_KINDS, Int8(created_before_us), limit])

    async def ended_payments(self, created_after_us: int, limit: int) -> list[Payment]:
        return await self._payments(_ENDED, [Int8(created_after_us), limit])

    async def pulled_us(self) -> int:
        with store_errors():
            return int(await recall(self._pool, _PULLED) or 0)

    async def note_pulled(self, until_us: int) -> None:
        with store_errors():
            await remember(self._pool, _PULLED, str(until_us))

    async def _payments(self, sql: str, values: list[object]) -> list[Payment]:
        with store_errors():
            rows = await self._pool.fetch(sql, values)
        return [_decode(row[0]) for row in rows]


def _row(booked: IncomingBooked) -> list[object]:
    payment = booked.payment
    return [
        payment.receipt,
        str(payment.amount_units),
        payment.shortcode,
        payment.reference,
        payment.phone,
        payment.payer_name,
        payment.paid_at,
        booked.state.value,
        Int8(booked.booked_us),
    ]


register_write(IncomingBooked, _BOOK, _row)
