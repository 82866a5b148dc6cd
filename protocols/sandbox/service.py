"""What sandbox control works with, handed in by app.py; simulators by what is asked of them."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Protocol

from actors.clock import Clock
from actors.ledger import Ledger
from actors.ledger_reads import AccountReads
from actors.people import People


class Messages(Protocol):
    """What was sent to people."""

    def messages(self, to: str | None = None) -> list[Any]: ...


class MpesaControl(Protocol):
    """The simulated M-Pesa."""

    def operations(self, *, phone: str = "", target: str = "") -> list[dict[str, Any]]: ...

    async def callback(self, reference: str, outcome: str) -> bool: ...


class RateControl(Protocol):
    """The simulated rate source."""

    def set_rate(self, pair: str, rate: Decimal) -> None: ...


class ChainControl(Protocol):
    """The simulated chains. Raises ValueError for what there is not on the chain."""

    async def deposit(self, chain: str, address: str, symbol: str, amount: Decimal) -> str: ...

    async def reorg(self, chain: str, depth: int, *, drop: bool = False) -> None: ...

    async def skip(self, chain: str, blocks: int) -> None: ...


class MarketControl(Protocol):
    """The simulated exchanges; ValueError says what is wrong."""

    def set_price(self, platform: str, symbol: str, price: Decimal) -> None: ...

    def play(self, platform: str, symbol: str, script: str) -> None: ...


class AccountLocks(Protocol):
    """Locks an account's debits by number."""

    async def set_locked(self, number: str, locked: bool) -> bool: ...


FaultSwitch = Callable[[str, float | None, int | None], Awaitable[None]]
"""Plays a fault (down, slow, error) for so many seconds or times; ValueError if it cannot."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sandbox:
    """Everything the control endpoints need.

    `unavailable`: the exceptions by which storage says that it is away.
    """

    clock: Clock
    people: People
    ledger: Ledger
    accounts: AccountReads
    locks: AccountLocks
    messages: Messages
    mpesa: MpesaControl
    set_rule: Callable[[Mapping[str, Any]], Awaitable[None]]
    rates: RateControl
    chains: ChainControl
    markets: MarketControl
    faults: Mapping[str, FaultSwitch]
    fail_bot: Callable[[str, int], Awaitable[bool]]
    keep_clock: Callable[[int], Awaitable[None]]
    verify: Callable[[], Awaitable[Any]]
    unavailable: tuple[type[Exception], ...]
