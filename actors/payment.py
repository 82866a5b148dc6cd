"""One payment in flight.

A `PaymentActor` stands for one row of payments. It is started when the payment is made, and again
when evidence about it arrives or the server starts with it open; it ends when the payment has
ended and nobody asks any more. It alone moves its payment, by the transition table of
domain/payments; every move is committed, with the money and the events it causes, before anybody
hears of it. Calls to the provider run beside it and come back as messages, so that a slow
provider delays neither a cancellation nor a callback.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
import structlog
import trio

from actors.clock import US
from actors.payment_parts import Parts, completed_fact, failed_fact, label
from actors.payment_store import PaymentMoved
from actors.rails import (
    NotFound,
    Outcome,
    Paid,
    Pending,
    PushAccepted,
    Refused,
    TransferAccepted,
    Unknown,
)
from actors.runtime.ask import Envelope
from actors.runtime.mailbox import Mailbox
from actors.runtime.serve import serve_timed
from domain.events import Event, Fact, person
from domain.ledger import AccountKey, Effects, Intent, Posting, Recorded, Refusal, Ticket
from domain.payments import (
    Kind,
    Move,
    Payment,
    State,
    after,
    cashed,
    collected,
    fulfilled,
    into_suspense,
    out_of_suspense,
    paid_out,
    whole_up,
)

log = structlog.get_logger(__name__)

SILENCE_US: Final = 120 * US  # without a callback for so long, ask (CASH-C41, MPWS-C16)
ASK_AGAIN_US: Final = (30 * US, 60 * US, 300 * US, 1800 * US, 3600 * US)  # the last one repeats
GIVE_UP_US: Final = 24 * 3600 * US  # a push nobody answered: late money goes to suspense
RESEND_US: Final = (5 * US, 15 * US, 60 * US)  # payouts without an answer; idempotent there
REVIEW_ATTEMPTS: Final = 6  # unanswered questions after which an operator is told

_COLLECTIONS: Final = frozenset({Kind.PARTNER_DEPOSIT})
_PAYOUTS: Final = frozenset({Kind.PARTNER_WITHDRAWAL})


class NotRecorded(Exception):
    """The ledger could not record a move: start again from what is stored."""


class Begin(msgspec.Struct, frozen=True):
    """Ask the provider, for a payment just made. Never repeated after a restart."""


class Evidence(msgspec.Struct, frozen=True):
    """What the provider says became of the money; answered once that is recorded."""

    outcome: Any


class Nudge(msgspec.Struct, frozen=True):
    """Something was said that proves nothing: ask the provider."""


class Called(msgspec.Struct, frozen=True):
    """The provider answered a call of ours."""

    step: str
    result: Any


class Cancel(msgspec.Struct, frozen=True):
    """The owner cancels; answered with the payment as it then is."""


class Fulfil(msgspec.Struct, frozen=True):
    """The agent hands over: `agent` is the agent's account, `commission` in units.

    Answered with (payment, Recorded) or Refusal; the payment alone when it was not waiting.
    """

    agent: AccountKey
    commission: int = 0
    ticket: Ticket | None = None
    outcome: Callable[[Payment, Recorded], bytes] | None = None


Message = Begin | Evidence | Nudge | Called | Cancel | Fulfil


@dataclass(slots=True)
class PaymentActor:
    """State and handlers; driven by actors.runtime.serve_timed."""

    payment: Payment
    parts: Parts
    mailbox: Mailbox[Message]
    calls: trio.Nursery
    in_flight: set[str] = field(default_factory=set)

    @property
    def wake_at_us(self) -> int | None:
        """When the payment's patience ends."""
        return self.payment.due_us if self.payment.is_open and self.payment.due_us else None

    async def wake(self) -> None:
        """Silence for too long: ask, resend or expire."""
        payment = self.payment
        if payment.state is State.WAITING:
            await self._expire()
        elif payment.kind in _COLLECTIONS:
            await self._chase_push()
        else:
            await self._chase_payout()
        self._leave_if_over()

    async def handle(self, envelope: Envelope[Message]) -> object:
        """One message; see the messages for their answers."""
        answer = await self._answer(envelope.message)
        self._leave_if_over()
        return answer

    async def _answer(self, message: Message) -> object:
        match message:
            case Begin():
                self._ask_provider()
            case Evidence(outcome=outcome):
                return await self._weigh(outcome)
            case Nudge():
                self._question()
            case Called(step=step, result=result):
                self.in_flight.discard(step)
                await self._called(step, result)
            case Cancel():
                await self._move(Move.CANCEL)
            case Fulfil():
                return await self._fulfil(message)
        return self.payment

    def resume(self) -> None:
        """After a restart: a payout whose call may not have been made is sent again, which its
        provider tells apart; a push never is."""
        if self.payment.kind in _PAYOUTS and self.payment.state is State.SENDING:
            self._ask_provider()

    # Asking the provider

    def _ask_provider(self) -> None:
        payment, urls, rail = self.payment, self.parts.urls, self.parts.rail
        if payment.kind in _COLLECTIONS:
            self._call(
                "push",
                lambda: rail.push(
                    payment_id=payment.ref,
                    phone=payment.phone,
                    amount_kes=whole_up(payment.local_amount) // 10**8,
                    reference=payment.ref[-12:],
                    description="Deposit",
                    callback_url=urls.push(payment),
                ),
            )
        elif payment.kind in _PAYOUTS:
            self._call(
                "payout",
                lambda: rail.pay_out(
                    payment_id=self.parts.originator(payment),
                    phone=payment.phone,
                    amount_kes=payment.local_amount // 10**8,
                    remarks="Withdrawal",
                    result_url=urls.result(payment),
                    timeout_url=urls.timeout(payment),
                ),
            )

    def _question(self) -> None:
        payment, urls, rail = self.payment, self.parts.urls, self.parts.rail
        if not payment.is_open:
            return
        if payment.kind in _COLLECTIONS and payment.checkout:
            self._call("query", lambda: rail.query_push(payment.checkout))
        elif payment.kind in _PAYOUTS:
            self._call(
                "status",
                lambda: rail.request_status(
                    originator=self.parts.originator(payment),
                    result_url=urls.status(payment),
                    timeout_url=urls.timeout(payment),
                ),
            )

    def _call(self, step: str, call: Callable[[], Awaitable[object]]) -> None:
        """Run one call beside the actor; one of a kind at a time."""
        if step in self.in_flight:
            return
        self.in_flight.add(step)

        async def run() -> None:
            self.mailbox.send(Called(step, await call()))

        self.calls.start_soon(run)

    async def _called(self, step: str, result: object) -> None:
        match result:
            case PushAccepted(checkout=checkout):
                await self._move(Move.ACCEPTED, checkout=checkout)
            case TransferAccepted(conversation=conversation) if step == "payout":
                fields = {"conversation": conversation} if conversation else {}
                due = self.parts.clock.now_us() + SILENCE_US
                await self._move(Move.ACCEPTED, due_us=due, **fields)
            case TransferAccepted():
                pass  # a status request; its answer comes as evidence
            case Refused() if step in {"push", "payout"}:
                await self._refused(result)
            case Unknown() if step in {"push", "payout"}:
                await self._move(Move.DOUBTED, reason=result.message)
            case Paid() | Refused() if step == "query":
                await self._weigh(result)

    async def _refused(self, refused: Refused) -> None:
        payment = self.payment
        if refused.may_retry and payment.kind in _PAYOUTS and payment.attempts < len(RESEND_US):
            await self._move(Move.DOUBTED, reason=refused.message)
            return
        await self._weigh(refused)

    # Timers

    async def _chase_push(self) -> None:
        payment, now = self.payment, self.parts.clock.now_us()
        if not payment.checkout or now - payment.created_us >= GIVE_UP_US:
            await self._fail(Move.EXPIRE, "no answer")
            return
        await self._wait_longer(ASK_AGAIN_US)
        self._question()

    async def _chase_payout(self) -> None:
        payment = self.payment
        if payment.attempts == REVIEW_ATTEMPTS:
            await self.parts.alert("payout_unresolved", payment.ref, "no evidence yet")
        resend = not payment.conversation and payment.attempts < len(RESEND_US)
        await self._wait_longer(RESEND_US if resend else ASK_AGAIN_US)
        if resend:
            self._ask_provider()
        else:
            self._question()

    async def _wait_longer(self, delays: tuple[int, ...]) -> None:
        payment = self.payment
        delay = delays[min(payment.attempts, len(delays) - 1)]
        due = self.parts.clock.now_us() + delay
        await self._store(self._next(payment.state, due_us=due, attempts=payment.attempts + 1))

    async def _expire(self) -> None:
        payment = self.payment
        if payment.hold is None:
            await self._fail(Move.EXPIRE, "expired")
        else:
            await self._release(Move.EXPIRE, "expired")

    # Evidence

    async def _weigh(self, outcome: Outcome) -> str:
        """Act on evidence; the verdict for the callback's record."""
        match outcome:
            case Paid() if self.payment.kind in _COLLECTIONS:
                return await self._collected(outcome)
            case Paid():
                return await self._paid_out(outcome)
            case Refused() if not self.payment.is_open:
                return "already ended"
            case Refused():
                if outcome.needs_operator:
                    await self.parts.alert("provider", self.payment.ref, outcome.message)
                if self.payment.hold is None:
                    return await self._fail(Move.REFUSED, outcome.message)
                return await self._release(Move.REFUSED, outcome.message)
            case Pending() | NotFound() | Unknown():
                self._question()
        return "asked for evidence"

    async def _collected(self, paid: Paid) -> str:
        payment = self.payment
        receipt = paid.receipt or ""
        if receipt and receipt == payment.provider_receipt:
            return "duplicate"
        if payment.state is State.COMPLETED:
            return await self._second_receipt(receipt)
        expected = whole_up(payment.local_amount)
        amount = paid.amount_units if paid.amount_units is not None else expected
        if receipt and await self.parts.store.receipt_used(receipt, payment.id):
            return await self._review(f"receipt {receipt} was used before", ())
        if not payment.is_open:
            return await self._late_cash(receipt, amount)
        if amount != expected:
            reason = f"paid {amount // 10**8} of {expected // 10**8}"
            return await self._review(reason, into_suspense(payment, amount), receipt)
        return await self._complete(collected(payment, label(payment)), receipt)

    async def _paid_out(self, paid: Paid) -> str:
        payment = self.payment
        receipt = paid.receipt or ""
        if payment.state is State.COMPLETED:
            return "duplicate"
        if payment.is_open:
            return await self._complete(paid_out(payment, label(payment)), receipt)
        if payment.provider_receipt:
            return "duplicate"
        postings = out_of_suspense(payment, payment.local_amount // 10**8 * 10**8)
        await self._book(postings, "paid after release", receipt or "unknown")
        return "suspense"

    async def _complete(self, postings: tuple[Posting, ...], receipt: str) -> str:
        done = self._next(
            State.COMPLETED, provider_receipt=receipt, completed_us=self.parts.clock.now_us()
        )
        await self._record(done, postings, completed_fact)
        return "completed"

    async def _second_receipt(self, receipt: str) -> str:
        payment = self.payment
        if not receipt:
            return "duplicate"
        if not payment.provider_receipt:  # completed by a query, which names no receipt
            await self._store(self._next(payment.state, provider_receipt=receipt))
            return "receipt noted"
        await self.parts.alert("second_receipt", payment.ref, f"also {receipt}")
        return "second receipt"

    async def _late_cash(self, receipt: str, amount: int) -> str:
        payment = self.payment
        if payment.provider_receipt or not receipt:
            return "already ended"
        await self._book(into_suspense(payment, amount), "cash after the end", receipt)
        return "suspense"

    async def _book(self, postings: tuple[Posting, ...], reason: str, receipt: str) -> None:
        """Money that the payment's state no longer allows for: suspense and an alert (X-C15)."""
        await self._record(self._next(self.payment.state, provider_receipt=receipt), postings, None)
        await self.parts.alert("suspense", self.payment.ref, reason)

    async def _review(self, reason: str, postings: tuple[Posting, ...], receipt: str = "") -> str:
        payment = self.payment
        state = after(payment.kind, payment.state, Move.CONTRADICTED)
        if state is None:
            return "already ended"
        moved = self._next(state, reason=reason, provider_receipt=receipt)
        await self._record(moved, postings, failed_fact)
        await self.parts.alert("deposit_review", payment.ref, reason)
        return "under review"

    async def _fail(self, move: Move, reason: str) -> str:
        state = after(self.payment.kind, self.payment.state, move)
        if state is None:
            return "already ended"
        await self._record(self._next(state, reason=reason), (), failed_fact)
        return state.value

    async def _release(self, move: Move, reason: str) -> str:
        """Nothing was paid: give the hold back in full, the fee included (CASH-C42)."""
        state = after(self.payment.kind, self.payment.state, move)
        if state is None:
            return "already ended"
        await self._record(self._next(state, reason=reason), (), failed_fact, release=True)
        return state.value

    # Agents

    async def _fulfil(self, message: Fulfil) -> object:
        payment = self.payment
        if after(payment.kind, payment.state, Move.PAID) is None:
            return payment
        if payment.kind is Kind.AGENT_DEPOSIT:
            postings = fulfilled(payment, message.agent, message.commission)
        else:
            postings = cashed(payment, message.agent)
        done = self._next(State.COMPLETED, completed_us=self.parts.clock.now_us())
        recorded = await self._try_record(done, postings, completed_fact, message)
        return recorded if isinstance(recorded, Refusal) else (self.payment, recorded)

    # Recording

    def _next(self, state: State, **fields: Any) -> Payment:
        changed: Payment = msgspec.structs.replace(
            self.payment, state=state, version=self.payment.version + 1, **fields
        )
        return changed

    async def _move(self, move: Move, **fields: Any) -> bool:
        """A move that touches no money and owes nobody an event."""
        state = after(self.payment.kind, self.payment.state, move)
        if state is None:
            if fields and "checkout" in fields and not self.payment.checkout:
                await self._store(self._next(self.payment.state, **fields))
            return False
        if move is Move.DOUBTED and self.payment.kind in _PAYOUTS:
            fields["due_us"] = self.parts.clock.now_us() + RESEND_US[0]
        await self._store(self._next(state, **fields))
        return True

    async def _store(self, moved: Payment) -> None:
        if not await self.parts.store.update(moved):
            raise NotRecorded(f"{moved.ref} changed elsewhere")
        self.payment = moved

    async def _record(
        self,
        moved: Payment,
        postings: tuple[Posting, ...],
        fact: Callable[[Payment, int], Fact | None] | None,
        *,
        release: bool = False,
    ) -> None:
        recorded = await self._try_record(moved, postings, fact, None, release=release)
        if isinstance(recorded, Refusal):
            raise NotRecorded(f"{moved.ref}: {recorded.value}")

    async def _try_record(
        self,
        moved: Payment,
        postings: tuple[Posting, ...],
        fact: Callable[[Payment, int], Fact | None] | None,
        message: Fulfil | None,
        *,
        release: bool = False,
    ) -> Recorded | Refusal:
        """Commit the move with its postings and event; memory changes after the commit."""
        stored: list[Payment] = []

        def effects(recorded: Recorded) -> Effects:
            completed = moved.state is State.COMPLETED
            receipt = recorded.receipt if completed else moved.receipt
            final = msgspec.structs.replace(moved, receipt=receipt)
            stored[:] = [final]
            event = fact(final, recorded.recorded_us) if fact is not None else None
            outcome = b""
            if message is not None and message.outcome is not None:
                outcome = message.outcome(final, recorded)
            return Effects(
                events=(Event(person(final.user_id), event),) if event is not None else (),
                changes=(PaymentMoved(final),),
                outcome=outcome,
            )

        settles = bool(postings) and moved.state is State.COMPLETED
        recorded = await self.parts.ledger.record(
            Intent(
                kind=self.parts.journal_kind(moved),
                postings=postings,
                close=moved.hold if settles or release else None,
                initiator=moved.user_id,
                description=label(moved),
                ref=moved.ref,
                receipt=moved.receipt,
                quote_id=moved.quote_id,
                fees=self.parts.fees(moved),
                effects=effects,
                ticket=message.ticket if message is not None else None,
            )
        )
        if isinstance(recorded, Recorded):
            self.payment = stored[0]
        return recorded

    def _leave_if_over(self) -> None:
        if not self.payment.is_open and not self.in_flight:
            self.mailbox.leave()


class PaymentKeeper:
    """Makes payment actors for the registry: recovers one payment and serves it."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def __call__(
        self, key: int, mailbox: Mailbox[Message], /, *, task_status: trio.TaskStatus[None]
    ) -> None:
        payment = await self._parts.store.load(key)
        if payment is None:
            return
        async with trio.open_nursery() as calls:
            actor = PaymentActor(payment, self._parts, mailbox, calls)
            task_status.started()
            actor.resume()
            await serve_timed(mailbox, actor, self._parts.clock)
            calls.cancel_scope.cancel()
