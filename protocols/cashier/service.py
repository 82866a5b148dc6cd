"""The cashier's parts, as app.py puts them together; handlers and sessions work with these."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import trio

from actors.clock import Clock
from actors.feed import EventStore, Feeds
from actors.idempotency import Idempotency
from actors.ledger import Ledger
from actors.ledger_reads import AccountReads, LedgerReads
from actors.payments import Payments
from actors.people import People
from actors.rates import RatesUnavailable
from domain.fx import Quote, receive
from domain.ledger import AccountKey
from domain.money import units_of
from domain.partners import Partners
from protocols.cashier.errors import Problem, Refused
from protocols.cashier.interfaces import Chains, Rates
from protocols.expiry import Expiries


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What configuration may change (docs/configuration.md).

    `messages_per_second` is the size of a connection's bucket and what refills it (X-C20).
    `demo_balance` is the virtual balance of a DEMO account in units of USD (CASH-C17). A deposit
    address is appended to `qr_code_url` (CASH-C59). With `notify_agents` an agent is told of
    deposits and withdrawals waiting for them (CASH-C37); with `burn_tokens` a verification token
    is spent when it is first presented, whatever becomes of the request (CASH-C12). Minutes are
    those of `estimated_completion` (CASH-C63). `mpesa_largest`: units of shillings that M-Pesa
    moves at once.
    """

    messages_per_second: int = 60
    transfer_requires_verification: bool = False
    demo_balance: int = units_of("10000")
    notify_agents: bool = False
    burn_tokens: bool = False
    partner_minutes: int = 5
    crypto_minutes: int = 10
    mpesa_largest: int = units_of("250000")
    qr_code_url: str = "https://api.qrserver.com/v1/create-qr-code/?data="


@dataclass(frozen=True, slots=True, kw_only=True)
class Cashier:
    """Everything a request may need.

    `unavailable`: the exceptions by which storage says that it is away; nothing was moved then.
    Without `chains` the cashier takes and sends no cryptocurrency.
    """

    clock: Clock
    people: People
    ledger: Ledger
    accounts: AccountReads
    reads: LedgerReads
    rates: Rates
    partners: Partners
    payments: Payments
    idempotency: Idempotency
    feeds: Feeds
    events: EventStore
    sessions: Expiries
    unavailable: tuple[type[Exception], ...]
    chains: Chains | None = None
    settings: Settings = Settings()
    _opening: dict[AccountKey, trio.Lock] = field(default_factory=dict)

    async def quote(self, one: str, other: str) -> Quote:
        """The stored quote between two different assets."""
        try:
            return await self.rates.quote(one, other)
        except RatesUnavailable as error:
            raise Refused(Problem.UNAVAILABLE) from error

    async def in_usd(self, asset: str, units: int) -> int:
        """`units` of `asset` in USD at the current rate, rounded down to cents."""
        quote = await self.usd_quote(asset)
        return units if quote is None else receive(quote, asset, units).units

    async def usd_quote(self, asset: str) -> Quote | None:
        """The stored quote between `asset` and USD; None when it is USD itself."""
        return None if asset == "USD" else await self.quote(asset, "USD")

    @asynccontextmanager
    async def opening(self, key: AccountKey) -> AsyncIterator[None]:
        """One at a time: whether an account exists is found out before it is opened."""
        lock = self._opening.setdefault(key, trio.Lock())
        async with lock:
            try:
                yield
            finally:
                if not lock.statistics().tasks_waiting:
                    del self._opening[key]
