"""What the cashier asks of others, declared here and handed in by app.py."""

from typing import Protocol

from domain.fx import Quote


class Rates(Protocol):
    """Stored quotes; the newest good one for a pair of assets."""

    async def quote(self, one: str, other: str) -> Quote | None:
        """The market quote between two assets, None while there is none to go by."""
        ...
