"""storage.incoming: what reconciliation reads."""

from storage import incoming
from storage.pool import Pool


async def test_recent_payments_are_indexed_whatever_reconciliation_asks_about(pool: Pool) -> None:
    """An index that leaves one of its kinds out serves none of them."""
    sql = "SELECT indexdef FROM pg_indexes WHERE indexname = 'payments_recent'"
    row = await pool.fetch_one(sql)
    assert row is not None
    assert [kind for kind in incoming._KINDS if f"'{kind}'" not in row[0]] == []
