"""Ledger accounts: recovering them for their actors, and opening new ones."""

from collections.abc import Callable, Sequence
from sys import intern
from typing import Any, Final

from psycopg.types.numeric import Int8

from actors.account import Account
from domain.ledger import AccountKey, may_overdraw
from storage.arrays import int8, int8s, labels
from storage.driver import Row
from storage.errors import UniqueViolation
from storage.pool import Pool
from storage.prepared import Prepared
from storage.users import store_errors

_COLUMNS: Final = """
a.owner_id, a.asset, a.purpose, a.chain, a.provider, a.mode, a.id, a.number, a.is_active,
a.is_locked, a.created_us, b.debits_posted::text, b.credits_posted::text, b.debits_pending::text,
b.credits_pending::text, b.sequence, b.last_us
"""
_LOAD: Final = Prepared(
    "load_accounts",
    """
SELECT k.n, a.id, a.number, a.is_active, a.is_locked, a.created_us, b.debits_posted::text,
       b.credits_posted::text, b.debits_pending::text, b.credits_pending::text, b.sequence,
       b.last_us, u.id IS NOT NULL AND NOT u.deleted
FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[])
    WITH ORDINALITY AS k (owner_id, asset, purpose, chain, provider, mode, n)
JOIN accounts a ON a.owner_id = k.owner_id AND a.asset = k.asset AND a.purpose = k.purpose
    AND a.chain = k.chain AND a.provider = k.provider AND a.mode = k.mode
JOIN balances b ON b.account_id = a.id
LEFT JOIN users u ON u.id = a.owner_id
""",
)
_MOVED_SINCE: Final = """
SELECT CASE count(*) WHEN %(count)s THEN min(last_us) ELSE 0 END
FROM (SELECT last_us FROM balances ORDER BY last_us DESC LIMIT %(count)s) latest
"""
_LATEST: Final = Prepared(
    "latest_accounts",
    f"""
SELECT {_COLUMNS}, u.id IS NOT NULL AND NOT u.deleted
FROM balances b
JOIN accounts a ON a.id = b.account_id
LEFT JOIN users u ON u.id = a.owner_id
WHERE b.account_id > $1::bigint AND b.last_us >= $2::bigint
ORDER BY b.account_id LIMIT $3::bigint
""",  # noqa: S608  # only constants
)
_BY_OWNER: Final = f"""
SELECT {_COLUMNS} FROM accounts a JOIN balances b ON b.account_id = a.id
WHERE a.owner_id = %s ORDER BY a.id
"""  # noqa: S608  # only constants
_BY_NUMBER: Final = f"""
SELECT {_COLUMNS} FROM accounts a JOIN balances b ON b.account_id = a.id WHERE a.number = %s
"""  # noqa: S608
_OPEN: Final = """
WITH fresh AS (
    INSERT INTO accounts (id, owner_id, asset, purpose, chain, provider, mode, number, created_us)
    SELECT id, %(owner)s, %(asset)s, %(purpose)s, %(chain)s, %(provider)s, %(mode)s,
           COALESCE(%(number)s, %(prefix)s || id), %(created_us)s
    FROM nextval('account_ids') AS id
    ON CONFLICT (owner_id, asset, purpose, chain, provider, mode) DO NOTHING
    RETURNING id
)
INSERT INTO balances (account_id, may_overdraw) SELECT id, %(overdraft)s FROM fresh
"""
_LOCK: Final = "UPDATE accounts SET is_locked = %s WHERE number = %s"


class PostgresAccounts:
    """Implements actors.account.AccountStore."""

    def __init__(self, pool: Pool, lookups: Pool | None = None) -> None:
        """`lookups`: sessions for recoveries alone (storage.prepared), so that those wait for
        nobody else's queries."""
        self._pool = pool
        self._lookups = lookups or pool
        self.seen: Callable[[int], None] = _nobody
        """Told who is there, and not deleted, among the owners of what is loaded: whoever needs
        somebody's account mostly asks about its owner too, and one query tells both."""

    async def load(self, keys: Sequence[AccountKey]) -> list[Account]:
        owners, *names = zip(*keys, strict=True)
        with store_errors():
            rows = await _LOAD.rows(self._lookups, int8s(owners), *map(labels, names))
        accounts = []
        for place, *columns, is_there in rows:
            # Of the key the database only says which: the askers' saves building an equal one.
            key = keys[place - 1]
            accounts.append(_account(key, columns))
            if is_there:
                self.seen(key.owner)
        return accounts

    async def moved_since(self, count: int) -> int:
        """Implements actors.warm_up.LatestAccounts."""
        with store_errors():
            row = await self._pool.fetch_one(_MOVED_SINCE, {"count": Int8(count)})
        assert row is not None, "an aggregate answers one row"
        return int(row[0])

    async def latest(self, since_us: int, after_id: int, count: int) -> list[Account]:
        """Implements actors.warm_up.LatestAccounts."""
        with store_errors():
            rows = await _LATEST.rows(self._lookups, int8(after_id), int8(since_us), int8(count))
        for row in rows:
            if row[-1]:
                self.seen(row[0])
        # The names in a key are few, each of them many times.
        return [_account(AccountKey(row[0], *map(intern, row[1:6])), row[6:-1]) for row in rows]

    async def open(self, key: AccountKey, created_us: int, number: str | None) -> None:
        """New accounts are numbered ACC-<asset>-<id>, the platform's SYS-<asset>-<purpose>.

        Somebody may be opening the same account: then it is there, or UniqueViolation is raised
        when the number belongs to another.
        """
        if number is None and may_overdraw(key):
            number = "-".join(("SYS", *filter(None, key[1:])))
        values = {
            **key._asdict(),
            "number": number,
            "prefix": f"ACC-{key.asset}-",
            "created_us": created_us,
            "overdraft": may_overdraw(key),
        }
        try:
            with store_errors():
                await self._pool.execute(_OPEN, values)
        except UniqueViolation:
            # The database may meet the number of the other opener's row before its key, which
            # alone the statement lets pass.
            if not await self.load([key]):
                raise

    async def owned_by(self, owner_id: int) -> list[Account]:
        """Snapshots of all accounts of one owner, oldest first (not the live actors)."""
        return [_snapshot(row) for row in await self._pool.fetch(_BY_OWNER, [owner_id])]

    async def by_number(self, number: str) -> Account | None:
        """A snapshot of the account with this number (not the live actor)."""
        row = await self._pool.fetch_one(_BY_NUMBER, [number])
        return _snapshot(row) if row is not None else None

    async def set_locked(self, number: str, locked: bool) -> bool:
        """Lock or unlock an account's debits; False when there is no such number."""
        return await self._pool.execute(_LOCK, [locked, number]) == 1


def _nobody(_user_id: int) -> None:
    """Nobody wants to know."""


def _snapshot(row: Row) -> Account:
    """Of a row of _COLUMNS."""
    return _account(AccountKey(*row[:6]), row[6:])


def _account(key: AccountKey, row: Sequence[Any]) -> Account:
    """Of the columns after the key."""
    id_, number, active, locked, created, *amounts, sequence, last_us = row
    debits, credits_, debits_pending, credits_pending = map(int, amounts)
    return Account(
        id_,
        key,
        number,
        active,
        locked,
        created,
        debits,
        credits_,
        debits_pending,
        credits_pending,
        sequence,
        last_us,
    )
