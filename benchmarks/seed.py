"""A ledger with very many people, written straight into the tables while no server runs.

Each person gets a USD wallet and one journal that funds it, exactly as the sandbox would have
recorded it: balances, sequences and hash chain are continued, so `app.py verify` passes.
"""

import secrets
import time
from collections.abc import Iterator
from typing import Any

import psycopg
import trio

from domain.hashchain import link
from domain.ledger import AccountKey, SystemPurpose, system
from storage.migrate import migrate

FUNDING = 10_000 * 10**8  # units of USD each: a million times the amount of a transfer
CHUNK = 50_000  # rows a statement: the zero-sum trigger keeps them all in memory
KIND = "sandbox_funding"

_LAST = """
SELECT last_journal, last_entry, last_receipt, last_us, last_hash, batch + 1
FROM writer FOR UPDATE"""
_REMEMBER = """
UPDATE writer SET batch = %(batch)s, last_journal = last_journal + %(people)s,
                  last_entry = last_entry + 2 * %(people)s,
                  last_receipt = last_receipt + %(people)s, last_us = %(now)s,
                  last_hash = (SELECT hash FROM journals ORDER BY id DESC LIMIT 1)"""
_TAKE_IDS = "SELECT setval(%s::regclass, nextval(%s::regclass) + %s) - %s"
_USERS = """
INSERT INTO users (id, object_id, email, email_verified, email_proved_us, phone, phone_verified,
                   first_name, role, token_version, wallet_active, wallet_address, deleted,
                   created_us, last_login_us, password_hash, totp_enabled, totp_secret,
                   totp_pending, totp_pending_wrong, totp_last_step, revision)
SELECT id, left(md5(%(salt)s || id), 24), %(salt)s || id || '@example.com', true, 0, NULL, false,
       'Person', 'user', 0, true, NULL, false, %(now)s, 0, NULL, false, NULL, NULL, 0, 0, 0
FROM generate_series(%(first)s::bigint, %(last)s) AS id"""
_ACCOUNTS = """
INSERT INTO accounts (id, owner_id, asset, purpose, chain, provider, mode, number, created_us)
SELECT %(account)s + n, %(user)s + n, 'USD', 'WALLET', '', '', 'REAL',
       'ACC-USD-' || %(account)s + n, %(now)s
FROM generate_series(0, %(people)s::bigint - 1) n"""
_BALANCES = """
INSERT INTO balances (account_id, credits_posted, sequence, last_us, may_overdraw)
SELECT %(account)s + n, %(units)s, 1, %(now)s, false
FROM generate_series(0, %(people)s::bigint - 1) n"""
_JOURNALS = """
COPY journals (id, batch, kind, receipt, initiator, ref, description, fees, quote_id, occurred_us,
               recorded_us, first_entry, entry_count, hash) FROM STDIN"""
_ENTRIES = """
INSERT INTO entries (id, journal_id, account_id, asset, sequence, amount, balance_after,
                     description, recorded_us)
SELECT %(entry)s + 2 * n + leg, %(journal)s + n,
       CASE leg WHEN 0 THEN %(source)s ELSE %(account)s + n END, 'USD',
       CASE leg WHEN 0 THEN %(sequence)s + n ELSE 1 END,
       CASE leg WHEN 0 THEN -%(units)s ELSE %(units)s END,
       CASE leg WHEN 0 THEN %(balance)s::numeric - %(units)s::numeric * (n + 1)
            ELSE %(units)s END, '', %(now)s
FROM generate_series(%(from)s::bigint, %(until)s - 1) n, generate_series(0, 1) leg"""
_SOURCE = """
SELECT a.id, b.credits_posted - b.debits_posted, b.sequence
FROM accounts a JOIN balances b ON b.account_id = a.id
WHERE a.owner_id = %s AND a.asset = %s AND a.purpose = %s AND a.chain = '' AND a.provider = ''
  AND a.mode = 'REAL'"""
_OPEN_SOURCE = """
WITH opened AS (
    INSERT INTO accounts (id, owner_id, asset, purpose, chain, provider, mode, number, created_us)
    SELECT nextval('account_ids'), %s, %s, %s, '', '', 'REAL', 'SYS-USD-SANDBOX_FUNDING-REAL', %s
    RETURNING id
)
INSERT INTO balances (account_id, may_overdraw) SELECT id, true FROM opened"""
_DEBIT_SOURCE = """
UPDATE balances SET debits_posted = debits_posted + %s, sequence = sequence + %s, last_us = %s
WHERE account_id = %s"""


def prepare(url: str) -> None:
    """Bring an empty database to the server's schema."""
    trio.run(migrate, url)


def seed(url: str, people: int) -> list[str]:
    """Add `people` funded people to a migrated database; their user ids."""
    with psycopg.connect(url) as connection:
        first_user = _seed(connection, people)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")
        connection.execute("CHECKPOINT")
    return [str(user) for user in range(first_user, first_user + people)]


def _seed(connection: psycopg.Connection, people: int) -> int:
    journal, entry, receipt, recorded_us, last_hash, batch = _one(connection, _LAST)
    now = max(recorded_us, time.time_ns() // 1000)
    source, balance, sequence = _funding_account(connection, now)
    user, account = _take(connection, "user_ids", people), _take(connection, "account_ids", people)
    values: dict[str, Any] = {
        **{"people": people, "now": now, "units": FUNDING, "batch": batch},
        **{"user": user, "first": user, "last": user + people - 1, "salt": secrets.token_hex(4)},
        **{"account": account, "source": source, "balance": balance, "sequence": sequence + 1},
        **{"journal": journal + 1, "entry": entry + 1, "receipt": receipt + 1},
    }
    connection.execute(_USERS, values)
    connection.execute(_ACCOUNTS, values)
    connection.execute(_BALANCES, values)
    with connection.cursor() as cursor, cursor.copy(_JOURNALS) as copy:
        for row in _journals(values, last_hash):
            copy.write_row(row)
    for start in range(0, people, CHUNK):
        chunk = {"from": start, "until": min(start + CHUNK, people)}
        connection.execute(_ENTRIES, {**values, **chunk})
    connection.execute(_DEBIT_SOURCE, (FUNDING * people, people, now, source))
    connection.execute(_REMEMBER, values)
    return user


def _journals(values: dict[str, Any], chain: bytes) -> Iterator[tuple[object, ...]]:
    """The rows of `journals`, chained from `chain` on."""
    now, units, source = values["now"], values["units"], values["source"]
    for n in range(values["people"]):
        journal, entry, account = (
            values["journal"] + n,
            values["entry"] + 2 * n,
            values["account"] + n,
        )
        left = int(values["balance"]) - units * (n + 1)
        entries = [
            (entry, journal, source, "USD", values["sequence"] + n, -units, left, "", now),
            (entry + 1, journal, account, "USD", 1, units, units, "", now),
        ]
        head = (journal, KIND, values["receipt"] + n, 0, "", "", "", 0, now, now)
        chain = link(chain, (*head, entries, None, None))
        yield (journal, values["batch"], *head[1:], entry, 2, chain)


def _funding_account(connection: psycopg.Connection, now: int) -> tuple[int, int, int]:
    """Id, balance and sequence of the platform's account that funds the sandbox."""
    key: AccountKey = system("USD", SystemPurpose.SANDBOX_FUNDING)
    names = key.owner, key.asset, key.purpose
    if connection.execute(_SOURCE, names).fetchone() is None:
        connection.execute(_OPEN_SOURCE, (*names, now))
    account, balance, sequence = _one(connection, _SOURCE, *names)
    return account, int(balance), sequence


def _take(connection: psycopg.Connection, name: str, count: int) -> int:
    """Reserve `count` numbers of a sequence; the first of them."""
    (first,) = _one(connection, _TAKE_IDS, name, name, count, count)
    return int(first)


def _one(connection: psycopg.Connection, sql: str, *params: object) -> tuple[Any, ...]:
    row = connection.execute(sql, params or None).fetchone()
    assert row is not None
    return tuple(row)
