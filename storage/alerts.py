"""What operators have to look at."""

from typing import Final

from actors.payment_store import AlertRaised
from storage.pool import Pool
from storage.users import store_errors
from storage.writes import register_write

_RAISE: Final = """
INSERT INTO alerts (kind, ref, message, raised_us) VALUES (%s, %s, %s, %s)
"""


class PostgresAlerts:
    """Implements actors.payment_store.AlertStore."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def raise_alert(self, kind: str, ref: str, message: str, at_us: int) -> None:
        with store_errors():
            await self._pool.execute(_RAISE, [kind, ref, message, at_us])


register_write(
    AlertRaised,
    _RAISE,
    lambda alert: [alert.kind, alert.ref, alert.message, alert.raised_us],
)
