"""`verify` compares fundings with the journals that credited them."""

import pytest

from actors.funding_messages import Credited
from storage.pool import Pool
from storage.verify import verify
from tests.wallet.desks import desks

_FORGED = """
INSERT INTO fundings
SELECT 'FUND-1705948200123-zzzzzzzz', user_id, amount, email, 'completed', 1, '', false,
       created_us, created_us + 1, 1, true, ''
FROM fundings LIMIT 1
"""


@pytest.mark.parametrize(
    ("forgery", "found"),
    [
        (_FORGED, "completed, but no journal credits it"),
        ("UPDATE fundings SET amount = amount + 1", "expected"),
        ("UPDATE fundings SET state = 'rejected'", "is rejected, but journal 1 credits it"),
        ("DELETE FROM fundings", "funds nothing that is known"),
        ("UPDATE fundings SET user_id = user_id + 1", "credits 0 units"),
    ],
)
async def test_a_funding_that_does_not_fit_its_journal_is_found(
    dsn: str, pool: Pool, forgery: str, found: str
) -> None:
    async with desks(dsn, pool) as house:
        funding = await house.open()
        assert isinstance(await house.prove(funding.reference), Credited)
        await house.open()  # one that waits for its code has no journal, and needs none
        assert (await verify(pool)).balanced
        scope = "" if forgery == _FORGED else " WHERE state = 'completed'"
        await pool.execute(forgery + scope)
        (difference,) = (await verify(pool)).differences
        assert found in difference
