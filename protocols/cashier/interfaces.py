"""What the cashier asks of others, declared here and handed in by app.py."""

from typing import Protocol

from domain.fx import Quote


class Rates(Protocol):
    """Stored quotes; actors.rates.RateService is one."""

    async def quote(self, one: str, other: str) -> Quote:
        """The market quote between two assets; raises RatesUnavailable while there is none."""
        ...
