"""The chain rail: addresses to receive on, deposits found, withdrawals paid.

For whoever keeps the books. Deposits and the fates of withdrawals are told to a `ChainFacts`;
amounts asked for are in units of 10⁻⁸, exactly; nothing here touches the ledger.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol

import structlog
import trio

from actors.chain_rail import ChainEnds, ChainFacts, ChainUnavailable, Refused
from actors.chain_store import ChainStore, Owner
from actors.chain_wallet import Check, HotWallet, Pay, WalletParts, keep_wallet
from actors.chain_watcher import Expect, Look, Watcher, WatcherParts, watch
from actors.clock import Clock
from actors.runtime.ask import ask
from actors.runtime.failures import Failure
from actors.runtime.mailbox import Mailbox
from actors.runtime.registry import Registry
from domain.chains.addresses import canonical
from domain.chains.amounts import credited, raw_of
from domain.chains.table import CHAINS, Chain, Family
from domain.chains.tokens import Token, TokenTable
from domain.chains.transfers import Withdrawal, WithdrawalState

log = structlog.get_logger(__name__)

# A thousand payouts at once are queued; what finds no place stays stored and is found later.
_WALLET_CAPACITY: Final = 1_024
_WATCHER_CAPACITY: Final = 16
_RELEASE_S: Final = 60.0  # how long a chain whose actor crashed too often is left alone


class Addresses(Protocol):
    """Derives addresses; implemented by providers.hdwallet."""

    def address(self, family: Family, owner: int, purpose: str = "user") -> str: ...


@dataclass(frozen=True, slots=True)
class Sent:
    """Signed, stored, and a node has it. `tx_hash` may still be replaced by a fee bump."""

    tx_hash: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """Accepted and stored; it will be paid once, and told. `tx_hash` is "" before it is signed.

    Never void its hold without a fact."""

    tx_hash: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainRailParts:
    """What the rail is made of. Seconds are of the application clock."""

    store: ChainStore
    addresses: Addresses
    tokens: TokenTable
    facts: ChainFacts
    clock: Clock
    poll_s: float = 2.0
    bump_after_s: float = 60.0


class ChainRail:
    """One instance; app.py runs `run` under its supervisor. `ends` are the chains in use."""

    def __init__(self, parts: ChainRailParts, ends: Mapping[str, ChainEnds]) -> None:
        self._parts = parts
        self._ends = ends
        self._watchers: Registry[str, Look | Expect] = Registry(
            "chain watchers", self._watch, jitter=random.random, capacity=_WATCHER_CAPACITY
        )
        self._wallets: Registry[str, Pay | Check] = Registry(
            "hot wallets", self._keep, jitter=random.random, capacity=_WALLET_CAPACITY
        )

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Watch and pay on every chain until stopped. An unreachable chain is no obstacle."""
        async with trio.open_nursery() as nursery:
            await nursery.start(self._watchers.run)
            await nursery.start(self._wallets.run)
            self._start_all()
            nursery.start_soon(self._release_crashed)
            task_status.started()

    async def _release_crashed(self) -> None:
        while True:
            await trio.sleep(_RELEASE_S)
            for registry in (self._watchers, self._wallets):
                for key in registry.quarantined:
                    registry.release(key)
            self._start_all()

    def _start_all(self) -> None:
        for key in self._ends:
            self._watchers.start(key)
            self._wallets.start(key)

    def token(self, chain: str, symbol: str) -> Token | None:
        """The token on that chain; None when the pair is not carried (400 UNSUPPORTED_TOKEN)."""
        return self._parts.tokens.get((chain, symbol)) if chain in self._ends else None

    def canonical(self, chain: str, address: str) -> str | None:
        """The one spelling of an address; None when it is not one on that chain (CASH-C29)."""
        return canonical(chain, address)

    async def address_of(
        self, owner: int, chain: str, purpose: str = "user", number: int | None = None
    ) -> str:
        """Where `owner` receives on `chain`, for ever the same. Raises StoreUnavailable.

        It is watched from the moment this returns, and at once more often than others. `number`
        is what it is derived by, the owner's id unless given.
        """
        family = CHAINS[chain].family
        derived_by = owner if number is None else number
        address = self._parts.addresses.address(family, derived_by, purpose)
        await self.adopt(owner, chain, address, purpose)
        if chain in self._ends:
            self._watchers.ref(chain).send(Expect())
        return address

    def chain(self, key: str) -> Chain | None:
        """A chain in use, with its confirmations here."""
        ends = self._ends.get(key)
        return None if ends is None else ends.chain

    async def owner_of(self, chain: str, address: str) -> Owner | None:
        """Whose address that is, if it is anybody's here. Raises StoreUnavailable."""
        spelled = canonical(chain, address)
        if spelled is None:
            return None
        owners = await self._parts.store.owners(CHAINS[chain].family, [spelled])
        return owners.get(spelled)

    def takes(self, chain: str, address: str) -> bool:
        """Whether something can be sent there: no address of the rail itself or of a token."""
        spelled = canonical(chain, address)
        contracts = (t.contract for (key, _), t in self._parts.tokens.items() if key == chain)
        return (
            spelled is not None
            and spelled != self.hot_address(chain)
            and (spelled not in contracts)
        )

    @property
    def chains(self) -> tuple[str, ...]:
        """The chains in use."""
        return tuple(self._ends)

    def carries(self, chain: str) -> bool:
        """Whether the chain is in use."""
        return chain in self._ends

    async def adopt(self, owner: int, chain: str, address: str, purpose: str = "user") -> None:
        """Watch an address whose key is elsewhere. Raises StoreUnavailable."""
        now_us = self._parts.clock.now_us()
        family = CHAINS[chain].family
        await self._parts.store.register(family, address, Owner(owner, purpose), now_us)

    def hot_address(self, chain: str) -> str:
        """Where withdrawals leave from, and what the operator keeps funded."""
        return self._ends[chain].payer.address

    async def fee(self, chain: str, symbol: str) -> int | None:
        """What a payment would cost now, in units of the chain's own coin; None if unknown."""
        try:
            raw = await self._ends[chain].payer.fee(symbol)
        except ChainUnavailable:
            return None
        native = self._parts.tokens.get((chain, CHAINS[chain].native))
        # Own coins that are none of ours (POL, BNB …) all have eighteen decimals.
        return credited(raw, native)[0] if native else raw // 10**10

    async def broadcast(
        self,
        withdrawal_id: str,
        chain: str,
        symbol: str,
        address: str,
        units: int,
        deadline: float,
    ) -> Sent | Refused | Unknown:
        """Pay `units` to `address`, once for each `withdrawal_id`, however often it is asked.

        Refused: nothing was paid and nothing will be. Unknown: nothing may be concluded; its
        facts will be told. Asked again, it says how the withdrawal stands. Raises
        StoreUnavailable when it may not even have been stored: ask again.
        """
        draft = self._draft(withdrawal_id, chain, symbol, address, units)
        if isinstance(draft, Refused):
            return draft
        stored = await self._parts.store.add(draft)
        if not _same(stored, draft):
            return Refused("this withdrawal id was used for another payment")
        if stored.state is WithdrawalState.QUEUED:
            answer = await ask(self._wallets.ref(chain), Pay(withdrawal_id), deadline)
            if isinstance(answer, Withdrawal):
                stored = answer
            elif isinstance(answer, Failure):
                log.info("withdrawal queued", id=withdrawal_id, reason=answer.value)
        return _answer(stored)

    async def status(self, withdrawal_id: str) -> Withdrawal | None:
        """As it is stored; None when it was never asked for. Raises StoreUnavailable."""
        return await self._parts.store.withdrawal(withdrawal_id)

    async def look(self, chain: str, deadline: float) -> None:
        """Read the chain and look after withdrawals now, rather than at the next poll."""
        await ask(self._watchers.ref(chain), Look(), deadline)
        await ask(self._wallets.ref(chain), Check(), deadline)

    def tell(self, chain: str) -> None:
        """Something was stored that the chain's watcher did not find: deposits, or a settled
        payment. Never waits; it finds them at its next start if it cannot be told now."""
        if chain in self._ends:
            self._watchers.ref(chain).send(Look())

    def stored(self, chain: str) -> None:
        """Something to pay was stored that the chain's wallet does not know of. Never waits; what
        a full mailbox refuses is found at the wallet's next reload."""
        self._wallets.ref(chain).send(Check())

    def _draft(
        self, withdrawal_id: str, chain: str, symbol: str, address: str, units: int
    ) -> Withdrawal | Refused:
        token = self.token(chain, symbol)
        if token is None:
            return Refused(f"{symbol} is not carried on {chain}")
        to = canonical(chain, address)
        if to is None or to == self.hot_address(chain) or to == token.contract:
            return Refused("invalid address")
        raw = raw_of(units, token)
        if raw is None or raw <= 0:
            return Refused("invalid amount")
        return Withdrawal(
            id=withdrawal_id,
            chain=chain,
            token=symbol,
            address=to,
            amount_raw=raw,
            state=WithdrawalState.QUEUED,
            created_us=self._parts.clock.now_us(),
        )

    async def _watch(
        self, key: str, mailbox: Mailbox[Look | Expect], /, *, task_status: trio.TaskStatus[None]
    ) -> None:
        parts = self._parts
        own = WatcherParts(
            store=parts.store,
            tokens=parts.tokens,
            facts=parts.facts,
            clock=parts.clock,
            poll_s=parts.poll_s,
            reopened=self.stored,
            jitter=random.random,
        )
        ends = self._ends[key]
        await watch(Watcher(ends.chain, ends.source, own), mailbox, parts.clock, task_status)

    async def _keep(
        self, key: str, mailbox: Mailbox[Pay | Check], /, *, task_status: trio.TaskStatus[None]
    ) -> None:
        parts = self._parts
        own = WalletParts(
            parts.store, parts.facts, parts.clock, parts.poll_s, parts.bump_after_s, self.tell
        )
        ends = self._ends[key]
        await keep_wallet(HotWallet(ends.chain, ends.payer, own), mailbox, parts.clock, task_status)


def _same(stored: Withdrawal, draft: Withdrawal) -> bool:
    return (stored.chain, stored.token, stored.address, stored.amount_raw) == (
        draft.chain,
        draft.token,
        draft.address,
        draft.amount_raw,
    )


def _answer(stored: Withdrawal) -> Sent | Refused | Unknown:
    match stored.state:
        case WithdrawalState.REFUSED | WithdrawalState.FAILED:
            return Refused(stored.reason)
        case WithdrawalState.SENT | WithdrawalState.CONFIRMED:
            return Sent(stored.tx_hash)
        case _:
            return Unknown(stored.tx_hash)
