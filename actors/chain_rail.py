"""What the chains' actors ask of chains, and what they tell those who use the rail.

`providers/evm`, `providers/tron` and `providers/bitcoin` implement `BlockSource` and `Payer` for
one chain each; app.py hands them in. Whoever keeps the books implements `ChainFacts`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import msgspec

from actors.chain_store import Flight, WithdrawalStore
from domain.chains.table import Chain
from domain.chains.transfers import Deposit, SignedTransaction, Withdrawal


class ChainUnavailable(Exception):
    """No node gave an answer that can be used; nothing is known about what was asked."""


# --- reading -----------------------------------------------------------------------------------


class Tip(msgspec.Struct, frozen=True):
    """The newest block."""

    number: int
    hash: str


class Incoming(msgspec.Struct, frozen=True, gc=False):
    """One transfer in a block, to anybody; see domain.chains.transfers.Deposit.

    `proven`: False when the block does not tell whether its transaction succeeded. `sender` is
    "" where there is no single one (Bitcoin).
    """

    tx_hash: str
    token: str
    ordinal: int
    address: str
    amount_raw: int
    proven: bool = True
    sender: str = ""


class Outcome(msgspec.Struct, frozen=True, gc=False):
    """What became of an included transaction; `fee_raw` is in units of the chain's own coin."""

    succeeded: bool
    gas_used: int = 0
    fee_raw: int = 0


class Block(msgspec.Struct, frozen=True):
    """One block and every transfer in it of a token of ours."""

    number: int
    hash: str
    parent: str
    incoming: tuple[Incoming, ...] = ()


class BlockSource(Protocol):
    """Reads one chain. Every method raises ChainUnavailable."""

    async def tip(self) -> Tip: ...

    async def blocks(self, first: int, last: int) -> Sequence[Block]:
        """Blocks `first` to `last`, each consistent in itself; fewer when there are no more."""
        ...

    async def hash_at(self, number: int) -> str | None:
        """Hash of the block of that number now, None when the chain is not as long."""
        ...

    async def outcome(self, tx_hash: str) -> Outcome:
        """Whether an included transaction did what it says, and what it cost its sender."""
        ...


# --- paying ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Refused:
    """Nothing was signed, and will not be."""

    reason: str


@dataclass(frozen=True, slots=True)
class NotNow:
    """Nothing was signed yet; try again later. `reason` is for operators."""

    reason: str


@dataclass(frozen=True, slots=True)
class Accepted:
    """A node has the transaction."""


@dataclass(frozen=True, slots=True)
class InDoubt:
    """Whether a node has the transaction is unknown, or it refused it: the same one is sent
    again, and no other in its place."""

    reason: str


@dataclass(frozen=True, slots=True)
class Included:
    """In a block. `confirmations` count that block; `fee_raw` is in units of the own coin."""

    tx_hash: str
    block: int
    confirmations: int
    succeeded: bool
    fee_raw: int
    gas_used: int = 0


@dataclass(frozen=True, slots=True)
class Waiting:
    """A node has it, no block yet."""


@dataclass(frozen=True, slots=True)
class Missing:
    """The nodes asked do not have it: send the same one again."""


@dataclass(frozen=True, slots=True)
class Dead:
    """Evidence that none of its versions can ever be included: nothing was paid."""

    reason: str


@dataclass(frozen=True, slots=True)
class Displaced:
    """What it uses up was used by a transaction that is not in our records."""

    reason: str


Delivery = Accepted | InDoubt
Sighting = Included | Waiting | Missing | Dead | Displaced


class Payer(Protocol):
    """Signs and sends for the hot wallet of one chain, and for the deposit addresses that are
    collected from (Withdrawal.source). Knows no withdrawal's history: that is handed in. Of the
    own coin a sweep sends what is left of its amount after the fee. Every method but `send` raises
    ChainUnavailable."""

    @property
    def address(self) -> str:
        """The hot wallet's."""
        ...

    async def prepare(
        self, withdrawal: Withdrawal, flights: Sequence[Flight], slots: WithdrawalStore, at_us: int
    ) -> SignedTransaction | Refused | NotNow:
        """Choose nonce or coins that nothing in storage uses, and fees; sign; send nothing."""
        ...

    async def send(self, signed: SignedTransaction) -> Delivery: ...

    async def look(self, flights: Sequence[Flight]) -> Sequence[Sighting]:
        """What became of each, in order."""
        ...

    async def bump(self, flight: Flight, at_us: int) -> SignedTransaction | None:
        """A version with higher fees that conflicts with the ones before; None when there is no
        need, no room or no way."""
        ...

    async def fee(self, token: str) -> int:
        """Raw units of the own coin that a payment would cost now, about."""
        ...

    async def held(self, address: str, tokens: Sequence[str]) -> Mapping[str, int]:
        """Raw units of each of `tokens`, and of the own coin as "", that can be spent there."""
        ...

    async def sweep_cost(self, source: str, token: str, amount_raw: int) -> int:
        """Raw units of the own coin that must lie at `source` to move `amount_raw` from there to
        the hot wallet; `token` "" is the own coin."""
        ...


@dataclass(frozen=True, slots=True)
class ChainEnds:
    """How one chain is read and paid on."""

    chain: Chain
    source: BlockSource
    payer: Payer


# --- telling -----------------------------------------------------------------------------------


class ChainFacts(Protocol):
    """Who is told. A fact is told again until the method returns, so it must be idempotent:
    `deposit.key` with its state, `withdrawal.id` with its state.

    Facts of one deposit come in order, but a state that was over before it could be told is left
    out. Credit CONFIRMED (`deposit.units` of `deposit.token` to `deposit.owner`) and nothing else.
    """

    async def deposit_changed(self, deposit: Deposit) -> None: ...

    async def withdrawal_changed(self, withdrawal: Withdrawal) -> None:
        """SIGNED or SENT tell the transaction's hash; CONFIRMED posts the hold; FAILED and
        REFUSED void it; STUCK keeps it and alerts."""
        ...
