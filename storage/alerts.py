"""What operators have to look at."""

from typing import Final

from storage.pool import Pool

_RAISE: Final = """
INSERT INTO alerts (kind, ref, message, raised_us) VALUES (%s, %s, %s, %s)
"""


class PostgresAlerts:
    """Implements actors.payment_store.AlertStore."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def raise_alert(self, kind: str, ref: str, message: str, at_us: int) -> None:
        await self._pool.execute(_RAISE, [kind, ref, message, at_us])
