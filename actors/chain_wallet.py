"""The hot wallet of one chain: the only one who signs there, also for deposit addresses.

One actor a chain, resident. A withdrawal is stored as queued before it comes here; this actor
chooses its nonce or coins, signs, *stores what it signed*, and only then gives it to a node. From
then on it sends that transaction again, or one with the same nonce or coins and higher fees,
until the chain gives evidence; whatever a node answers, it never signs anything else for it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import msgspec
import structlog
import trio

from actors.chain_rail import (
    Accepted,
    ChainFacts,
    ChainUnavailable,
    Dead,
    Displaced,
    Included,
    Missing,
    Payer,
    Refused,
    Sighting,
    Waiting,
)
from actors.chain_store import ChainStore, Flight
from actors.clock import US, Clock
from actors.identity_store import StoreUnavailable
from actors.runtime.ask import Asks, Envelope
from actors.runtime.mailbox import Mailbox
from actors.runtime.serve import serve_timed
from domain.chains.table import Chain
from domain.chains.transfers import (
    SignedTransaction,
    Withdrawal,
    WithdrawalKind,
    WithdrawalState,
)

log = structlog.get_logger(__name__)

_LOOKED_AT_ONCE: Final = 100
_TOLD_AT_ONCE: Final = 100
# Withdrawals that are stored but were not announced here (their caller died) are found this soon.
_RELOAD_US: Final = 15 * US
# A node that did not answer is not asked to take the next transaction for this long: they would
# all wait for its timeout, one after the other.
_REST_US: Final = 5 * US
_MOST_DOUBLINGS: Final = 3
_LONGEST_PAUSE_US: Final = 60 * US


class Pay(Asks[Withdrawal | None], msgspec.Struct, frozen=True):
    """Pay the stored withdrawal of this id; the answer is where it stands then."""

    withdrawal_id: str


class Check(Asks[int]):
    """Look what became of what is open; the answer is how many still are."""


@dataclass(frozen=True, slots=True)
class WalletParts:
    """Handed to every hot wallet. Times are in seconds of the application clock.

    `bump_after_s`: how long a transaction may wait for a block before its fees are raised;
    `settled` is called after a block of the chain has decided one.
    """

    store: ChainStore
    facts: ChainFacts
    clock: Clock
    poll_s: float
    bump_after_s: float
    settled: Callable[[str], None]


class HotWallet:
    """State of one hot wallet: what is open, as it is stored."""

    def __init__(self, chain: Chain, payer: Payer, parts: WalletParts) -> None:
        self._chain = chain
        self._payer = payer
        self._parts = parts
        self._store = parts.store
        self._open: dict[str, Flight] = {}
        self._stale = True  # what is remembered may not be what is stored
        self._untold = True
        self._resting_until_us = 0
        self._loaded_us = 0
        self._failures = 0
        self._wake_at_us = parts.clock.now_us()

    @property
    def wake_at_us(self) -> int:
        """Part of actors.runtime.serve.Timed."""
        return self._wake_at_us

    async def recover(self) -> None:
        """Load every open withdrawal with everything signed for it."""
        flights = await self._store.flights(self._chain.key)
        self._open = {flight.withdrawal.id: flight for flight in flights}
        self._loaded_us = self._parts.clock.now_us()
        self._stale = False

    async def wake(self) -> None:
        """Pay what is queued, look after what is under way, tell what happened."""
        now_us = self._parts.clock.now_us
        pause_us = round(self._parts.poll_s * US)
        try:
            await self._look_after()
            self._failures = 0
        except (ChainUnavailable, StoreUnavailable) as error:
            log.warning("hot wallet waits", chain=self._chain.key, reason=str(error))
            self._failures += 1
            self._stale = True
            pause_us = min(pause_us << min(self._failures, _MOST_DOUBLINGS), _LONGEST_PAUSE_US)
        idle = not self._open and not self._stale and not self._untold
        self._wake_at_us = now_us() + (_RELOAD_US if idle else pause_us)

    async def handle(self, envelope: Envelope[Pay | Check]) -> object:
        """Part of actors.runtime.serve.Timed."""
        message = envelope.message
        if isinstance(message, Check):
            self._stale = True  # others have stored something, or may have
            await self.wake()
            return len(self._open)
        try:
            await self._pay_now(message.withdrawal_id)
            await self._tell()
        except (ChainUnavailable, StoreUnavailable) as error:
            log.warning("withdrawal waits", id=message.withdrawal_id, reason=str(error))
            self._stale = True
        self._wake_at_us = min(
            self._wake_at_us, self._parts.clock.now_us() + round(self._parts.poll_s * US)
        )
        try:
            return await self._store.withdrawal(message.withdrawal_id)
        except StoreUnavailable:
            return None

    async def _pay_now(self, withdrawal_id: str) -> None:
        if self._stale:
            await self.recover()
        flight = self._open.get(withdrawal_id)
        if flight is None:
            withdrawal = await self._store.withdrawal(withdrawal_id)
            if withdrawal is None or not withdrawal.is_open or withdrawal.chain != self._chain.key:
                return
            flight = self._open[withdrawal_id] = Flight(withdrawal)
        if not flight.versions:
            await self._start(flight)

    async def _look_after(self) -> None:
        now_us = self._parts.clock.now_us()
        if self._stale or now_us - self._loaded_us >= _RELOAD_US:
            await self.recover()
        if self._untold:
            await self._tell()
        under_way = [flight for flight in self._open.values() if flight.versions]
        for first in range(0, len(under_way), _LOOKED_AT_ONCE):
            flights = under_way[first : first + _LOOKED_AT_ONCE]
            sightings = await self._payer.look(flights)
            for flight, sighting in zip(flights, sightings, strict=True):
                await self._act(flight, sighting)
        for flight in [f for f in self._open.values() if not f.versions]:
            await self._start(flight)
        await self._tell()

    async def _start(self, flight: Flight) -> None:
        """Sign, store, send; in that order."""
        withdrawal = flight.withdrawal
        if self._waits_for_gas(withdrawal):
            return
        under_way = list(self._open.values())
        now_us = self._parts.clock.now_us()
        made = await self._payer.prepare(withdrawal, under_way, self._store, now_us)
        if isinstance(made, Refused):
            await self._end(withdrawal, WithdrawalState.REFUSED, reason=made.reason)
        elif isinstance(made, SignedTransaction):
            await self._keep(flight, made)
            await self._send(self._open[withdrawal.id])
        else:
            log.warning("withdrawal waits", id=withdrawal.id, reason=made.reason)

    def _waits_for_gas(self, withdrawal: Withdrawal) -> bool:
        return withdrawal.kind is WithdrawalKind.SWEEP and any(
            other.withdrawal.kind is WithdrawalKind.GAS
            and other.withdrawal.address == withdrawal.source
            for other in self._open.values()
        )

    async def _keep(self, flight: Flight, signed: SignedTransaction) -> None:
        """Nothing that is not stored is ever sent. What failed here may be stored all the same,
        so nothing else is done before it was read again."""
        self._stale = True
        await self._store.sign(self._chain.key, signed)
        self._stale = False
        state = WithdrawalState.SIGNED if not flight.versions else flight.withdrawal.state
        withdrawal = msgspec.structs.replace(flight.withdrawal, state=state, tx_hash=signed.tx_hash)
        self._open[withdrawal.id] = Flight(withdrawal, (*flight.versions, signed))

    async def _send(self, flight: Flight) -> None:
        """Give the newest version to a node; what a node refuses is in doubt all the same."""
        now_us = self._parts.clock.now_us()
        if now_us < self._resting_until_us:
            return
        newest = flight.versions[-1]
        delivery = await self._payer.send(newest)
        sent = msgspec.structs.replace(newest, sent_us=now_us)
        state = flight.withdrawal.state
        if isinstance(delivery, Accepted):
            await self._store.sent(newest, now_us)
            state = WithdrawalState.SENT
            self._untold = self._untold or state is not flight.withdrawal.state
        else:
            log.warning("in doubt", id=newest.withdrawal_id, reason=delivery.reason)
            self._resting_until_us = now_us + _REST_US
            await self._store.tried(newest, now_us)
        withdrawal = msgspec.structs.replace(flight.withdrawal, state=state)
        self._open[withdrawal.id] = Flight(withdrawal, (*flight.versions[:-1], sent))

    async def _act(self, flight: Flight, sighting: Sighting) -> None:
        withdrawal = flight.withdrawal
        match sighting:
            case Included():
                if sighting.confirmations >= self._chain.confirmations:
                    await self._included(withdrawal, sighting)
            case Waiting():
                await self._wait(flight)
            case Missing():
                # Nodes drop or refuse what pays too little: then higher fees help, too.
                if not await self._bump(flight):
                    await self._send(flight)
            case Dead(reason):
                await self._end(withdrawal, WithdrawalState.FAILED, reason=reason)
            case Displaced(reason):
                log.error("a transaction of unknown origin", id=withdrawal.id, reason=reason)
                await self._end(withdrawal, WithdrawalState.STUCK, reason=reason)

    async def _wait(self, flight: Flight) -> None:
        """A node has it; raise its fees when it has waited too long."""
        if flight.withdrawal.state is WithdrawalState.SIGNED:
            await self._store.sent(flight.versions[-1], self._parts.clock.now_us())
            sent = msgspec.structs.replace(flight.withdrawal, state=WithdrawalState.SENT)
            flight = self._open[sent.id] = Flight(sent, flight.versions)
            self._untold = True
        await self._bump(flight)

    async def _bump(self, flight: Flight) -> bool:
        """Raise its fees, if it has waited long enough for that; whether that was done."""
        now_us = self._parts.clock.now_us()
        if now_us - flight.versions[-1].signed_us < self._parts.bump_after_s * US:
            return False
        higher = await self._payer.bump(flight, now_us)
        if higher is None:
            return False
        await self._keep(flight, higher)
        await self._send(self._open[flight.withdrawal.id])
        return True

    async def _included(self, withdrawal: Withdrawal, seen: Included) -> None:
        await self._end(
            msgspec.structs.replace(withdrawal, tx_hash=seen.tx_hash),
            WithdrawalState.CONFIRMED if seen.succeeded else WithdrawalState.FAILED,
            reason="" if seen.succeeded else "reverted by the chain",
            block=seen.block,
            fee_raw=seen.fee_raw,
            gas_used=seen.gas_used,
        )

    async def _end(
        self,
        withdrawal: Withdrawal,
        state: WithdrawalState,
        *,
        reason: str,
        block: int = 0,
        fee_raw: int = 0,
        gas_used: int = 0,
    ) -> None:
        ended = msgspec.structs.replace(
            withdrawal, state=state, reason=reason, block=block, fee_raw=fee_raw, gas_used=gas_used
        )
        await self._store.settle(ended)
        self._open.pop(withdrawal.id, None)
        self._untold = True
        if block:
            self._parts.settled(self._chain.key)

    async def _tell(self) -> None:
        """Until everything was told; each fact is told again unless its teller came back."""
        key = self._chain.key
        while self._untold and (untold := await self._store.untold_withdrawals(key, _TOLD_AT_ONCE)):
            for withdrawal in untold:
                await self._parts.facts.withdrawal_changed(withdrawal)
                await self._store.told_withdrawal(withdrawal.id, withdrawal.state)
        self._untold = False


async def keep_wallet(
    wallet: HotWallet,
    mailbox: Mailbox[Pay | Check],
    clock: Clock,
    task_status: trio.TaskStatus[None],
) -> None:
    """Serve one hot wallet; its registry starts and restarts it."""
    await wallet.recover()
    task_status.started()
    await serve_timed(mailbox, wallet, clock)
