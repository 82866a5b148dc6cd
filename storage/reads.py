"""Lines and receipts of the ledger, each by an index: what statements and receipts show.

The index of `entries` is (account_id, recorded_us, sequence); sequences of an account have no
gaps, so counting lines needs only the first and the last of a period.
"""

from collections.abc import Collection, Sequence
from typing import Final

import msgspec
from psycopg.types.numeric import Int8

from actors.ledger_reads import Entry, Leg, Receipt, ReceiptJournal
from domain.ledger import Fee
from storage.driver import Row
from storage.pool import Pool
from storage.users import store_errors

_BALANCE_BEFORE: Final = """
SELECT balance_after::text FROM entries WHERE account_id = %s AND recorded_us < %s
ORDER BY recorded_us DESC, sequence DESC LIMIT 1
"""
_ENTRY: Final = """
e.id, e.journal_id, e.amount::text, e.balance_after::text, e.description, j.receipt, e.recorded_us
"""
_LINES_AFTER: Final = f"""
SELECT e.sequence, {_ENTRY}
FROM entries e JOIN journals j ON j.id = e.journal_id
WHERE e.account_id = %s AND (e.recorded_us, e.sequence) > (%s, %s) AND e.recorded_us <= %s
ORDER BY e.recorded_us, e.sequence LIMIT %s
"""  # noqa: S608  # only constants
_PAGE: Final = f"""
SELECT {_ENTRY}
FROM (
    SELECT * FROM entries WHERE account_id = %s AND recorded_us BETWEEN %s AND %s
    ORDER BY recorded_us DESC, sequence DESC LIMIT %s OFFSET %s
) e JOIN journals j ON j.id = e.journal_id
ORDER BY e.recorded_us DESC, e.sequence DESC
"""  # noqa: S608
_FIRST_AND_LAST: Final = """
SELECT (SELECT sequence FROM entries WHERE account_id = %(id)s AND recorded_us >= %(start)s
        ORDER BY recorded_us, sequence LIMIT 1),
       (SELECT sequence FROM entries WHERE account_id = %(id)s AND recorded_us <= %(end)s
        ORDER BY recorded_us DESC, sequence DESC LIMIT 1)
"""
_JOURNALS: Final = """
SELECT j.id, j.kind, j.description, j.recorded_us, j.fees, j.entry_count,
       j.initiator = %(owner)s, COALESCE(a.owner_id = %(owner)s, false), a.owner_id = %(owner)s
       AND a.purpose = 'WALLET' AND a.chain = '' AND a.provider = '' AND a.asset = ANY(%(assets)s)
FROM journals j LEFT JOIN holds h ON h.id = j.id LEFT JOIN accounts a ON a.id = h.account_id
WHERE j.receipt = %(receipt)s ORDER BY j.id
"""
_LEGS: Final = """
SELECT e.journal_id, a.number, a.asset, e.amount::text, e.balance_after::text, e.description,
       a.purpose = 'WALLET' AND a.chain = '' AND a.provider = '' AND a.asset = ANY(%s)
FROM journals j
JOIN entries e ON e.id BETWEEN j.first_entry AND j.first_entry + j.entry_count - 1
JOIN accounts a ON a.id = e.account_id
WHERE j.receipt = %s AND a.owner_id = %s
ORDER BY e.id
"""
_fees = msgspec.json.Decoder(tuple[Fee, ...]).decode


class PostgresLedgerReads:
    """Implements actors.ledger_reads.LedgerReads."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def balance_before(self, account_id: int, at_us: int) -> int:
        """Posted balance just before `at_us`, 0 before the first line."""
        with store_errors():
            row = await self._pool.fetch_one(_BALANCE_BEFORE, [Int8(account_id), Int8(at_us)])
        return int(row[0]) if row is not None else 0

    async def lines_after(
        self, account_id: int, start_us: int, end_us: int, sequence: int, limit: int
    ) -> Sequence[tuple[int, Entry]]:
        """(sequence, line) between the two times, oldest first, starting after `sequence`.

        To go on, pass the time of the last line as `start_us` and its sequence.
        """
        # Row comparison starts after (start, sequence): 0 for the first page takes all of start.
        params = [Int8(n) for n in (account_id, start_us, sequence, end_us, limit)]
        with store_errors():
            rows = await self._pool.fetch(_LINES_AFTER, params)
        return [(row[0], _entry(row[1:])) for row in rows]

    async def page(
        self, account_id: int, start_us: int, end_us: int, limit: int, offset: int
    ) -> Sequence[Entry]:
        """Lines between the two times, newest first."""
        params = [Int8(n) for n in (account_id, start_us, end_us, limit, offset)]
        with store_errors():
            rows = await self._pool.fetch(_PAGE, params)
        return [_entry(row) for row in rows]

    async def count(self, account_id: int, start_us: int, end_us: int) -> int:
        """How many lines lie between the two times."""
        params = {"id": Int8(account_id), "start": Int8(start_us), "end": Int8(end_us)}
        with store_errors():
            row = await self._pool.fetch_one(_FIRST_AND_LAST, params)
        first, last = row if row is not None else (None, None)
        return max(0, last - first + 1) if first is not None and last is not None else 0

    async def receipt(self, receipt: int, owner_id: int, assets: Collection[str]) -> Receipt | None:
        """The journals under `receipt` and lines of `owner_id` in them; None: no such."""
        wanted = list(assets)
        params = {"receipt": Int8(receipt), "owner": Int8(owner_id), "assets": wanted}
        with store_errors():
            journals = await self._pool.fetch(_JOURNALS, params)
            if not journals:
                return None
            legs = await self._pool.fetch(_LEGS, [wanted, Int8(receipt), Int8(owner_id)])
        here = tuple(_leg(row) for row in legs if row[6])
        return Receipt(
            tuple(_journal(row) for row in journals),
            here,
            party=bool(legs) or any(row[6] or row[7] for row in journals),
            shown=bool(here) or any(row[8] for row in journals),
        )


def _entry(row: Row) -> Entry:
    id_, journal, amount, balance, description, receipt, recorded_us = row
    return Entry(id_, journal, int(amount), int(balance), description, receipt, recorded_us)


def _journal(row: Row) -> ReceiptJournal:
    id_, kind, description, recorded_us, fees, entry_count = row[:6]
    borne = _fees(fees) if fees else ()
    return ReceiptJournal(id_, kind, description, recorded_us, borne, entry_count)


def _leg(row: Row) -> Leg:
    journal, number, asset, amount, balance, description = row[:6]
    return Leg(journal, number, asset, int(amount), int(balance), description)
