"""Proof of the ledger: everything derivable is derived again and compared.

`app.py verify` prints the report's table; `GET /sandbox/ledger` answers with it on the running
server. All of it is one read-only snapshot, so the ledger may be written meanwhile. SQL compares
tables with each other; Python recomputes the hash chain with the function that made it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from domain.hashchain import GENESIS, link
from domain.money import plain
from storage import verify_sql as sql
from storage.driver import TrioConnection
from storage.pool import Pool

DIFFERENCES_KEPT: Final = 5  # a check
_ANSWER_WITHIN_S: Final = 600.0  # a check sorts every entry there is
_SNAPSHOT: Final = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY"
# Sorting in memory as far as is decent. Every join is of whole tables and every cursor is read to
# its end; after a crash PostgreSQL has no statistics that would tell it so.
_SETTINGS: Final = """
SELECT set_config('work_mem', '128MB', true), set_config('cursor_tuple_fraction', '1', true),
       set_config('enable_nestloop', 'off', true), set_config('jit', 'off', true)
"""
# Each check with the table whose rows it goes through.
_CHECKS: Final = (
    ("journals numbered without gap", "journals", sql.NUMBERING),
    ("journals have their entries", "journals", sql.COUNTS),
    ("entries have their journal", "entries", sql.MEMBERSHIP),
    ("entries have their account", "entries", sql.OWNERSHIP),
    ("journals sum to zero", "journals", sql.ZERO_SUMS),
    ("running balances", "entries", sql.SEQUENCES),
    ("balances match entries", "accounts", sql.BALANCES),
    ("held amounts match holds", "accounts", sql.PENDING),
    ("no customer overdrawn", "accounts", sql.OVERDRAFTS),
    ("holds placed and closed once", "holds", sql.HOLDS),
    ("payments have their holds", "payments", sql.PAYMENTS),
    ("fundings have their journal", "fundings", sql.FUNDINGS),
    ("events numbered", "events", sql.EVENTS),
    ("last numbers of the writer", "writer", sql.WRITER),
)
_COUNTED: Final = (
    "journals",
    "entries",
    "accounts",
    "holds",
    "payments",
    "fundings",
    "events",
    "writer",
)
_COUNT: Final = "SELECT " + ", ".join(f"(SELECT count(*) FROM {name})" for name in _COUNTED)  # noqa: S608


@dataclass(frozen=True, slots=True)
class Check:
    """One row of the table: what was compared, over how many rows, what does not fit."""

    name: str
    rows: int
    differences: tuple[str, ...] = ()

    @property
    def result(self) -> str:
        """`ok`, or the first difference."""
        return self.differences[0] if self.differences else "ok"


@dataclass(frozen=True, slots=True)
class Report:
    """What was found. `totals`: by currency, the sum over all accounts ("0" when balanced)."""

    checks: tuple[Check, ...]
    journals: int
    accounts: int
    totals: dict[str, str]

    @property
    def differences(self) -> list[str]:
        """Every difference kept, the first one first."""
        return [f"{check.name}: {line}" for check in self.checks for line in check.differences]

    @property
    def balanced(self) -> bool:
        """Whether nothing contradicts anything."""
        return not any(check.differences for check in self.checks)

    def table(self) -> str:
        """The checks as lines of text: name, rows, result."""
        rows = [("check", "rows", "result")]
        rows += [(check.name, str(check.rows), check.result) for check in self.checks]
        rows += [(f"total {asset}", "", total) for asset, total in self.totals.items()]
        name_width = max(len(name) for name, _, _ in rows)
        count_width = max(len(count) for _, count, _ in rows)
        return "\n".join(f"{n:<{name_width}}  {c:>{count_width}}  {r}" for n, c, r in rows)


async def verify(source: Pool | str) -> Report:
    """Check the ledger in the database of `source`, a pool or a DSN.

    Raises what the pool raises when the database is away, psycopg's error with a DSN.
    """
    if isinstance(source, Pool):
        async with source.connection() as connection:
            return await _in_snapshot(connection)
    connection = await TrioConnection.connect(source)
    try:
        return await _in_snapshot(connection)
    finally:
        connection.discard()


async def _in_snapshot(connection: TrioConnection) -> Report:
    usual = connection.answer_within_s
    connection.answer_within_s = _ANSWER_WITHIN_S
    try:
        await connection.execute(_SNAPSHOT)
        report = await report_on(connection)
        await connection.execute("COMMIT")
    finally:
        connection.answer_within_s = usual
    return report


async def report_on(connection: TrioConnection) -> Report:
    """What the transaction that is open on `connection` sees; it should be one snapshot."""
    await connection.execute(_SETTINGS)
    (found,) = await _rows(connection, _COUNT)
    counts = dict(zip(_COUNTED, found, strict=True))
    checks = []
    for name, table, question in _CHECKS:
        lines = await _rows(connection, question, {"most": DIFFERENCES_KEPT})
        checks.append(Check(name, counts[table], tuple(line for (line,) in lines)))
    totals = {asset: int(total) for asset, total in await _rows(connection, sql.TOTALS)}
    unbalanced = [f"{asset} sums to {plain(units)}" for asset, units in totals.items() if units]
    checks.append(Check("currencies sum to zero", len(totals), tuple(unbalanced)))
    broken = await _broken_link(connection)
    checks.append(Check("hash chain", counts["journals"], broken))
    return Report(
        checks=tuple(checks),
        journals=counts["journals"],
        accounts=counts["accounts"],
        totals={asset: plain(units) for asset, units in totals.items()},
    )


async def _broken_link(connection: TrioConnection) -> tuple[str, ...]:
    """Where the chain breaks first; what follows cannot be told right from wrong."""
    await connection.execute(sql.CHAIN)
    chain, broken = GENESIS, None
    while broken is None and (journals := await _rows(connection, sql.FETCH_CHAIN)):
        page = {"first": journals[0][10], "last": journals[-1][10] + journals[-1][11] - 1}
        entries = await _rows(connection, sql.CHAIN_ENTRIES, page)
        broken, chain = _follow(chain, journals, entries)
    await connection.execute(sql.CLOSE_CHAIN)
    return () if broken is None else (f"journal {broken} is not what was recorded",)


def _follow(
    chain: bytes, journals: Iterable[Sequence[Any]], entries: Iterable[Sequence[Any]]
) -> tuple[int | None, bytes]:
    """The first journal whose hash is not that of its rows, and the hash of the last one."""
    rows = [(a, b, c, d, e, int(f), int(g), h, i) for a, b, c, d, e, f, g, h, i in entries]
    taken = 0
    for *head, _first, count, hashed, held_on, held, closed_hold, closed_state in journals:
        mine = rows[taken : taken + count]
        taken += count
        placed = (held_on, int(held)) if held_on is not None else None
        closed = (closed_hold, closed_state) if closed_hold is not None else None
        chain = link(chain, (*head, mine, placed, closed))
        if chain != hashed:
            return head[0], chain
    return None, chain


async def _rows(
    connection: TrioConnection, statement: str, params: dict[str, int] | None = None
) -> list[tuple[Any, ...]]:
    return await (await connection.execute(statement, params)).fetchall()
