"""What people have at exchanges by the ledger, and what it is worth in rand (AMKT-C31, C32)."""

from collections.abc import Mapping
from typing import Final, Protocol

from actors.ledger_reads import AccountReads
from domain.fx import Quote, receive
from domain.money import UNIT_DECIMALS, round_down

RAND: Final = "ZAR"


class Quotes(Protocol):
    """Stored quotes; actors.rates.RateService is one."""

    async def quote(self, one: str, other: str) -> Quote:
        """The market quote between two assets; raises RatesUnavailable while there is none."""
        ...


class Holdings:
    """Reads only; the ledger is asked each time."""

    def __init__(self, accounts: AccountReads, rates: Quotes) -> None:
        self._accounts = accounts
        self._rates = rates

    async def of(self, user_id: int) -> dict[str, dict[str, int]]:
        """Units that may be spent, by platform and asset; raises what storage raises."""
        held: dict[str, dict[str, int]] = {}
        for account in await self._accounts.owned_by(user_id):
            key = account.key
            if key.purpose == "TRADING" and key.mode == "REAL" and key.provider:
                held.setdefault(key.provider, {})[key.asset] = max(0, account.available)
        return held

    async def total_in_rand(self, held: Mapping[str, Mapping[str, int]]) -> int:
        """Units of ZAR that all of it is worth, cut to cents; raises RatesUnavailable."""
        total = 0
        for amounts in held.values():
            for asset, units in amounts.items():
                total += await self.in_rand(asset, units)
        return round_down(total, 2)

    async def in_rand(self, asset: str, units: int) -> int:
        """Units of ZAR that `units` of `asset` are worth; of nothing nobody asks the price."""
        if asset == RAND or not units:
            return units
        quote = await self._rates.quote(asset, RAND)
        worth = receive(quote, asset, abs(units), UNIT_DECIMALS).units
        return -worth if units < 0 else worth
