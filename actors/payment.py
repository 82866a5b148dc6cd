"""One payment in flight.

A `PaymentActor` stands for one row of payments. It is started when the payment is made, and again
when evidence about it arrives or the server starts with it open; it ends when the payment has
ended and nobody asks any more. It alone moves its payment, by the transition table of
domain/payments; every move is committed, with the money and the events it causes, before anybody
hears of it. That the provider is about to be asked is recorded before it is: so a push is sent
once at most, and a payout that may have been sent is known for one.
"""

from dataclasses import dataclass, replace
from typing import Any, Final

import structlog

from actors.audit import AuditEntry
from actors.chain_payments import on_chain
from actors.clock import US
from actors.payment_book import Deed, NotRecorded, PaymentBook
from actors.payment_calls import PAYOUT, PUSH, QUERY, Calls
from actors.payment_evidence import (
    Alert,
    Ask,
    Confirm,
    End,
    Heard,
    Resend,
    Result,
    Settle,
    Source,
    Verdict,
    has_overtaken,
    hear,
    weigh,
)
from actors.payment_handover import handed_over
from actors.payment_messages import (
    Again,
    Called,
    Cancel,
    Evidence,
    Fulfil,
    Message,
    Nudge,
    OnChain,
    Overtaken,
    Rule,
)
from actors.payment_parts import Parts, moved_fact
from actors.payment_rulings import begun_again, ruled
from actors.payment_verdicts import cancelled, carry_out, chase_escrow, end, give_up, park
from actors.rails import (
    Outcome,
    Paid,
    PushAccepted,
    PushResult,
    Refused,
    StatusResult,
    TransferAccepted,
    TransferResult,
    Unknown,
)
from actors.reviews import NotRuled, Ruled
from actors.runtime.ask import Envelope
from actors.runtime.mailbox import Mailbox
from domain.ledger import Refusal
from domain.payments import (
    CHAIN_PAYOUTS,
    COLLECTIONS,
    PAYOUTS,
    SENT_ONCE,
    SILENCE_US,
    Kind,
    Move,
    Payment,
    State,
    after,
)

log = structlog.get_logger(__name__)

ASK_AGAIN_US: Final = (30 * US, 60 * US, 300 * US, 1800 * US, 3600 * US)  # the last one repeats
PUSH_AGAIN_US: Final = (5 * US, *ASK_AGAIN_US)  # its payer may just be typing the PIN
RESEND_US: Final = (5 * US, 15 * US, 60 * US)  # payouts without an answer; idempotent there
RESEND_LOST_US: Final = 60 * US  # before one the provider does not know is sent again
QUESTION_GAP_US: Final = 5 * US  # whoever knows our address must not make us flood the provider
GIVE_UP_US: Final = 24 * 3600 * US  # a push nobody answered: late money goes to suspense
REVIEW_ATTEMPTS: Final = 6  # unanswered questions after which an operator is told
LATER_US: Final = 2 * US  # while storage is away
_DECISIONS: Final = 3  # each on a fresh reading, when somebody else moved the payment


@dataclass(slots=True)
class PaymentActor:
    """State and handlers; driven by actors.runtime.serve_timed."""

    book: PaymentBook
    parts: Parts
    mailbox: Mailbox[Message]
    calls: Calls
    resumed: bool = False
    not_before_us: int = 0
    questioned_us: int = 0
    last_words: bool = False  # a silent push was asked about for the last time

    @property
    def payment(self) -> Payment:
        """As it is stored."""
        return self.book.payment

    @property
    def wake_at_us(self) -> int | None:
        """At once after a start; then when the payment's patience ends."""
        if not self.resumed:
            return self.not_before_us
        if not self.payment.is_open or not self.payment.due_us:
            return None
        return max(self.payment.due_us, self.not_before_us)

    async def wake(self) -> None:
        """Go on after a start; after silence for too long ask, resend or expire."""
        try:
            await self.book.refresh()
            if self.resumed:
                await self._out_of_patience()
            else:
                await self._resume()
                self.resumed = True
        except NotRecorded as problem:
            log.warning("payment waits", ref=self.payment.ref, reason=problem.refusal.value)
            self.not_before_us = self.parts.clock.now_us() + LATER_US
        self._leave_if_over()

    async def handle(self, envelope: Envelope[Message]) -> object:
        """One message; see the messages for their answers."""
        answer = await self._decide(envelope.message)
        self._leave_if_over()
        return answer

    async def _decide(self, message: Message) -> object:
        """Decide on a fresh reading until it is recorded; a Refusal when it cannot be now."""
        refusal = Refusal.CONFLICT
        for _ in range(_DECISIONS):
            try:
                await self.book.refresh()
                return await self._answer(message)
            except NotRecorded as problem:
                refusal = problem.refusal
                if refusal is not Refusal.CONFLICT:
                    break
        log.info("payment not moved", ref=self.payment.ref, reason=refusal.value)
        if isinstance(message, Called):  # nobody else would tell us again
            self.calls.again(message, LATER_US / US)
        return refusal

    async def _answer(self, message: Message) -> object:
        match message:
            case Evidence(result=result, waited=waited):
                early = not waited and has_overtaken(self.payment, result)
                return Overtaken.EARLY if early else await self._evidence(result)
            case Nudge(ended_too=ended_too):
                self._ask_about(ended_too=ended_too)
            case Called(step=step, result=result):
                await self._called(step, result)
                self.calls.recorded(step)
            case OnChain(fact=fact):
                return await on_chain(self.book, self.parts.clock.now_us(), fact)
            case Cancel():
                await cancelled(self.book)
            case Fulfil():
                return await handed_over(self.book, message)
            case Rule(ruling=ruling):
                return await ruled(self.book, self.parts.clock.now_us(), ruling)
            case Again(audit=audit):
                return await self._begin_again(audit)
        return self.payment

    # Asking the provider

    async def _resume(self) -> None:
        """Ask if nobody has. If we stopped while it was being asked, a push is left alone; a
        payout is sent again, which its provider tells apart, and is in doubt from now on."""
        payment = self.payment
        if not payment.is_open or payment.kind not in COLLECTIONS | PAYOUTS:
            return
        if payment.asking:
            await self._unsettle(doubted=True, silent=True, reason="no answer recorded")
            if payment.kind in PAYOUTS - SENT_ONCE:
                await self._move_money()
        elif not payment.asked_us and self.parts.clock.now_us() < payment.due_us:
            await self._move_money()

    async def _move_money(self) -> None:
        payment = self.payment
        sent_once = payment.kind in COLLECTIONS | SENT_ONCE and payment.asked_us
        if sent_once or self.calls.in_flight & {PUSH, PAYOUT}:
            return
        now_us = self.parts.clock.now_us()
        await self.book.note(self.book.next(asked_us=now_us, asking=True))
        self.calls.move_money(self.payment)

    def _ask_about(self, *, ended_too: bool = False) -> None:
        now_us = self.parts.clock.now_us()
        if (self.payment.is_open or ended_too) and now_us >= self.questioned_us + QUESTION_GAP_US:
            self.questioned_us = now_us
            self.calls.question(self.payment)

    async def _called(self, step: str, result: object) -> None:
        if step == PAYOUT and self.payment.kind in CHAIN_PAYOUTS:
            await on_chain(self.book, self.parts.clock.now_us(), result)
            return
        match result:
            case PushAccepted():
                await self._pushed(result)
            case TransferAccepted(conversation=conversation) if step == PAYOUT:
                await self._accepted(conversation or "")
            case Refused() if step == PUSH:
                await self._call_refused(result)
            case Refused() if step == PAYOUT:
                await self._payout_refused(result)
            case Unknown() if step in (PUSH, PAYOUT):
                await self._unsettle(doubted=True, silent=result.silent, reason=result.message)
            case Paid() | Refused() if step == QUERY:
                await self._weigh(result, Source.QUERY)
            case _ if step == QUERY:
                await self._nothing_known()
            case _:
                pass  # a status request's answer comes as evidence; what proves nothing is none

    async def _pushed(self, accepted: PushAccepted) -> None:
        """Noted even after the end: by this id the provider is asked, and late cash known."""
        payment, checkout = self.payment, accepted.checkout
        state = after(payment.kind, payment.state, Move.ACCEPTED)
        if payment.checkout and payment.checkout != checkout:
            await self.book.alert(Alert("checkout_differs", f"{checkout} was accepted"))
        ids = {"checkout": payment.checkout or checkout, "merchant": accepted.merchant}
        await self.book.note(self.book.next(state, asking=False, **ids))

    async def _accepted(self, conversation: str) -> None:
        payment = self.payment
        state = after(payment.kind, payment.state, Move.ACCEPTED)
        fields = {"conversation": payment.conversation or conversation, "asking": False}
        if payment.is_open:
            waits = payment.kind is Kind.TOKEN_ESCROW  # its asker does
            due_us = payment.due_us if waits else self.parts.clock.now_us() + SILENCE_US
            fields |= {"due_us": due_us, "attempts": 0, "refusal": ""}
        moved = self.book.next(state, **fields)
        if payment.kind is Kind.PAYOUT and state is not None:
            await self.book.record(moved, Deed(fact=moved_fact))
        else:
            await self.book.note(moved)

    async def _payout_refused(self, refused: Refused) -> None:
        """After a call that may have arrived, a refusal of the next says nothing about it."""
        payment = self.payment
        may_retry = refused.may_retry and payment.attempts < len(RESEND_US)
        may_retry = may_retry and payment.kind not in SENT_ONCE
        if payment.is_open and (payment.doubted or may_retry):
            refusal = payment.refusal if refused.may_retry else refused.message
            await self._unsettle(refusal=refusal, reason=refused.message)
            if refusal:
                self._ask_about()
        else:
            await self._call_refused(refused)

    async def _call_refused(self, refused: Refused) -> None:
        if self.payment.is_open:
            await self._weigh(refused, Source.CALLBACK)
        else:
            await self.book.note(self.book.next(asking=False))

    async def _unsettle(self, **fields: Any) -> None:
        """A call may have arrived, and nobody knows."""
        payment = self.payment
        state = after(payment.kind, payment.state, Move.DOUBTED)
        if payment.is_open and payment.kind in PAYOUTS - SENT_ONCE:
            delay = RESEND_US[min(payment.attempts, len(RESEND_US) - 1)]
            fields["due_us"] = self.parts.clock.now_us() + delay
        await self.book.note(self.book.next(state, asking=False, **fields))

    # Timers

    async def _out_of_patience(self) -> None:
        payment = self.payment
        if not payment.is_open:
            return
        if payment.kind in COLLECTIONS:
            await self._chase_push()
        elif payment.kind is Kind.TOKEN_ESCROW:
            await chase_escrow(self.book, self.calls, self.parts.clock.now_us())
        elif payment.kind in PAYOUTS:
            await self._chase_payout()
        else:
            await end(self.book, End(Move.EXPIRE, "expired"))

    async def _chase_push(self) -> None:
        payment = self.payment
        is_short = payment.kind is Kind.PUSH and not payment.claim
        patience_us = SILENCE_US if is_short else GIVE_UP_US
        began_us = payment.last_retry_us or payment.created_us
        is_over = self.parts.clock.now_us() - began_us >= patience_us
        if not payment.checkout or (is_over and self.last_words):
            await give_up(self.book)
            return
        delays = ASK_AGAIN_US[:1] if is_over else PUSH_AGAIN_US
        await self._wait_longer(delays, payment.attempts)
        self.last_words = is_over
        self.calls.question(payment)

    async def _nothing_known(self) -> None:
        """The provider was asked for the last time, and does not know either (MPWS-C16)."""
        if self.payment.is_open and self.last_words and not self.payment.claim:
            await give_up(self.book)

    async def _chase_payout(self) -> None:
        payment = self.payment
        if not payment.conversation and after(payment.kind, payment.state, Move.PARK):
            await park(self.book)
            return
        resends = len(RESEND_US)
        if payment.attempts == REVIEW_ATTEMPTS:
            await self.book.alert(Alert("payout_unresolved", "no evidence yet"))
        uncalled = payment.state is not State.PENDING and not payment.refusal
        may_send = payment.attempts < resends
        if payment.kind in SENT_ONCE:
            may_send = not payment.asked_us  # we were stopped before the first time
        if uncalled and may_send:
            await self._wait_longer(RESEND_US, payment.attempts)
            await self._move_money()
        else:
            await self._wait_longer(ASK_AGAIN_US, max(0, payment.attempts - resends))
            self.calls.question(payment)

    async def _wait_longer(self, delays: tuple[int, ...], attempt: int) -> None:
        due_us = self.parts.clock.now_us() + delays[min(attempt, len(delays) - 1)]
        await self.book.note(self.book.next(due_us=due_us, attempts=self.payment.attempts + 1))

    # Evidence

    async def _evidence(self, result: Result | Outcome) -> str:
        if not isinstance(result, PushResult | TransferResult | StatusResult):
            named = isinstance(result, Paid) and result.submitted
            shown: dict[str, Any] = {"submitted": named} if named else {}
            return await self._weigh(result, Source.CALLBACK, **shown)
        confirms = self.parts.confirms
        heard = hear(self.payment, self.book.originator, result, confirms=confirms)
        if not isinstance(heard, Heard):
            log.warning("callback of another order", ref=self.payment.ref, whose=heard.verdict)
            return await self._carry_out(heard, {})
        await self.book.alert(heard.alert)
        return await self._weigh(heard.outcome, heard.source, confirm=heard.confirm, **heard.known)

    async def _weigh(
        self, outcome: Outcome, source: Source, *, confirm: bool = False, **known: Any
    ) -> str:
        """Act on evidence, noting what is `known` by it; the verdict for the callback's record."""
        if isinstance(outcome, Paid) and source is Source.QUERY and self.payment.claim:
            outcome = replace(outcome, receipt=self.payment.claim)  # a query never names it
        verdict = weigh(self.payment, outcome, source, None, confirm=confirm)
        # A settlement books its receipt, which fails when somebody has: no need to ask before.
        if not isinstance(verdict, Settle) or self.book.is_contradicted:
            receipt = outcome.receipt if isinstance(outcome, Paid) else None
            owner = await self.book.receipt_owner(receipt)
            verdict = weigh(self.payment, outcome, source, owner, confirm=confirm)
        return await self._carry_out(verdict, known)

    async def _carry_out(self, verdict: Verdict, known: dict[str, Any]) -> str:
        match verdict:
            case Ask(verdict=said, alert=alert):
                await self.book.alert(alert)
                self._ask_about()
                return said
            case Confirm(receipt=receipt):
                due_us = self.parts.clock.now_us() + ASK_AGAIN_US[0]
                await self.book.note(self.book.next(claim=receipt, due_us=due_us, **known))
                self._ask_about()
                return "asked to confirm"
            case Resend():
                if self.parts.clock.now_us() >= self.payment.asked_us + RESEND_LOST_US:
                    await self._move_money()
                return "not known there"
            case _:
                return await carry_out(self.book, verdict, known)

    # People

    async def _begin_again(self, audit: AuditEntry) -> Ruled | NotRuled:
        answer = await begun_again(self.book, self.parts.clock.now_us(), audit)
        if isinstance(answer, Ruled):
            self.last_words = False
            await self._move_money()
        return answer

    def _leave_if_over(self) -> None:
        idle = not self.calls.in_flight and not len(self.mailbox)
        if self.resumed and idle and not self.payment.is_open:
            self.mailbox.leave()
