"""Transfers between a person's exchanges: set aside at once, made by an operator (AMKT-C29).

No exchange moves money to another one by itself, so a transfer is a hold on what the person has at
the first and waits on the operators' desk. Approving it moves the money to the second in the
journal's transaction together with its row and the audit; rejecting it releases the hold.
"""

from collections.abc import Callable, Sequence
from typing import Final, Protocol

import msgspec

from actors.audit import AuditEntry
from actors.clock import Clock
from actors.identity_store import StoreUnavailable
from actors.ledger import Ledger
from actors.people import People
from actors.reviews import Decision, NotRuled, Review, Ruled, Ruling
from domain.ledger import AccountKey, Effects, Hold, Intent, Posting, Recorded, Refusal, Ticket

PENDING: Final = "pending"
COMPLETED: Final = "completed"
REJECTED: Final = "rejected"
_PREFIX: Final = "TRF-"
_ID_BYTES: Final = 12


def trading(user_id: int, asset: str, platform: str) -> AccountKey:
    """What a person has at an exchange (X-C09)."""
    return AccountKey(user_id, asset, "TRADING", provider=platform)


class FundTransfer(msgspec.Struct, frozen=True, kw_only=True):
    """One transfer. `amount` in units; `hold_id` the journal that set it aside."""

    id: str
    user_id: int
    from_provider: str
    to_provider: str
    amount: int
    asset: str
    status: str
    reason: str
    correlation_id: str
    created_us: int
    hold_id: int = 0
    decided_us: int = 0

    @property
    def source(self) -> AccountKey:
        """Where it is held."""
        return trading(self.user_id, self.asset, self.from_provider)

    @property
    def hold(self) -> Hold:
        """What was set aside for it."""
        return Hold(self.source, self.amount, self.hold_id)

    def posting(self) -> Posting:
        """What making it moves."""
        destination = trading(self.user_id, self.asset, self.to_provider)
        text = f"Transfer from {self.from_provider} to {self.to_provider}"
        return Posting(self.source, destination, self.amount, text)


class TransferRequested(msgspec.Struct, frozen=True):
    """A row change: the transfer comes into being with its hold."""

    transfer: FundTransfer


class TransferDecided(msgspec.Struct, frozen=True):
    """A row change: the transfer is no longer pending."""

    transfer: FundTransfer


class FundTransferStore(Protocol):
    """Where transfers are kept; implemented by storage.fund_transfers."""

    async def of(self, user_id: int, limit: int) -> Sequence[FundTransfer]:
        """A person's, newest first."""
        ...

    async def find(self, transfer_id: str) -> FundTransfer | None:
        """The one with this id."""
        ...

    async def pending(self, limit: int) -> Sequence[FundTransfer]:
        """Those waiting longest."""
        ...


OutcomeOf = Callable[[FundTransfer, Recorded], bytes]
"""What a repeat of the idempotency key is answered."""


class FundTransfers:
    """Implements actors.reviews.ReviewDesk. Keeps nothing: the ledger's hold is the lock."""

    kind = "transfer"

    def __init__(
        self,
        store: FundTransferStore,
        ledger: Ledger,
        people: People,
        clock: Clock,
        random_bytes: Callable[[int], bytes],
    ) -> None:
        self._store = store
        self._ledger = ledger
        self._people = people
        self._clock = clock
        self._random_bytes = random_bytes

    async def request(
        self, draft: FundTransfer, ticket: Ticket | None, outcome: OutcomeOf
    ) -> tuple[FundTransfer, Recorded] | Refusal:
        """Record `draft` and set its money aside. Its ids and time are given here."""
        made: list[FundTransfer] = []
        draft = msgspec.structs.replace(
            draft,
            id=_PREFIX + self._random_bytes(_ID_BYTES).hex(),
            correlation_id=self._random_bytes(_ID_BYTES).hex(),
            created_us=self._clock.now_us(),
        )

        def effects(recorded: Recorded) -> Effects:
            transfer = msgspec.structs.replace(draft, hold_id=recorded.journal_id)
            made[:] = [transfer]
            saved = outcome(transfer, recorded) if ticket is not None else b""
            return Effects(changes=(TransferRequested(transfer),), outcome=saved)

        recorded = await self._ledger.record(
            Intent(
                kind="PROVIDER_TRANSFER",
                place=Hold(draft.source, draft.amount),
                initiator=draft.user_id,
                description=f"Transfer from {draft.from_provider} to {draft.to_provider}",
                ref=draft.id,
                effects=effects,
                ticket=ticket,
            )
        )
        return recorded if isinstance(recorded, Refusal) else (made[0], recorded)

    async def of(self, user_id: int, limit: int) -> Sequence[FundTransfer]:
        """A person's transfers, newest first; raises StoreUnavailable."""
        return await self._store.of(user_id, limit)

    async def waiting(self, limit: int) -> Sequence[Review]:
        """Those an operator has to make, longest waiting first."""
        return [
            Review(
                reference=transfer.id,
                kind=self.kind,
                user_id=transfer.user_id,
                amount=transfer.amount,
                asset=transfer.asset,
                reasons=(f"{transfer.from_provider} to {transfer.to_provider}", transfer.reason),
                since_us=transfer.created_us,
            )
            for transfer in await self._store.pending(limit)
        ]

    async def rule(self, reference: str, ruling: Ruling) -> Ruled | NotRuled:
        """Approve: it was made at the exchanges. Reject: it was not; the hold is released."""
        if not reference.startswith(_PREFIX):
            return NotRuled.UNKNOWN
        try:
            transfer = await self._store.find(reference)
            if transfer is None:
                return NotRuled.UNKNOWN
            if transfer.status != PENDING:
                return NotRuled.DECIDED
            return await self._decide(transfer, ruling)
        except StoreUnavailable:
            return NotRuled.UNAVAILABLE

    async def _decide(self, transfer: FundTransfer, ruling: Ruling) -> Ruled | NotRuled:
        approved = ruling.decision is Decision.APPROVE
        profile = await self._people.profile(transfer.user_id)
        if approved and (profile is None or profile.deleted):
            return NotRuled.OWNER_GONE
        now_us = self._clock.now_us()
        status = COMPLETED if approved else REJECTED
        decided = msgspec.structs.replace(transfer, status=status, decided_us=now_us)
        entry = AuditEntry(
            at_us=now_us,
            operator_id=ruling.operator_id,
            how=ruling.how,
            action=f"{ruling.decision.value} transfer",
            subject=transfer.id,
            note=ruling.note,
        )
        recorded = await self._ledger.record(
            Intent(
                kind="PROVIDER_TRANSFER",
                postings=(transfer.posting(),) if approved else (),
                close=transfer.hold,
                initiator=ruling.operator_id,
                description=f"Transfer {status}",
                ref=transfer.id,
                effects=lambda _recorded: Effects(changes=(TransferDecided(decided), entry)),
            )
        )
        match recorded:
            case Refusal.CONFLICT:
                return NotRuled.DECIDED
            case Refusal():
                return NotRuled.UNAVAILABLE
            case _:
                return Ruled(status)
