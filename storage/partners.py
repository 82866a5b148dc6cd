"""The partners table: read once at start."""

from typing import Final

from domain.fees import FeeRule
from domain.partners import Partner, Partners
from storage.pool import Pool

_ALL: Final = """
SELECT id, name, service, currency, is_active, deposit_parts, withdrawal_parts, minimum_fee::text
FROM partners ORDER BY position
"""


async def load_partners(pool: Pool) -> Partners:
    """Every partner, in the order of `position`; raises what the pool raises."""
    rows = await pool.fetch(_ALL)
    return Partners(
        [
            Partner(
                id=id_,
                name=name,
                service=service,
                currency=currency,
                is_active=active,
                deposit=FeeRule(deposit_parts, int(minimum)),
                withdrawal=FeeRule(withdrawal_parts, int(minimum)),
            )
            for id_, name, service, currency, active, deposit_parts, withdrawal_parts, minimum in (
                rows
            )
        ]
    )
