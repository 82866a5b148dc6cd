"""What the cashier asks of others, declared here and handed in by app.py."""

from typing import Protocol

from domain.fees import Chain
from domain.fx import Quote


class Rates(Protocol):
    """Stored quotes; actors.rates.Rates is one."""

    async def quote(self, one: str, other: str) -> Quote:
        """The market quote between two assets; raises RatesUnavailable while there is none."""
        ...


class Chains(Protocol):
    """The chains cryptocurrency comes in and goes out on."""

    def carries(self, chain: Chain, currency: str) -> bool:
        """Whether the currency comes in and goes out there."""
        ...

    async def deposit_address(self, user_id: int, chain: Chain) -> str:
        """The person's receiving address, always the same one (CASH-C58)."""
        ...

    def is_address(self, chain: Chain, text: str) -> bool:
        """Whether `text` is an address of the chain, its checksum included (CASH-C29)."""
        ...

    def confirmations(self, chain: Chain) -> int:
        """Blocks after which what arrived is credited."""
        ...
