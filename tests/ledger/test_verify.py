"""`verify` passes a real ledger and finds every kind of tampering, by name and place."""

from collections.abc import AsyncIterator

import pytest

from storage.driver import TrioConnection
from storage.verify import Report, report_on
from tests.ledger.filled import fill
from tests.ledger.house import living


@pytest.fixture
async def tampered(dsn: str) -> AsyncIterator[TrioConnection]:
    """A transaction on a filled ledger in which triggers and constraints are out of the way."""
    async with living(dsn) as house:
        await fill(house)
        await house.balances()
    connection = await TrioConnection.connect(dsn)
    await connection.execute("BEGIN")
    await connection.execute("SET LOCAL session_replication_role = replica")
    for statement in (
        "ALTER TABLE balances DROP CONSTRAINT never_overdrawn",
        "ALTER TABLE holds DROP CONSTRAINT holds_state_check",
        "DROP INDEX entries_account",
    ):
        await connection.execute(statement)
    yield connection
    connection.discard()


def _found(report: Report) -> dict[str, str]:
    return {check.name: check.result for check in report.checks if check.differences}


TAMPERINGS = [
    ("DELETE FROM journals WHERE id = 5", "journals numbered without gap", "journal 5 is missing"),
    (
        "UPDATE journals SET first_entry = first_entry + 1 WHERE id = 3",
        "journals numbered without gap",
        "journal 3 begins at entry 6, expected 5",
    ),
    (
        "UPDATE journals SET recorded_us = 5 WHERE id = 4",
        "journals numbered without gap",
        "journal 4 was recorded before journal 3",
    ),
    (
        "UPDATE journals SET batch = 0 WHERE id = 4",
        "journals numbered without gap",
        "journal 4 has batch 0 after batch 3",
    ),
    (
        "DELETE FROM entries WHERE id IN (5, 6)",
        "journals have their entries",
        "journal 3 has 0 entries, expected 2",
    ),
    (
        "UPDATE entries SET journal_id = 99 WHERE id = 5",
        "entries have their journal",
        "entry 5 names journal 99, which is not there",
    ),
    (
        "UPDATE entries SET journal_id = 2 WHERE id = 5",
        "entries have their journal",
        "entry 5 is not among the entries of journal 2",
    ),
    (
        "UPDATE entries SET recorded_us = recorded_us + 1 WHERE id = 5",
        "entries have their journal",
        "entry 5 was recorded at another time than its journal 3",
    ),
    (
        "UPDATE entries SET account_id = 5 WHERE id = 5",
        "entries have their account",
        "entry 5 names account 5, which is not there",
    ),
    (
        "UPDATE entries SET asset = 'KES' WHERE id IN (5, 6)",
        "entries have their account",
        "entry 5 is in KES on account ACC-USD-100002 of USD",
    ),
    (
        "UPDATE entries SET amount = amount + 1 WHERE id = 6",
        "journals sum to zero",
        "journal 3: its USD entries sum to 0.00000001",
    ),
    (
        "UPDATE entries SET asset = 'KES' WHERE id = 5",
        "journals sum to zero",
        "journal 3: its KES entries sum to -12.5",
    ),
    (
        "UPDATE entries SET sequence = sequence + 5 WHERE id = 6",
        "running balances",
        "account ACC-USD-100003: entry 6 has sequence 7 after 4",
    ),
    (
        "UPDATE entries SET balance_after = balance_after - 7 WHERE id = 6",
        "running balances",
        "account ACC-USD-100003: entry 6 leaves 512.49999993, expected 512.5",
    ),
    (
        "UPDATE balances SET debits_posted = debits_posted + 1 WHERE account_id = 100002",
        "balances match entries",
        "account ACC-USD-100002: 112.50000401 debited, entries say 112.500004",
    ),
    (
        "UPDATE balances SET credits_posted = 0 WHERE account_id = 100002",
        "balances match entries",
        "account ACC-USD-100002: 0 credited, entries say 1000",
    ),
    (
        "UPDATE balances SET sequence = 9 WHERE account_id = 100002",
        "balances match entries",
        "account ACC-USD-100002: sequence 9, but 4 entries",
    ),
    (
        "UPDATE balances SET last_us = 9 WHERE account_id = 100002",
        "balances match entries",
        "account ACC-USD-100002: last moved at 9, entries say ",
    ),
    (
        "DELETE FROM balances WHERE account_id = 100004",
        "balances match entries",
        "account ACC-USD-100004 has no balance",
    ),
    (
        "DELETE FROM accounts WHERE id = 100004",
        "balances match entries",
        "balance 100004 has no account",
    ),
    (
        "UPDATE balances SET debits_pending = 5 WHERE account_id = 100002",
        "held amounts match holds",
        "account ACC-USD-100002: 0.00000005 held, holds say 0.000007",
    ),
    (
        "UPDATE holds SET amount = 701 WHERE id = 8",
        "held amounts match holds",
        "account ACC-USD-100002: 0.000007 held, holds say 0.00000701",
    ),
    (
        "UPDATE balances SET credits_pending = 1 WHERE account_id = 100002",
        "held amounts match holds",
        "account 100002: credits pending, which nothing here makes",
    ),
    (
        "UPDATE holds SET account_id = 5 WHERE id = 6",
        "held amounts match holds",
        "holds of account 5, which has no balance",
    ),
    (
        "UPDATE balances SET debits_posted = 10^20 WHERE account_id = 100003",
        "no customer overdrawn",
        "account ACC-USD-100003 is overdrawn: -999999999487.500005 available",
    ),
    (
        "UPDATE balances SET may_overdraw = true WHERE account_id = 100003",
        "no customer overdrawn",
        "account ACC-USD-100003: may be overdrawn: t",
    ),
    (
        "UPDATE holds SET id = 99 WHERE id = 8",
        "holds placed and closed once",
        "hold 99 was placed by no journal",
    ),
    (
        "UPDATE holds SET closed_by = 9 WHERE id = 8",
        "holds placed and closed once",
        "hold 8 is open, but closed by journal 9",
    ),
    (
        "UPDATE holds SET closed_by = 99 WHERE id = 6",
        "holds placed and closed once",
        "hold 6 is posted by journal 99, which is not there",
    ),
    (
        "UPDATE holds SET closed_by = 4 WHERE id = 6",
        "holds placed and closed once",
        "hold 6 is posted by the earlier journal 4",
    ),
    (
        "UPDATE holds SET state = 'voided' WHERE id = 6",
        "holds placed and closed once",
        "hold 6 is voided by journal 9 of 2 entries",
    ),
    (
        "UPDATE holds SET closed_by = 9 WHERE id = 7",
        "holds placed and closed once",
        "hold 6: journal 9 closes 2 holds",
    ),
    (
        "UPDATE payments SET state = 'failed'",
        "payments have their holds",
        "payment WDR-KES-20240127-001 is failed, but its hold 11 is placed",
    ),
    (
        "UPDATE holds SET state = 'voided', closed_by = 11 WHERE id = 11",
        "payments have their holds",
        "payment WDR-KES-20240127-001 is pending, but its hold 11 is voided",
    ),
    (
        "DELETE FROM holds WHERE id = 11",
        "payments have their holds",
        "payment WDR-KES-20240127-001: its hold 11 is not there",
    ),
    (
        "UPDATE holds SET amount = 901 WHERE id = 11",
        "payments have their holds",
        "payment WDR-KES-20240127-001: its hold 11 is of 0.00000901, expected 0.000009",
    ),
    (
        "UPDATE holds SET account_id = 100002 WHERE id = 11",
        "payments have their holds",
        "payment WDR-KES-20240127-001: its hold 11 is on another account",
    ),
    (
        "UPDATE journals SET ref = 'WDR-KES-20240127-001' WHERE id = 8",
        "payments have their holds",
        "hold 8 is open for payment WDR-KES-20240127-001, which has another",
    ),
    (
        "UPDATE events SET id = 99 WHERE feed = 'user:3'",
        "events numbered",
        "event 99: beyond the last one given out",
    ),
    (
        "UPDATE events SET id = 1",
        "events numbered",
        "event 1: its number is used twice",
    ),
    (
        "UPDATE writer SET last_journal = 10",
        "last numbers of the writer",
        "writer: last_journal is 10, expected 11",
    ),
    (
        "UPDATE writer SET last_entry = 0",
        "last numbers of the writer",
        "writer: last_entry is 0, expected 14",
    ),
    (
        "UPDATE writer SET last_hash = ''",
        "last numbers of the writer",
        "writer: last_hash is , expected ",
    ),
    (
        "UPDATE writer SET batch = batch + 1",
        "last numbers of the writer",
        "writer: batch is 12, expected 11",
    ),
    ("DELETE FROM writer", "last numbers of the writer", "writer: 0 rows, expected 1"),
    (
        "UPDATE balances SET credits_posted = credits_posted + 1 WHERE account_id = 100003",
        "currencies sum to zero",
        "USD sums to 0.00000001",
    ),
    (
        "UPDATE journals SET description = 'Transfer' WHERE id = 3",
        "hash chain",
        "journal 3 is not what was recorded",
    ),
    (
        "UPDATE journals SET hash = sha256(hash) WHERE id = 11",
        "hash chain",
        "journal 11 is not what was recorded",
    ),
    (
        "UPDATE entries SET description = 'x' WHERE id = 8",
        "hash chain",
        "journal 4 is not what was recorded",
    ),
    (
        "UPDATE holds SET amount = 501 WHERE id = 6",
        "hash chain",
        "journal 6 is not what was recorded",
    ),
    (
        "UPDATE holds SET closed_by = 9 WHERE id = 7",
        "hash chain",
        "journal 9 is not what was recorded",
    ),
]


TRIED_ELSEWHERE = {"fundings have their journal"}  # tests/wallet/test_proof.py


async def test_every_tampering_is_found_by_name_and_place(tampered: TrioConnection) -> None:
    """contract.md, "Commands": verify re-derives everything and names the first difference."""
    intact = await report_on(tampered)
    assert intact.balanced
    tried = {check for _, check, _ in TAMPERINGS} | TRIED_ELSEWHERE
    assert tried == {check.name for check in intact.checks}
    missed = []
    for statement, check, difference in TAMPERINGS:
        await tampered.execute("SAVEPOINT intact")
        await tampered.execute(statement)
        report = await report_on(tampered)
        await tampered.execute("ROLLBACK TO intact")
        found = _found(report).get(check, "")
        if report.balanced or not found.startswith(difference):
            missed.append((statement, difference, _found(report)))
    assert not missed
    assert (await report_on(tampered)).balanced


async def test_swapping_two_whole_journals_breaks_the_chain_alone(
    tampered: TrioConnection,
) -> None:
    """Everything still adds up; only the order is not what it was."""
    for column in ("kind", "initiator", "quote_id", "occurred_us"):
        await tampered.execute(
            f"UPDATE journals a SET {column} = b.{column} FROM journals b "
            "WHERE (a.id, b.id) IN ((3, 4), (4, 3))"
        )
    assert _found(await report_on(tampered)) == {"hash chain": "journal 3 is not what was recorded"}
