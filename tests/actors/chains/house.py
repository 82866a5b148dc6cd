"""A rail on simulated chains over loopback, on a real database, with time in the test's hands.

Blocks are made by `block()`, never by themselves; watchers and wallets look when `look()` says so.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import trio
import trio.testing

from actors.chain_rail import ChainEnds, ChainFacts, Refused
from actors.chain_sweeps import Sweeps
from actors.chains import ChainRail, ChainRailParts, Sent, Unknown
from actors.clock import Clock
from domain.chains.table import CHAINS, Chain
from domain.chains.transfers import Deposit, Withdrawal
from domain.fx import Quote
from domain.money import units_of
from providers.chain_ends import ChainSettings, chain_ends
from providers.hdwallet.wallet import HdWallet
from providers.sandbox.chains.simulator import ChainSimulators
from providers.sandbox.fault import Fault
from providers.trust import authorities
from storage.chain_sweeps import PostgresSweeps
from storage.chains import PostgresChains
from storage.pool import Pool

WORDS = (
    "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about"
)
ALICE, BOB = 12345, 67890
NEVER_S = 100_000.0  # polls: the test looks instead


class Ledger(ChainFacts):
    """Whoever keeps the books: remembers what it was told, and may fail once."""

    def __init__(self) -> None:
        self.deposits: list[Deposit] = []
        self.withdrawals: list[Withdrawal] = []
        self.fail: Exception | None = None

    async def deposit_changed(self, deposit: Deposit) -> None:
        self._maybe_fail()
        self.deposits.append(deposit)

    async def withdrawal_changed(self, withdrawal: Withdrawal) -> None:
        self._maybe_fail()
        self.withdrawals.append(withdrawal)

    def _maybe_fail(self) -> None:
        if self.fail is not None:
            fail, self.fail = self.fail, None
            raise fail

    @property
    def credited(self) -> list[tuple[int, str, int]]:
        """Owner, token, units of everything that is to be credited, once each."""
        done = {d.key: d for d in self.deposits if d.state.value == "confirmed"}
        return [(d.owner, d.token, d.units) for d in done.values()]

    def states(self) -> list[str]:
        return [deposit.state.value for deposit in self.deposits]

    def fates(self) -> list[str]:
        return [withdrawal.state.value for withdrawal in self.withdrawals]


class Prices:
    """What things are worth, about."""

    async def quote(self, one: str, other: str) -> Quote:
        rate = {"ETH": "3000", "BTC": "40000"}.get(one, "1")
        return Quote(id=1, base=one, quote=other, rate=units_of(rate), at_us=0)


@dataclass
class House:
    sims: ChainSimulators
    pool: Pool
    wallet: HdWallet
    settings: dict[str, ChainSettings]
    fault: Fault
    time: list[float]
    clock: Clock
    http: httpx.AsyncClient
    facts: Ledger = field(default_factory=Ledger)
    rail: ChainRail = None  # type: ignore[assignment]
    sweeps: Sweeps = None  # type: ignore[assignment]
    ends: dict[str, ChainEnds] = field(default_factory=dict)
    _scope: trio.CancelScope | None = None

    def start(self, nursery: trio.Nursery) -> Callable[[], object]:
        """A rail in `nursery`; returns what ends it, as a crash would."""
        parts = ChainRailParts(
            store=PostgresChains(self.pool),
            addresses=self.wallet,
            tokens=self.sims.tokens,
            facts=self.facts,
            clock=self.clock,
            poll_s=NEVER_S,
            bump_after_s=60.0,
        )
        ends = {
            key: chain_ends(CHAINS[key], s, self.http, self.sims.tokens, self.wallet)
            for key, s in self.settings.items()
        }
        self.rail = ChainRail(parts, ends)
        self.ends = ends
        self.sweeps = Sweeps(
            PostgresSweeps(self.pool),
            ends,
            self.sims.tokens,
            self.wallet,
            Prices(),
            self.rail,
            self.clock,
        )
        scope = trio.CancelScope()

        async def run(*, task_status: trio.TaskStatus[None]) -> None:
            with scope:
                await self.rail.run(task_status=task_status)

        self._run = run
        self._nursery = nursery
        self._scope = scope
        return scope.cancel

    async def begin(self, nursery: trio.Nursery) -> None:
        self.start(nursery)
        await nursery.start(self._run)
        for chain in self.settings:
            await self.look(chain)

    async def restart(self) -> None:
        """End the rail without any goodbye and start another on the same database."""
        assert self._scope is not None
        self._scope.cancel()
        for registry in (self.rail._wallets, self.rail._watchers):
            for child in registry._supervisor._children.values():
                child.scope.cancel()  # whoever stops with a goodbye has seconds to finish
        await trio.testing.wait_all_tasks_blocked()
        await self.begin(self._nursery)

    def block(self, count: int = 1) -> None:
        """That many blocks are made on every chain."""
        self.time[0] += count

    async def look(self, chain: str) -> None:
        await self.rail.look(chain, trio.current_time() + 20)

    async def settle(self, chain: str, blocks: int = 12) -> None:
        """Blocks one by one, looking after each."""
        for _ in range(blocks):
            self.block()
            await self.look(chain)

    async def pay(
        self, chain: str, token: str, to: str, units: int, ref: str = "W1"
    ) -> Sent | Refused | Unknown:
        deadline = trio.current_time() + 20
        return await self.rail.broadcast(ref, chain, token, to, units, deadline)

    def chain(self, key: str) -> Chain:
        return CHAINS[key]


@asynccontextmanager
async def opened(
    pool: Pool, *chains: str, folder: Path | None = None, timeout_s: float = 10.0
) -> AsyncIterator[House]:
    """A house with those chains, whose hot wallets have plenty."""
    time = [1_750_000_000.0]
    clock = Clock()
    fault = Fault(clock.now_us)
    sims = ChainSimulators(folder, fault, now=lambda: time[0])
    wallet = HdWallet(WORDS, collects=True)
    async with (
        httpx.AsyncClient(verify=authorities(), trust_env=False) as http,
        trio.open_nursery() as nursery,
    ):
        port: int = await nursery.start(sims.serve)
        settings = {key: _settings(key, port, timeout_s) for key in chains}
        for key in chains:
            await sims.endow(key, wallet.hot(CHAINS[key].family).address)
        house = House(sims, pool, wallet, settings, fault, time, clock, http)
        await house.begin(nursery)
        yield house
        nursery.cancel_scope.cancel()


def _settings(key: str, port: int, timeout_s: float) -> ChainSettings:
    path = key if key in ("tron", "bitcoin") else f"evm/{key}"
    return ChainSettings(url=f"http://127.0.0.1:{port}/{path}", timeout_s=timeout_s)
