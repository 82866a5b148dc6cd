"""Rows of other tables in a journal's transaction, and what is left when one contradicts."""

from typing import NamedTuple

from domain.ledger import Effects, Intent, Recorded, Refusal
from storage.writes import register_write
from tests.ledger.house import House


class Named(NamedTuple):
    """A row of installation."""

    name: str


register_write(Named, "INSERT INTO installation (name, value) VALUES (%s, '')", list)


def intent(*changes: object) -> Intent:
    """A journal without money that writes these rows."""
    return Intent(kind="NOTE", effects=lambda _recorded: Effects(changes=changes))


async def test_a_row_that_contradicts_leaves_the_writer_able_to_commit(house: House) -> None:
    """A rollback takes no prepared statement of the writer's session away, ever so often."""
    assert isinstance(await house.ledger.record(intent(Named("once"))), Recorded)
    for number in range(8):
        again = await house.ledger.record(intent(Named(f"with {number}"), Named("once")))
        assert again is Refusal.CONFLICT
        fresh = await house.ledger.record(intent(Named(f"after {number}")))
        assert isinstance(fresh, Recorded)
    rows = await house.pool.fetch("SELECT count(*) FROM installation WHERE name LIKE 'with%%'")
    assert rows[0][0] == 0
