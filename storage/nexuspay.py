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

_FIELDS: Final = """
t.transaction_id, t.user_id, t.owner, t.type, t.status, t.operation, t.chain, t.token,
t.amount::text, t.kes::text, t.usd::text, t.rate::text, t.usd_rate::text, t.created_us,
t.completed_us, t.tx_hash, t.block, t.mpesa_id, t.from_address, t.to_address, t.code, t.target,
t.account, t.description, t.reason, t.balance::text, t.retries, t.last_retry_us, t.payment_id
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
# A payment's journals carry its id: the last one is what it was settled by.
_BLOCK: Final = """
CASE WHEN t.block = 0 AND t.completed_us <> 0
     THEN COALESCE((SELECT max(j.id) FROM journals j WHERE j.ref = t.transaction_id), 0)
     ELSE t.block END
"""
_WHOLE: Final = _FIELDS.replace("t.block", _BLOCK)
_FIND: Final = f"""
SELECT {_WHOLE} FROM nexus_transactions t
WHERE (t.transaction_id = %(wanted)s OR t.object_id = %(wanted)s) AND {{whose}} LIMIT 1
"""  # noqa: S608  # only constants
_SORTS: Final = """
SELECT status, chain, token, number, usd::text, kes::text FROM nexus_totals
WHERE user_id = %s AND number > 0
"""
_RECENT: Final = """
SELECT count(*) FILTER (WHERE created_us > %(day)s), count(*) FILTER (WHERE created_us > %(week)s),
       count(*)
FROM nexus_transactions WHERE user_id = %(user_id)s AND created_us > %(month)s
"""
_EQUALITIES: Final = ("status", "type", "chain", "token", "user_id")
_DAY_US: Final = 86_400_000_000


class PostgresTransactions:
    """Implements actors.nexus_store.TransactionStore."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def history(self, user_id: int, filters: Filters, page: Page) -> Found:
        """A person's transactions, newest first."""
        where, params = _conditions(filters)
        return await self._list(f"user_id = %(whose)s{where}", {**params, "whose": user_id}, page)

    async def everybodys(self, filters: Filters, page: Page) -> Found:
        """Transactions by their owners, each once, newest first."""
        where, params = _conditions(filters)
        return await self._list(f"owner{where}", params, page)

    async def by_address(self, address: str, chain: str | None, page: Page) -> Found:
        """Token transfers from or to an address, newest first."""
        where, params = _conditions(Filters(chain=chain))
        params["address"] = address.lower()
        # A transfer between two people has a row for each; the one on this side is shown.
        where = f"address = %(address)s AND address <> ''{where}"
        return await self._list(where, params, page, fields=_WHOLE, counted=False)

    async def find(self, user_id: int, wanted: str) -> Transaction | None:
        """A person's transaction by its id or its 24-hex id."""
        return await self._find("t.user_id = %(whose)s", {"wanted": wanted, "whose": user_id})

    async def find_any(self, wanted: str) -> Transaction | None:
        """Anybody's transaction, its owner's row."""
        return await self._find("t.owner", {"wanted": wanted})

    async def insights(self, user_id: int, now_us: int) -> Insights:
        """All transactions of a person, counted."""
        since = {f"{name}": Int8(now_us - days * _DAY_US) for name, days in _SPANS.items()}
        with store_errors():
            sorts = await self._pool.fetch(_SORTS, [Int8(user_id)])
            recent = await self._pool.fetch_one(_RECENT, {**since, "user_id": Int8(user_id)})
        assert recent is not None, "count answers one row"
        completed = [row for row in sorts if row[0] == Status.COMPLETED]
        return Insights(
            completed=sum(row[3] for row in completed),
            pending=sum(row[3] for row in sorts if row[0] in PENDING),
            failed=sum(row[3] for row in sorts if row[0] in FAILED),
            usd=sum(int(row[4]) for row in completed),
            kes=sum(int(row[5]) for row in completed),
            chain=_most_used(sorts, 1),
            token=_most_used(sorts, 2),
            last_day=recent[0],
            last_week=recent[1],
            last_month=recent[2],
        )

    async def _list(
        self,
        where: str,
        params: dict[str, Any],
        page: Page,
        *,
        fields: str = _FIELDS,
        counted: bool = True,
    ) -> Found:
        """`counted`: whether `nexus_totals` knows the members `where` asks for."""
        dated = "created_us" in where
        count = _TOTAL if counted and not dated else _COUNT
        params = {name: _int8(value) for name, value in params.items()}
        cut = {**params, "limit": Int8(page.limit), "offset": Int8(page.offset)}
        with store_errors():
            rows = await self._pool.fetch(_PAGE.format(fields=fields, where=where), cut)
            total = await self._pool.fetch_one(count.format(where=where), params)
        assert total is not None, "an aggregate answers one row"
        return Found([_transaction(row) for row in rows], total[0])

    async def _find(self, whose: str, params: dict[str, Any]) -> Transaction | None:
        params = {name: _int8(value) for name, value in params.items()}
        with store_errors():
            row = await self._pool.fetch_one(_FIND.format(whose=whose), params)
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


def _most_used(sorts: Sequence[Row], column: int) -> str | None:
    numbers: dict[str, int] = {}
    for row in sorts:
        numbers[row[column]] = numbers.get(row[column], 0) + row[3]
    return max(sorted(numbers), key=numbers.__getitem__) if numbers else None


def _transaction(row: Row) -> Transaction:
    values = dict(zip(Transaction.__struct_fields__, row, strict=True))
    for name in ("amount", "kes", "usd", "rate", "usd_rate"):
        values[name] = int(values[name])
    values["balance"] = None if values["balance"] is None else int(values["balance"])
    values["type"] = Type(values["type"])
    values["status"] = Status(values["status"])
    values["operation"] = Operation(values["operation"])
    return Transaction(**values)


def _row(made: TransactionMade) -> list[Any]:
    transaction = made.transaction
    values = [getattr(transaction, name) for name in Transaction.__struct_fields__]
    for name in ("amount", "kes", "usd", "rate", "usd_rate", "balance"):
        at = Transaction.__struct_fields__.index(name)
        values[at] = None if values[at] is None else str(values[at])
    sized = [value if isinstance(value, bool) else _int8(value) for value in values]
    return [*sized, object_id(transaction.id), made.address.lower()]


register_write(TransactionMade, _INSERT, _row)
