"""The watcher of one chain: reads every block once, finds what came to our addresses, tells it.

One actor a chain, resident, with a time of its own. It remembers the newest hashes; a block that
does not continue them means that the chain was reorganised, and it steps back to where both agree,
taking back what was found above. What it found and how far it read are written together, so that
after a crash it reads a little again and finds the same.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
import structlog
import trio

from actors.chain_rail import (
    Block,
    BlockSource,
    ChainFacts,
    ChainUnavailable,
    Incoming,
    Outcome,
    Tip,
)
from actors.chain_store import ChainStore, Cursor, Owner
from actors.clock import US, Clock
from actors.identity_store import StoreUnavailable
from actors.runtime.ask import Asks, Envelope
from actors.runtime.mailbox import Mailbox
from actors.runtime.serve import serve_timed
from domain.chains.amounts import credited
from domain.chains.table import Chain
from domain.chains.tokens import TokenTable
from domain.chains.transfers import Deposit, DepositState

log = structlog.get_logger(__name__)

# A reorganisation deeper than this is beyond what any of the chains calls final.
WINDOW: Final = 128
_LOOK_BACK: Final = 16
_BLOCKS_AT_ONCE: Final = 50
# Nothing found: how far it read is written this often, which bounds what is read again.
_CHECKPOINT_US: Final = 60 * US
_TOLD_AT_ONCE: Final = 100
# A node that does not answer is asked again soon enough for whoever waits.
_MOST_DOUBLINGS: Final = 3
_LONGEST_PAUSE_US: Final = 60 * US
# Nodes are paid by the question: an idle chain is asked every fourth time.
_IDLE_POLLS: Final = 4
_SPREAD: Final = 0.5  # of the time between two such questions
_EXPECTING_US: Final = 1800 * US  # how soon somebody pays who has asked where to


class Look(Asks[int]):
    """Read what there is now; the answer is the block it has read up to."""


class Expect(Asks[int]):
    """Somebody was just told an address to pay to there; answered as Look."""


@dataclass(frozen=True, slots=True)
class WatcherParts:
    """Handed to every watcher. `poll_s` is in seconds of the application clock; `reopened` is
    called when payments of a chain are open again because their blocks were dropped; `jitter`
    gives numbers from 0 to 1."""

    store: ChainStore
    tokens: TokenTable
    facts: ChainFacts
    clock: Clock
    poll_s: float
    reopened: Callable[[str], None]
    jitter: Callable[[], float]


class Watcher:
    """State of one watcher; see the module."""

    def __init__(self, chain: Chain, source: BlockSource, parts: WatcherParts) -> None:
        self._chain = chain
        self._source = source
        self._parts = parts
        self._store = parts.store
        self._hashes: list[str] = []  # of the blocks up to _block, oldest first
        self._block = 0
        self._written_us = 0
        self._unsettled: int | None = None  # block of the oldest deposit that is only seen
        self._untold = False
        self._failures = 0
        self._expecting_until_us = 0
        self._wake_at_us = parts.clock.now_us()

    @property
    def wake_at_us(self) -> int:
        """Part of actors.runtime.serve.Timed."""
        return self._wake_at_us

    async def recover(self) -> None:
        """Load where it was. A chain never read before is read from now on."""
        cursor = await self._store.cursor(self._chain.key)
        self._block, self._hashes = (cursor.block, list(cursor.hashes)) if cursor else (0, [])
        self._unsettled = await self._store.earliest_seen(self._chain.key)
        self._untold = True

    async def wake(self) -> None:
        """Read on; an unreachable chain or database is asked again, ever more rarely."""
        parts = self._parts
        try:
            await self._read()
            self._failures = 0
            pause_us = self._pause_us()
        except (ChainUnavailable, StoreUnavailable) as error:
            self._failures += 1
            log.warning("chain not read", chain=self._chain.key, reason=str(error))
            pause_us = min(
                round(parts.poll_s * US) << min(self._failures, _MOST_DOUBLINGS), _LONGEST_PAUSE_US
            )
            await self._forget()
        self._wake_at_us = parts.clock.now_us() + pause_us

    def _pause_us(self) -> int:
        """A chain on which nothing is under way or expected is read more rarely, and not always
        with all others at once: whoever asked for something then would wait for all of them."""
        now_us, poll_us = self._parts.clock.now_us(), round(self._parts.poll_s * US)
        busy = self._unsettled is not None or now_us < self._expecting_until_us
        if busy:
            return poll_us
        return round(_IDLE_POLLS * poll_us * (1 + (self._parts.jitter() - 0.5) * _SPREAD))

    async def handle(self, envelope: Envelope[Look | Expect]) -> object:
        """Part of actors.runtime.serve.Timed."""
        if isinstance(envelope.message, Expect):
            self._expecting_until_us = self._parts.clock.now_us() + _EXPECTING_US
        self._untold = True  # perhaps: what is settled on us is not found in any block
        # A payment may have been settled by a block whose dropping must be seen after a crash.
        self._written_us = 0
        await self.wake()
        return self._block

    async def _forget(self) -> None:
        """What was written may not be what is remembered: load it again, if that works now."""
        try:
            await self.recover()
        except StoreUnavailable:
            self._hashes = []

    async def _read(self) -> None:
        if not self._hashes:
            await self.recover()
        if self._untold:
            await self._tell()
        tip = await self._source.tip()
        if not self._hashes:
            await self._begin(tip)
        if self._block >= tip.number and not self._is_known(tip):
            await self._step_back(tip.number)
        while self._block < tip.number:
            last = min(tip.number, self._block + _BLOCKS_AT_ONCE)
            if not await self._take(await self._source.blocks(self._block + 1, last)):
                await self._step_back(tip.number)
        await self._confirm()

    async def _begin(self, tip: Tip) -> None:
        """Start a little before now, so that there is something to step back to."""
        first = max(tip.number - _LOOK_BACK, 0)
        known = await self._source.hash_at(first)
        if known is None:
            raise ChainUnavailable("the chain's blocks are not all there")
        await self._advance(first, [known], [])

    def _is_known(self, tip: Tip) -> bool:
        back = self._block - tip.number
        return back < len(self._hashes) and self._hashes[-1 - back] == tip.hash

    async def _step_back(self, tip: int) -> None:
        """Undo what the chain has dropped: remembered blocks that are not its own any more.

        Raises ChainUnavailable when there are none: the node contradicts itself.
        """
        block, hashes = self._block, list(self._hashes)
        while hashes and (block > tip or await self._source.hash_at(block) != hashes[-1]):
            hashes.pop()
            block -= 1
        if block == self._block:
            raise ChainUnavailable("the node's blocks do not fit together")
        if not hashes:
            block = max(min(block, tip), 0)
            log.error("chain reorganised beyond the window", chain=self._chain.key, block=block)
            known = await self._source.hash_at(block)
            if known is None:
                raise ChainUnavailable("the chain's blocks are not all there")
            hashes = [known]
        log.warning("chain reorganised", chain=self._chain.key, above=block, was_at=self._block)
        cursor = Cursor(block, tuple(hashes))
        if await self._store.retract(self._chain.key, block, cursor):
            self._parts.reopened(self._chain.key)
        self._block, self._hashes = block, hashes
        self._unsettled = await self._store.earliest_seen(self._chain.key)
        self._untold = True
        await self._tell()

    async def _take(self, blocks: Sequence[Block]) -> bool:
        """Read blocks that continue what is known; False when the first one does not."""
        known, found, hashes = self._hashes[-1], [], []
        for block in blocks:
            if block.parent != known:
                break
            found += [(block, incoming) for incoming in block.incoming]
            known = block.hash
            hashes.append(block.hash)
        if hashes:
            await self._advance(self._block + len(hashes), hashes, await self._ours(found))
        return bool(hashes)

    async def _ours(self, found: list[tuple[Block, Incoming]]) -> list[Deposit]:
        if not found:
            return []
        addresses = {incoming.address for _, incoming in found}
        owners = await self._store.owners(self._chain.family, addresses)
        ours = [each for each in found if each[1].address in owners and each[1].amount_raw > 0]
        if not ours:
            return []
        # Gas that we sent to an address of a customer is no deposit of theirs.
        hashes = {incoming.tx_hash for _, incoming in ours}
        moves = await self._store.moves(self._chain.key, hashes)
        deposits = []
        for block, incoming in ours:
            if incoming.tx_hash in moves:
                continue
            owner = owners[incoming.address]
            outcome = await self._source.outcome(incoming.tx_hash)
            if incoming.proven or outcome.succeeded:
                deposits.append(_deposit(self._chain.key, block, incoming, owner, outcome))
        return deposits

    async def _advance(self, block: int, hashes: list[str], found: list[Deposit]) -> None:
        hashes = [*self._hashes, *hashes][-WINDOW:]
        now_us = self._parts.clock.now_us()
        if found or now_us - self._written_us >= _CHECKPOINT_US:
            cursor = Cursor(block, tuple(hashes))
            await self._store.advance(self._chain.key, cursor, found, now_us)
            self._written_us = now_us
        if found:
            first = found[0].block
            self._unsettled = first if self._unsettled is None else min(self._unsettled, first)
            self._untold = True
        self._block, self._hashes = block, hashes

    async def _confirm(self) -> None:
        """What is deep enough is confirmed, and counted with the dust there was."""
        deep = self._block - self._chain.confirmations + 1
        if self._unsettled is not None and self._unsettled <= deep:
            key = self._chain.key
            await self._store.mature(key, deep, self._credit, self._parts.clock.now_us())
            self._unsettled = await self._store.earliest_seen(key)
            self._untold = True
        if self._untold:
            await self._tell()

    def _credit(self, token: str, raw: int) -> tuple[int, int]:
        return credited(raw, self._parts.tokens[self._chain.key, token])

    async def _tell(self) -> None:
        """Until everything was told; each fact is told again unless its teller came back."""
        key = self._chain.key
        while untold := await self._store.untold_deposits(key, _TOLD_AT_ONCE):
            for deposit in untold:
                depth = max(self._block - deposit.block + 1, 0)
                await self._parts.facts.deposit_changed(_with_depth(deposit, depth))
                await self._store.told_deposit(deposit.id, deposit.state)
        self._untold = False


def _deposit(
    chain: str, block: Block, incoming: Incoming, owner: Owner, outcome: Outcome
) -> Deposit:
    return Deposit(
        id=0,
        chain=chain,
        token=incoming.token,
        tx_hash=incoming.tx_hash,
        ordinal=incoming.ordinal,
        address=incoming.address,
        owner=owner.id,
        purpose=owner.purpose,
        amount_raw=incoming.amount_raw,
        block=block.number,
        block_hash=block.hash,
        state=DepositState.SEEN,
        sender=incoming.sender,
        gas_used=outcome.gas_used,
        fee_raw=outcome.fee_raw,
    )


def _with_depth(deposit: Deposit, depth: int) -> Deposit:
    return msgspec.structs.replace(deposit, confirmations=depth)


async def watch(
    watcher: Watcher,
    mailbox: Mailbox[Look | Expect],
    clock: Clock,
    task_status: trio.TaskStatus[None],
) -> None:
    """Serve one watcher; its registry starts and restarts it."""
    await watcher.recover()
    task_status.started()
    await serve_timed(mailbox, watcher, clock)
