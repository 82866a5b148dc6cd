"""The peers' ledger: schema, accounts and the proof that what was acknowledged is there."""

from pathlib import Path

import psycopg

SCHEMA = Path(__file__).parent / "schema.sql"
BALANCE_UNITS = 10**6 * 10**8  # a million USD each: no transfer of a run is ever refused

_ACCOUNTS = """
INSERT INTO accounts (id, owner_id, asset, purpose, chain, provider, mode, number, created_us)
SELECT 100000 + n, n, 'USD', 'WALLET', '', '', 'REAL', 'ACC-USD-' || n, 0
FROM generate_series(1, %s::bigint) n"""
_BALANCES = """
INSERT INTO balances (account_id, credits_posted, may_overdraw)
SELECT 100000 + n, %s::numeric, false FROM generate_series(1, %s::bigint) n"""


def fill(url: str, users: int) -> None:
    """Create the schema and `users` users with one USD wallet each in the empty database."""
    with psycopg.connect(url) as connection:
        connection.execute(SCHEMA.read_bytes())
        connection.execute(_ACCOUNTS, (users,))
        connection.execute(_BALANCES, (BALANCE_UNITS, users))
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")


def journals(url: str) -> int:
    """How many transfers the database holds."""
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT count(*) FROM journals").fetchone()
    assert row
    return int(row[0])


def is_balanced(url: str) -> bool:
    """Every journal sums to zero and every balance is what its entries say."""
    with psycopg.connect(url) as connection:
        row = connection.execute(
            """
            SELECT (SELECT count(*) FROM (SELECT FROM entries GROUP BY journal_id
                                          HAVING sum(amount) <> 0 OR count(*) <> 2) wrong)
                 + (SELECT count(*) FROM balances b
                    LEFT JOIN (SELECT account_id, sum(amount) AS moved FROM entries
                               GROUP BY account_id) e USING (account_id)
                    WHERE b.credits_posted - b.debits_posted <> %s + coalesce(e.moved, 0))
            """,
            (BALANCE_UNITS,),
        ).fetchone()
    assert row
    return int(row[0]) == 0
