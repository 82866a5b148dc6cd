"""What the chains' actors need from storage; implemented by storage.chains.

Every method raises `StoreUnavailable` (actors.identity_store) while the database is away; after
a write that means the outcome may be unknown, and the actor reads again before it goes on.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Protocol

import msgspec

from domain.chains.table import Family
from domain.chains.transfers import (
    Deposit,
    DepositState,
    SignedTransaction,
    Withdrawal,
    WithdrawalState,
)


class Owner(msgspec.Struct, frozen=True):
    """Whose an address is, and what for ("user", "business")."""

    id: int
    purpose: str


class Cursor(msgspec.Struct, frozen=True):
    """How far a chain was read: `hashes` are those of the blocks up to `block`, oldest first."""

    block: int
    hashes: tuple[str, ...]


class Flight(msgspec.Struct, frozen=True):
    """An open withdrawal and everything signed for it, oldest version first."""

    withdrawal: Withdrawal
    versions: tuple[SignedTransaction, ...] = ()


# (token, raw amount) -> (units, raw dust): domain.chains.amounts.credited.
Credit = Callable[[str, int], tuple[int, int]]


class AddressStore(Protocol):
    """Addresses given out."""

    async def register(self, family: Family, address: str, owner: Owner, at_us: int) -> None:
        """Remember whose it is; a second time changes nothing."""
        ...

    async def owners(self, family: Family, addresses: Collection[str]) -> Mapping[str, Owner]:
        """Those of `addresses` that are ours. People's wallet addresses are known without
        having been registered."""
        ...


class DepositStore(Protocol):
    """Deposits and how far their chains were read."""

    async def moves(self, chain: str, tx_hashes: Collection[str]) -> frozenset[str]:
        """Those of `tx_hashes` that move our own coins between addresses of ours: sweeps, and the
        gas for them."""
        ...

    async def cursor(self, chain: str) -> Cursor | None: ...

    async def advance(
        self, chain: str, cursor: Cursor, found: Sequence[Deposit], at_us: int
    ) -> None:
        """Move on, with what was found in those blocks, in one transaction. A deposit that is
        known is only moved to its new block, if it has one."""
        ...

    async def retract(self, chain: str, above: int, cursor: Cursor) -> int:
        """The chain dropped every block above `above`: take back what was found there, and open
        again what was paid there; how many withdrawals that is."""
        ...

    async def mature(self, chain: str, up_to: int, credit: Credit, at_us: int) -> int:
        """Confirm what was seen in blocks up to `up_to`, counting dust; how many there were."""
        ...

    async def earliest_seen(self, chain: str) -> int | None:
        """Block of the oldest deposit that is seen and not confirmed."""
        ...

    async def untold_deposits(self, chain: str, limit: int) -> Sequence[Deposit]:
        """Whose newest state was not told yet, oldest first."""
        ...

    async def told_deposit(self, deposit_id: int, state: DepositState) -> None: ...


class WithdrawalStore(Protocol):
    """Withdrawals, and what was signed for them."""

    async def add(self, withdrawal: Withdrawal) -> Withdrawal:
        """Store it as queued, unless its id is known; the stored one either way."""
        ...

    async def withdrawal(self, withdrawal_id: str) -> Withdrawal | None: ...

    async def flights(self, chain: str) -> Sequence[Flight]:
        """Every open withdrawal of a chain, in the order they were made."""
        ...

    async def last_slot(self, chain: str, source: str = "") -> str | None:
        """The greatest slot ever used there by what leaves `source` ("": the hot wallet)."""
        ...

    async def used_slots(
        self, chain: str, slots: Collection[str], source: str = ""
    ) -> frozenset[str]:
        """Those of `slots` that something signed uses up of what is at `source`."""
        ...

    async def sign(self, chain: str, signed: SignedTransaction) -> None:
        """Store what was signed, before it is sent: a first version makes its withdrawal SIGNED
        and takes its slots, both only if nobody else did."""
        ...

    async def sent(self, signed: SignedTransaction, at_us: int) -> None:
        """A node has it: the withdrawal is SENT."""
        ...

    async def tried(self, signed: SignedTransaction, at_us: int) -> None:
        """It was given to a node and nobody knows whether it arrived."""
        ...

    async def settle(self, withdrawal: Withdrawal) -> bool:
        """Write its end (state, reason, tx_hash, block, fee); False when it had ended before."""
        ...

    async def untold_withdrawals(self, chain: str, limit: int) -> Sequence[Withdrawal]: ...

    async def told_withdrawal(self, withdrawal_id: str, state: WithdrawalState) -> None: ...


class ChainStore(AddressStore, DepositStore, WithdrawalStore, Protocol):
    """All of it."""
