"""Transactions of document 002: one row a person and transaction, listed by index.

Lists are cut on an index alone and only the rows shown are read; totals come from `nexus_totals`,
which the database keeps, unless dates cut through them.
"""

from collections.abc import Sequence
from typing import Any, Final

from psycopg.types.numeric import Int8

from actors.nexus_store import Found, TransactionMade
from domain.nexuspay.codes import object_id
from domain.nexuspay.paging import Page
from domain.nexuspay.transactions import (
    FAILED,
    PENDING,
    Filters,
    Insights,
    Operation,
    Status,
    Transaction,
    Type,
)
from storage.driver import Row
from storage.pool import Pool
from storage.users import store_errors
from storage.writes import register_write

# What came or left over a chain: gas and fee of its transaction, as texts.
_GAS: Final = """
CASE t.operation
    WHEN 'send' THEN (SELECT ARRAY[w.gas_used, w.fee_raw]::text[] FROM chain_withdrawals w
                      WHERE w.id = t.transaction_id)
    WHEN 'receive' THEN (SELECT ARRAY[d.gas_used, d.fee_raw]::text[] FROM chain_deposits d
                         WHERE d.chain = t.chain AND d.tx_hash = t.tx_hash AND d.token = t.token
                         LIMIT 1)
END
"""
_FIELDS: Final = f"""
t.transaction_id, t.user_id, t.owner, t.type, t.status, t.operation, t.chain, t.token,
t.amount::text, t.kes::text, t.usd::text, t.rate::text, t.usd_rate::text, t.created_us,
t.completed_us, t.tx_hash, t.block, t.mpesa_id, t.from_address, t.to_address, t.code, t.target,
t.account, t.description, t.reason, t.balance::text, t.retries, t.last_retry_us, t.payment_id,
{_GAS}
"""
_INSERT: Final = """
INSERT INTO nexus_transactions (
    transaction_id, user_id, owner, type, status, operation, chain, token, amount, kes, usd, rate,
    usd_rate, created_us, completed_us, tx_hash, block, mpesa_id, from_address, to_address, code,
    target, account, description, reason, balance, retries, last_retry_us, payment_id, object_id,
    address)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s::numeric, %s::numeric, %s::numeric, %s::numeric,
    %s::numeric, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s::numeric, %s, %s, %s, %s, %s)
"""
_PAGE: Final = """
SELECT {fields}
FROM (SELECT transaction_id, user_id FROM nexus_transactions WHERE {where}
      ORDER BY created_us DESC, transaction_id DESC LIMIT %(limit)s OFFSET %(offset)s) k
JOIN nexus_transactions t USING (transaction_id, user_id)
ORDER BY t.created_us DESC, t.transaction_id DESC
"""
_COUNT: Final = "SELECT count(*) FROM nexus_transactions WHERE {where}"
_TOTAL: Final = "SELECT COALESCE(sum(number), 0)::bigint FROM nexus_totals WHERE {where}"
# What left over a chain has a block there. Of other payments the journals carry its id: the last
# one is what it was settled by.
_BLOCK: Final = """
CASE WHEN t.block = 0 AND t.completed_us <> 0
     THEN COALESCE(
         (SELECT w.block FROM chain_withdrawals w WHERE w.id = t.transaction_id AND w.block <> 0),
         (SELECT max(j.id) FROM journals j WHERE j.ref = t.transaction_id), 0)
     ELSE t.block END
"""
# Of a payment the ledger knows what the person had when it was completed (domain.nexuspay.treasury,
# "personal").
_BALANCE: Final = """
CASE WHEN t.balance IS NULL AND t.completed_us <> 0
     THEN (SELECT e.balance_after FROM accounts a CROSS JOIN LATERAL (
               SELECT balance_after FROM entries
               WHERE account_id = a.id AND recorded_us <= t.completed_us
               ORDER BY recorded_us DESC, sequence DESC LIMIT 1) e
           WHERE a.owner_id = t.user_id AND a.asset = t.token AND a.purpose = 'WALLET'
             AND a.chain = t.chain AND a.provider = '' AND a.mode = 'REAL')
     ELSE t.balance END::text
"""
_WHOLE: Final = _FIELDS.replace("t.block", _BLOCK).replace("t.balance::text", _BALANCE)
_FIND: Final = f"""
SELECT {_WHOLE} FROM nexus_transactions t
WHERE (t.transaction_id = %(wanted)s OR t.object_id = %(wanted)s) AND {{whose}} LIMIT 1
"""  # noqa: S608  # only constants
# Every sort of a person's transactions, and as sorts without a status how many are how recent.
_SORTS: Final = """
SELECT status, chain, token, number, usd::text, kes::text, type FROM nexus_totals
WHERE user_id = %(user_id)s AND number > 0
UNION ALL
SELECT '', '', '', (
    SELECT COALESCE(sum(number), 0)::bigint FROM nexus_hours
    WHERE user_id = %(user_id)s AND hour > s.since / 3600000000
) + (
    SELECT count(*) FROM nexus_transactions
    WHERE user_id = %(user_id)s AND created_us > s.since
      AND created_us < (s.since / 3600000000 + 1) * 3600000000
), '0', '0', ''
FROM unnest(ARRAY[%(day)s, %(week)s, %(month)s]) AS s(since)
"""
_EQUALITIES: Final = ("status", "type", "chain", "token", "user_id")
_DAY_US: Final = 86_400_000_000
_STORED: Final = Transaction.__struct_fields__[:-2]  # gas is read where the chains' records are
_WEI_PER_UNIT: Final = 10**10  # every chain of the document is an EVM


class PostgresTransactions:
    """Implements actors.nexus_store.TransactionStore."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def history(
        self, user_id: int, filters: Filters, page: Page, now_us: int, *, whole: bool = False
    ) -> tuple[Found, Insights]:
        """A person's transactions, newest first, `whole` as `find` finds them, and all counted."""
        where, params = _conditions(filters)
        where, params = f"user_id = %(whose)s{where}", {**params, "whose": user_id}
        since = {name: Int8(now_us - days * _DAY_US) for name, days in _SPANS.items()}
        with store_errors():
            rows = await self._page(where, params, page, _WHOLE if whole else _FIELDS)
            counts = await self._pool.fetch(_SORTS, {**since, "user_id": Int8(user_id)})
            sorts = [row for row in counts if row[0]]
            if filters.from_us is None and filters.to_us is None:
                total = sum(sort[3] for sort in sorts if _is_of(sort, filters))
            else:
                total = await self._count(_COUNT, where, params)
        found = Found([_transaction(row) for row in rows], total)
        return found, _insights(sorts, sorted(row[3] for row in counts if not row[0]))

    async def everybodys(self, filters: Filters, page: Page) -> Found:
        """Transactions by their owners, each once, newest first."""
        where, params = _conditions(filters)
        count = _COUNT if "created_us" in where else _TOTAL
        return await self._list(f"owner{where}", params, page, fields=_FIELDS, count=count)

    async def by_address(self, address: str, chain: str | None, page: Page) -> Found:
        """Token transfers from or to an address, newest first."""
        where, params = _conditions(Filters(chain=chain))
        params["address"] = address.lower()
        # A transfer between two people has a row for each; the one on this side is shown.
        where = f"address = %(address)s AND address <> ''{where}"
        return await self._list(where, params, page, fields=_WHOLE, count=_COUNT)

    async def find(self, user_id: int, wanted: str) -> Transaction | None:
        """A person's transaction by its id or its 24-hex id."""
        return await self._find("t.user_id = %(whose)s", {"wanted": wanted, "whose": user_id})

    async def find_any(self, wanted: str) -> Transaction | None:
        """Anybody's transaction, its owner's row."""
        return await self._find("t.owner", {"wanted": wanted})

    async def _list(
        self, where: str, params: dict[str, Any], page: Page, *, fields: str, count: str
    ) -> Found:
        with store_errors():
            rows = await self._page(where, params, page, fields)
            total = await self._count(count, where, params)
        return Found([_transaction(row) for row in rows], total)

    async def _page(
        self, where: str, params: dict[str, Any], page: Page, fields: str
    ) -> Sequence[Row]:
        cut = {**params, "limit": page.limit, "offset": page.offset}
        return await self._pool.fetch(_PAGE.format(fields=fields, where=where), _sized(cut))

    async def _count(self, sql: str, where: str, params: dict[str, Any]) -> int:
        row = await self._pool.fetch_one(sql.format(where=where), _sized(params))
        assert row is not None, "an aggregate answers one row"
        return int(row[0])

    async def _find(self, whose: str, params: dict[str, Any]) -> Transaction | None:
        with store_errors():
            row = await self._pool.fetch_one(_FIND.format(whose=whose), _sized(params))
        return None if row is None else _transaction(row)


_SPANS: Final = {"day": 1, "week": 7, "month": 30}


def _conditions(filters: Filters) -> tuple[str, dict[str, Any]]:
    """SQL of fixed parts for the members that are given, and their values."""
    params = {name: getattr(filters, name) for name in _EQUALITIES}
    params = {name: value for name, value in params.items() if value is not None}
    sql = "".join(f" AND {name} = %({name})s" for name in params)
    if filters.from_us is not None:
        sql += " AND created_us >= %(from_us)s"
        params["from_us"] = filters.from_us
    if filters.to_us is not None:
        sql += " AND created_us <= %(to_us)s"
        params["to_us"] = filters.to_us
    return sql, params


def _int8(value: object) -> object:
    """Integers as bigint always, so that a statement is prepared once."""
    return Int8(value) if isinstance(value, int) else value


def _sized(params: dict[str, Any]) -> dict[str, Any]:
    return {name: _int8(value) for name, value in params.items()}


def _is_of(sort: Row, filters: Filters) -> bool:
    """Whether a row of `_SORTS` counts what a filter without dates asks for."""
    wanted = (filters.status, filters.chain, filters.token, filters.type)
    return all(
        want in (None, have) for want, have in zip(wanted, (*sort[:3], sort[6]), strict=True)
    )


def _insights(sorts: Sequence[Row], recent: Sequence[int]) -> Insights:
    completed = [row for row in sorts if row[0] == Status.COMPLETED]
    last_day, last_week, last_month = recent
    return Insights(
        completed=sum(row[3] for row in completed),
        pending=sum(row[3] for row in sorts if row[0] in PENDING),
        failed=sum(row[3] for row in sorts if row[0] in FAILED),
        usd=sum(int(row[4]) for row in completed),
        kes=sum(int(row[5]) for row in completed),
        chain=_most_used(sorts, 1),
        token=_most_used(sorts, 2),
        last_day=last_day,
        last_week=last_week,
        last_month=last_month,
    )


def _most_used(sorts: Sequence[Row], column: int) -> str | None:
    numbers: dict[str, int] = {}
    for row in sorts:
        numbers[row[column]] = numbers.get(row[column], 0) + row[3]
    return max(sorted(numbers), key=numbers.__getitem__) if numbers else None


def _transaction(row: Row) -> Transaction:
    *stored, gas = row
    values = dict(zip(_STORED, stored, strict=True))
    if gas is not None:
        values["gas_used"], fee_raw = (int(number) for number in gas)
        values["gas_fee"] = -(-fee_raw // _WEI_PER_UNIT)
    for name in ("amount", "kes", "usd", "rate", "usd_rate"):
        values[name] = int(values[name])
    values["balance"] = None if values["balance"] is None else int(values["balance"])
    values["type"] = Type(values["type"])
    values["status"] = Status(values["status"])
    values["operation"] = Operation(values["operation"])
    return Transaction(**values)


def _row(made: TransactionMade) -> list[Any]:
    transaction = made.transaction
    values = [getattr(transaction, name) for name in _STORED]
    for name in ("amount", "kes", "usd", "rate", "usd_rate", "balance"):
        at = _STORED.index(name)
        values[at] = None if values[at] is None else str(values[at])
    sized = [value if isinstance(value, bool) else _int8(value) for value in values]
    return [*sized, object_id(transaction.id), made.address.lower()]


register_write(TransactionMade, _INSERT, _row)
