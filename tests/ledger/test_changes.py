"""Rows of other tables in a journal's transaction, and what is left when one contradicts."""

from typing import NamedTuple

import pytest
import trio

from domain.ledger import Effects, Intent, Recorded, Refusal
from storage.arrays import texts
from storage.writes import register_write, register_writes
from tests.ledger.house import House
from tests.ledger.outages import END_WRITER

_BLOCKED = """
SELECT count(*) FROM pg_stat_activity
WHERE application_name = 'daftari writer' AND datname = current_database()
  AND wait_event_type = 'Lock'
"""


class Named(NamedTuple):
    """A row of installation."""

    name: str


class Counted(NamedTuple):
    """A row of installation, written with all others of a batch."""

    name: str


register_write(Named, "INSERT INTO installation (name, value) VALUES (%s, '')", list)
register_writes(
    Counted,
    "INSERT INTO installation (name, value) SELECT name, '' FROM unnest($1::text[]) AS n (name)",
    (texts,),
    list,
)
Row = type[Named] | type[Counted]


def intent(*changes: object) -> Intent:
    """A journal without money that writes these rows."""
    return Intent(kind="NOTE", effects=lambda _recorded: Effects(changes=changes))


@pytest.mark.parametrize(
    ("first", "second"), [(Named, Named), (Counted, Counted), (Named, Counted)]
)
async def test_a_row_that_contradicts_leaves_the_writer_able_to_commit(
    house: House, first: Row, second: Row
) -> None:
    """A rollback takes no prepared statement of the writer's session away, ever so often."""
    assert isinstance(await house.ledger.record(intent(first("once"))), Recorded)
    for number in range(8):
        again = await house.ledger.record(intent(first(f"with {number}"), second("once")))
        assert again is Refusal.CONFLICT
        fresh = await house.ledger.record(intent(second(f"after {number}")))
        assert isinstance(fresh, Recorded)
    rows = await house.pool.fetch("SELECT count(*) FROM installation WHERE name LIKE 'with%%'")
    assert rows[0][0] == 0


async def test_rows_written_together_are_all_there_or_none(house: House) -> None:
    """Two journals of one batch, one of which contradicts: the other is recorded alone."""
    assert isinstance(await house.ledger.record(intent(Counted("taken"))), Recorded)
    answers: dict[str, object] = {}

    async def record(name: str, *changes: object) -> None:
        answers[name] = await house.ledger.record(intent(*changes))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(record, "good", Counted("good 1"), Counted("good 2"))
        nursery.start_soon(record, "bad", Counted("bad"), Counted("taken"))
        nursery.start_soon(record, "plain")
    assert isinstance(answers["good"], Recorded)
    assert answers["bad"] is Refusal.CONFLICT
    assert isinstance(answers["plain"], Recorded)
    rows = await house.pool.fetch(
        "SELECT name FROM installation WHERE name ~ '^(good|bad)' ORDER BY name"
    )
    assert [row[0] for row in rows] == ["good 1", "good 2"]


@pytest.mark.parametrize("row", [Named, Counted])
async def test_a_session_that_dies_between_a_batch_and_its_rows_leaves_neither(
    house: House, row: Row
) -> None:
    """Nobody knows whether it arrived, so that is found out; then it is committed anew, once."""
    answers: list[object] = []

    async def record() -> None:
        answers.append(await house.ledger.record(intent(row("held"))))

    journals = await house.count("SELECT count(*) FROM journals")
    async with (
        trio.open_nursery() as nursery,
        house.pool.connection() as holder,
        holder.transaction(force_rollback=True),
    ):
        await holder.execute("INSERT INTO installation (name, value) VALUES ('held', '')")
        nursery.start_soon(record)
        while not await house.count(_BLOCKED):
            await trio.sleep(0.005)
        assert await house.count(END_WRITER) == 1
    assert isinstance(answers[0], Recorded)
    assert await house.count("SELECT count(*) FROM installation WHERE name = 'held'") == 1
    assert await house.count("SELECT count(*) FROM journals") == journals + 1
