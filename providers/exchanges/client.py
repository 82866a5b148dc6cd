"""What the client of every exchange has: keys checked, rules kept, the time in milliseconds."""

from abc import ABC, abstractmethod
from typing import ClassVar

import trio

from actors.clock import Clock
from actors.exchanges import ExchangeRefused, KeyCheck, Keys, SymbolRules
from providers.exchanges.checked import Rights
from providers.exchanges.http import Http
from providers.exchanges.kept import Rules
from providers.exchanges.settings import Settings


class ExchangeClient(ABC):
    """Of one exchange, for everybody's keys. Safe to share between tasks."""

    platform: ClassVar[str]

    def __init__(self, settings: Settings, http: Http, clock: Clock) -> None:
        self._settings = settings
        self._http = http
        self._clock = clock
        self._rules = Rules(self._fetch_rules)

    async def check(self, keys: Keys) -> KeyCheck:
        """See `Exchange.check`. Keys are valid when what they may do is not refused."""
        began = trio.current_time()
        try:
            rights = await self._rights(keys)
        except ExchangeRefused:
            return KeyCheck(valid=False, latency_ms=_since(began))
        return KeyCheck(
            valid=True,
            latency_ms=_since(began),
            can_trade=rights.can_trade,
            can_withdraw=rights.can_withdraw,
        )

    async def rules(self, symbol: str) -> SymbolRules:
        """See `Exchange.rules`."""
        return await self._rules.of(symbol)

    @abstractmethod
    async def _rights(self, keys: Keys) -> Rights:
        """What the keys may do. Raises ExchangeRefused when they are not valid."""

    @abstractmethod
    async def _fetch_rules(self, symbol: str) -> SymbolRules:
        """As the exchange tells them now."""

    def _now_ms(self) -> int:
        return self._clock.now_us() // 1000


def _since(began: float) -> int:
    return round((trio.current_time() - began) * 1000)
