"""From a right code to money in the wallet: collecting, crediting, and what operators decide.

Part of a funding desk, which does one thing at a time. A right code is used up in the transaction
that clears its funding (or puts it under review), so neither is ever lost without the other. A
funding is cleared, durably, before its money is collected, and credited in the journal's
transaction together with its last move; so it is credited once, and what stops in between is
found cleared and settled later.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, assert_never

import structlog

from actors.audit import AuditEntry
from actors.funding_messages import Credited, InReview, Render, Trouble
from actors.funding_parts import DeskParts, FundingBook
from actors.funding_store import Collected, Declined, FundingMoved, Remembered, Uncertain
from actors.reviews import Decision, NotRuled, Ruled, Ruling
from domain.funding import CURRENCY, JOURNAL_KIND, Funding, Signal, State
from domain.ledger import Effects, Intent, Recorded, Refusal, Ticket, wallet

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Proof:
    """What a right code makes of a funding: `changes` are written with the use of the code.
    `review` is what is then answered, None for a funding that is cleared and settled next."""

    funding: Funding
    changes: tuple[Any, ...]
    review: InReview | None


class Settlement:
    """Moves proved fundings of one book on. `doubt` makes the desk read storage anew."""

    def __init__(self, book: FundingBook, parts: DeskParts, doubt: Callable[[], None]) -> None:
        self._book = book
        self._parts = parts
        self._doubt = doubt

    async def proof(self, funding: Funding, ticket: Ticket | None, render: Render | None) -> Proof:
        """What follows if the code is right; nothing is written yet."""
        now = self._parts.clock.now_us()
        number = self._parts.transactions.next(now)
        state = State.UNDER_REVIEW if funding.review else State.CLEARED
        moved = funding.moved(state, proved_us=now, transaction_ms=number)
        if not funding.review:
            return Proof(moved, (FundingMoved(moved),), None)
        answer, kept = await self._in_review(moved, ticket, render)
        return Proof(moved, (FundingMoved(moved), *kept), answer)

    async def proved(
        self, proof: Proof, ticket: Ticket | None, render: Render | None
    ) -> Credited | InReview | Trouble:
        """The code was right, and the proof is written with its use."""
        self._book.written(proof.funding)
        if proof.review is None:
            return await self.settle(proof.funding, ticket, render)
        self._note_review(proof.funding)
        return proof.review

    async def settle(
        self, funding: Funding, ticket: Ticket | None = None, render: Render | None = None
    ) -> Credited | InReview | Trouble:
        """Collect and credit a cleared funding. UNAVAILABLE leaves it cleared."""
        found: Collected | Declined | Uncertain = Collected(funding.source_ref)
        if not funding.collected:
            found = await self._parts.source.collect(
                funding.reference, funding.user_id, funding.amount
            )
        match found:
            case Collected(source_ref):
                credit = funding.moved(State.COMPLETED, collected=True, source_ref=source_ref)
                return await self._credit(credit, ticket, render)
            case Declined(reason):
                await self._book.write(funding.moved(State.FAILED))
                self._book.note("funding.declined", funding, why=reason)
                return Trouble.DECLINED
            case Uncertain(reason):
                self._book.note("funding.uncertain", funding, why=reason)
                together = (*funding.signals, Signal.UNCERTAIN)
                doubtful = funding.moved(State.UNDER_REVIEW, signals=together, review=True)
                return await self._to_review(doubtful, ticket, render)
            case _:
                assert_never(found)

    async def _to_review(
        self, funding: Funding, ticket: Ticket | None, render: Render | None
    ) -> InReview:
        answer, kept = await self._in_review(funding, ticket, render)
        await self._book.write(funding, *kept)
        self._note_review(funding)
        return answer

    async def _in_review(
        self, funding: Funding, ticket: Ticket | None, render: Render | None
    ) -> tuple[InReview, tuple[Any, ...]]:
        """The request's outcome is kept with the move, as the journal keeps it with a credit."""
        account = await self._parts.ledger.accounts.get(wallet(funding.user_id, CURRENCY))
        balance, sequence = (account.posted, account.sequence) if account is not None else (0, 0)
        answer = InReview(funding, balance, sequence)
        if ticket is None or render is None:
            return answer, ()
        return answer, (Remembered(ticket, render(answer), self._parts.clock.now_us()),)

    def _note_review(self, funding: Funding) -> None:
        reasons = [signal.value for signal in funding.signals]
        self._book.note("funding.under_review", funding, signals=reasons)

    async def _credit(
        self, credited: Funding, ticket: Ticket | None, render: Render | None
    ) -> Credited | Trouble:
        account = wallet(credited.user_id, CURRENCY)
        made: list[Credited] = []

        def effects(recorded: Recorded) -> Effects:
            line = recorded.line(account)
            assert line is not None, "the posting credits the wallet"
            answer = Credited(credited, line.balance, line.sequence)
            made[:] = [answer]
            outcome = render(answer) if ticket is not None and render is not None else b""
            return Effects(changes=(FundingMoved(credited),), outcome=outcome)

        recorded = await self._parts.ledger.record(
            Intent(
                kind=JOURNAL_KIND,
                postings=(credited.posting(),),
                initiator=credited.user_id,
                description=f"Wallet funding {credited.transaction_id}",
                ref=credited.reference,
                effects=effects,
                ticket=ticket,
            )
        )
        if isinstance(recorded, Refusal):
            # Also when an earlier try turns out to have been recorded after all (CONFLICT).
            log.warning("funding.unsettled", reference=credited.reference, why=recorded.value)
            self._doubt()
            return Trouble.UNAVAILABLE
        self._book.written(credited)
        self._book.note("funding.credited", credited, journal=recorded.journal_id)
        return made[0]

    async def rule(self, reference: str, ruling: Ruling) -> Ruled | NotRuled:
        """Carry out an operator's decision (WOTP-C05); it and its audit are one transaction."""
        funding = await self._parts.store.find(reference)
        if funding is None or funding.user_id != self._book.user_id:
            return NotRuled.UNKNOWN
        if funding.state is not State.UNDER_REVIEW:
            return NotRuled.DECIDED
        profile = await self._parts.people.profile(funding.user_id)
        approved = ruling.decision is Decision.APPROVE
        if approved and (profile is None or profile.deleted):
            return NotRuled.OWNER_GONE
        decided = _approved(funding) if approved else funding.moved(State.REJECTED)
        await self._book.write(decided, self._entry(reference, ruling))
        self._book.note(f"funding.{ruling.decision.value}", decided, operator=ruling.operator_id)
        if approved:
            decided = await self._settled(decided)
        self._parts.notices.decided(profile, decided)
        return Ruled(decided.state.value)

    async def _settled(self, cleared: Funding) -> Funding:
        """What settling makes of it: still cleared when that has to be done later."""
        match await self.settle(cleared):
            case Credited(funding) | InReview(funding):
                return funding
            case Trouble.DECLINED:
                return cleared.moved(State.FAILED)
            case _:
                return cleared

    def _entry(self, reference: str, ruling: Ruling) -> AuditEntry:
        return AuditEntry(
            at_us=self._parts.clock.now_us(),
            operator_id=ruling.operator_id,
            how=ruling.how,
            action=f"{ruling.decision.value} funding",
            subject=reference,
            note=ruling.note,
        )


def _approved(funding: Funding) -> Funding:
    """Whoever approves a doubtful collection has seen the money: it is not asked for again."""
    seen = funding.collected or Signal.UNCERTAIN in funding.signals
    return funding.moved(State.CLEARED, collected=seen)
