"""Every payment in flight, for the surfaces that start and watch them."""

import hmac
import random
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Final

import msgspec
import structlog
import trio

from actors.audit import AuditEntry
from actors.clock import US
from actors.payment_evidence import Alert, Result
from actors.payment_keeper import PaymentKeeper
from actors.payment_messages import (
    Again,
    Cancel,
    Evidence,
    Fulfil,
    Message,
    Nudge,
    OnChain,
    Overtaken,
    Rule,
)
from actors.payment_parts import Parts, label
from actors.payment_rulings import KIND
from actors.payment_store import PaymentCreated
from actors.payment_watch import Holds, Watchers
from actors.rails import Outcome, StatusResult
from actors.receipts import Inquiries
from actors.reviews import NotRuled, Review, Ruled, Ruling
from actors.runtime.ask import Envelope
from actors.runtime.failures import Failure
from actors.runtime.registry import Registry
from domain.chains.transfers import Deposit, Withdrawal
from domain.events import Event
from domain.ledger import Effects, Intent, Recorded, Refusal, Ticket
from domain.money import plain
from domain.payments import Kind, Payment

log = structlog.get_logger(__name__)

ANSWER_WITHIN_S: Final = 10.0  # a command to a payment; its calls to a provider run beside it
CAPACITY: Final = 64
OVERTAKEN_S: Final = 5.0  # so long a callback waits for the answer it has overtaken (MPWS-C11)
# Whoever made a payment may have gone before its actor was started: then this finds it.
LOOK_FOR_UNASKED_S: Final = 2.0
LOOK_FOR_OPEN_S: Final = 60.0  # also how long a payment that crashed too often is left alone
STARTED_AT_ONCE: Final = 1_000
KEYS: Final = 20_000  # of payments made lately, whose callbacks are found without a look-up
REVIEW_AFTER_US: Final = 3600 * US  # age at which an open payout may be decided by an operator

OutcomeOf = Callable[[Payment, Recorded | None], bytes]
EventsOf = Callable[[Payment], tuple[Event, ...]]


class Payments:
    """Makes payments and finds their actors; also the review desk of payments (actors.reviews).

    app.py runs `run` under its supervisor.
    """

    kind: str = KIND

    def __init__(self, parts: Parts, secret: bytes) -> None:
        self.store = parts.store
        self._watchers = Watchers(parts.store)
        self.inquiries = Inquiries(parts.rail, parts.urls)
        self._parts = replace(parts, moved=self._watchers.moved)
        self._secret = secret
        self._keys: OrderedDict[bytes, int] = OrderedDict()
        self._actors: Registry[int, Message] = Registry(
            "payments", PaymentKeeper(self._parts), jitter=random.random, capacity=CAPACITY
        )

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve, resuming every payment that was open when the server stopped."""
        async with trio.open_nursery() as nursery:
            await nursery.start(self._run_actors)
            await self._start_all(await self.store.open_ids())
            nursery.start_soon(self._look, self.store.unasked_ids, LOOK_FOR_UNASKED_S)
            nursery.start_soon(self._look, self.store.open_ids, LOOK_FOR_OPEN_S)
            nursery.start_soon(self._release_crashed)
            task_status.started()

    def stop(self) -> None:
        """End the actors; payments stay as they are stored."""
        self._actors.stop()

    async def create(
        self,
        draft: Payment,
        prefix: str,
        *,
        changes: tuple[Any, ...] = (),
        events: EventsOf | None = None,
        ticket: Ticket | None = None,
        outcome: OutcomeOf | None = None,
    ) -> tuple[Payment, Recorded | None] | Refusal:
        """Record `draft` (its id, ref and callback identity are given here) and set it going.

        With `draft.held` the money is set aside in the same transaction, together with
        `changes` and `events`. Answers once that is durable; the provider is asked after the
        answer.
        """
        payment = await self._numbered(draft, prefix)
        recorded: Recorded | None = None
        if payment.held or changes or events is not None:
            made = await self._journal(payment, changes, events, ticket, outcome)
            if isinstance(made, Refusal):
                return made
            payment, recorded = made
        else:
            saved = outcome(payment, None) if outcome is not None else b""
            await self.store.insert(payment, ticket, saved)
        self._keys[payment.callback_key] = payment.id
        if len(self._keys) > KEYS:
            self._keys.popitem(last=False)
        self._actors.start(payment.id)  # refused or not reached: _look finds it
        return payment, recorded

    async def by_key(self, key_hash: bytes) -> int | None:
        """The payment whose callbacks bear the secret with this hash, which never changes. Raises
        what storage raises."""
        return self._keys.get(key_hash) or await self.store.by_callback_key(key_hash)

    async def until(self, payment_id: int, holds: Holds, within_s: float) -> Payment | None:
        """The payment once `holds` is true of it, or as it is when the time is over; None when
        there is none. Raises what storage raises."""
        return await self._watchers.until(payment_id, holds, within_s)

    async def cancel(self, payment_id: int) -> Payment | Refusal:
        """Cancel if its state allows; the payment as it then is."""
        answer: Payment | Refusal = await self._ask(payment_id, Cancel())
        return answer

    async def fulfil(
        self, payment_id: int, message: Fulfil
    ) -> tuple[Payment, Recorded] | Payment | Refusal:
        """An agent hands over; the payment alone when it was not waiting any more."""
        answer: tuple[Payment, Recorded] | Payment | Refusal = await self._ask(payment_id, message)
        return answer

    async def evidence(self, payment_id: int, result: Result | Outcome) -> str | Refusal:
        """What a trusted callback said, or its bare outcome; the verdict, once it is recorded."""
        if isinstance(result, StatusResult) and self.inquiries.answered(payment_id, result):
            return "asked about a receipt"
        answer: str | Refusal | Overtaken = await self._ask(payment_id, Evidence(result))
        if isinstance(answer, Overtaken):
            await self.until(payment_id, _is_answered, OVERTAKEN_S)
            answer = await self._ask(payment_id, Evidence(result, waited=True))
            assert not isinstance(answer, Overtaken), "it has waited"
        return answer

    async def chain_arrived(self, payment_id: int, deposit: Deposit) -> bool | Refusal:
        """A confirmed deposit for it; False when it does not wait for one any more."""
        answer: bool | Refusal = await self._ask(payment_id, OnChain(deposit))
        return answer

    async def chain_told(self, payment_id: int, withdrawal: Withdrawal) -> Payment | Refusal:
        """What became of the transaction that pays it."""
        answer: Payment | Refusal = await self._ask(payment_id, OnChain(withdrawal))
        return answer

    async def nudge(self, payment_id: int) -> bool:
        """Something untrusted was said: let the payment ask its provider. False: not now."""
        return not isinstance(await self._ask(payment_id, Nudge()), Refusal)

    async def recheck(self, payment_id: int) -> bool:
        """Let the payment ask its provider, be it over or not. False: not now."""
        return not isinstance(await self._ask(payment_id, Nudge(ended_too=True)), Refusal)

    def secret_of(self, name: str) -> str:
        """The secret in an address of ours that belongs to no payment."""
        return self._derived(0, name)

    async def alert(self, alert: Alert, ref: str) -> None:
        """Tell operators of something about payments. Raises what storage raises."""
        await self._parts.alert(alert.kind, ref, alert.message)

    # For operators

    async def waiting(self, limit: int) -> Sequence[Review]:
        """Deposits under review, payouts without evidence, and payouts paid after they had
        failed; the longest waiting first."""
        before_us = self._parts.clock.now_us() - REVIEW_AFTER_US
        return [_review(payment) for payment in await self.store.undecided(limit, before_us)]

    async def rule(self, reference: str, ruling: Ruling) -> Ruled | NotRuled:
        """Approve, which credits a deposit or settles a payout, or reject. Of a payout that was
        paid after it had failed: its owner pays, or the platform does."""
        try:
            payment = await self.store.by_ref(reference)
        except self._parts.unavailable:
            return NotRuled.UNAVAILABLE
        if payment is None:
            return NotRuled.UNKNOWN
        answer: Ruled | NotRuled | Refusal = await self._ask(payment.id, Rule(ruling))
        return _not_ruled(answer) if isinstance(answer, Refusal) else answer

    async def begin_again(self, payment_id: int, audit: AuditEntry) -> Ruled | NotRuled | Refusal:
        """Try a failed token payment once more; a Refusal when its money is not there now."""
        answer: Ruled | NotRuled | Refusal = await self._ask(payment_id, Again(audit))
        return answer

    async def _ask(self, payment_id: int, message: Message) -> Any:
        envelope: Envelope[Message] = Envelope(message)
        refused = self._actors.post(payment_id, envelope)
        if refused is not None:
            return Refusal.OVERLOADED if refused is Failure.OVERLOADED else Refusal.UNAVAILABLE
        answer: Any = await envelope.wait(trio.current_time() + ANSWER_WITHIN_S)
        if isinstance(answer, Failure):
            return Refusal.UNKNOWN if answer.outcome_unknown else Refusal.UNAVAILABLE
        return answer

    async def _run_actors(self, *, task_status: trio.TaskStatus[None]) -> None:
        await self._actors.run(task_status=task_status)

    async def _start_all(self, ids: Sequence[int]) -> None:
        for number, payment_id in enumerate(ids, 1):
            self._actors.start(payment_id)
            if number % STARTED_AT_ONCE == 0:
                await trio.lowlevel.checkpoint()

    async def _look(self, ids: Callable[[], Awaitable[Sequence[int]]], every_s: float) -> None:
        """Start, again and again, the actors that should be there."""
        while True:
            await trio.sleep(every_s)
            try:
                await self._start_all(await ids())
            except self._parts.unavailable as error:
                log.warning("open payments not read", error=str(error))

    async def _release_crashed(self) -> None:
        """Give payments that crashed too often another chance, and tell operators."""
        while True:
            await trio.sleep(LOOK_FOR_OPEN_S)
            for payment_id in self._actors.quarantined:
                await self._release(payment_id)

    async def _release(self, payment_id: int) -> None:
        alert = Alert("payment_crashed", "crashes again and again; see the log")
        try:
            payment = await self.store.load(payment_id)
            if payment is not None:
                await self._parts.alert(alert.kind, payment.ref, alert.message)
        except self._parts.unavailable as error:
            log.warning("alert not raised", error=str(error))
        self._actors.release(payment_id)
        self._actors.start(payment_id)

    async def _numbered(self, draft: Payment, prefix: str) -> Payment:
        created = datetime.fromtimestamp(draft.created_us // US, UTC)
        day = f"{created:%Y%m%d}"
        ref = draft.ref
        if not ref:
            number = await self.store.next_number(prefix, day)
            ref = f"{prefix}-{draft.local_asset}-{day}-{number:03d}"
        payment_id = await self.store.next_id()
        return msgspec.structs.replace(
            draft,
            id=payment_id,
            ref=ref,
            callback_hash=draft.callback_hash or self._derived(payment_id, "hash"),
            callback_key=sha256(self.callback_secret(payment_id).encode()).digest(),
        )

    async def _journal(
        self,
        payment: Payment,
        changes: tuple[Any, ...],
        events: EventsOf | None,
        ticket: Ticket | None,
        outcome: OutcomeOf | None,
    ) -> tuple[Payment, Recorded] | Refusal:
        made: list[Payment] = []

        def effects(recorded: Recorded) -> Effects:
            final = payment
            if payment.held:
                final = msgspec.structs.replace(
                    payment, hold_id=recorded.journal_id, receipt=recorded.receipt
                )
            made[:] = [final]
            return Effects(
                events=events(final) if events is not None else (),
                changes=(PaymentCreated(final), *changes),
                outcome=outcome(final, recorded) if outcome is not None else b"",
            )

        recorded = await self._parts.ledger.record(
            Intent(
                kind=self._parts.journal_kind(payment),
                place=payment.hold,
                initiator=payment.user_id,
                description=label(payment),
                ref=payment.ref,
                quote_id=payment.quote_id,
                effects=effects,
                ticket=ticket,
            )
        )
        return recorded if isinstance(recorded, Refusal) else (made[0], recorded)

    def callback_secret(self, payment_id: int) -> str:
        """The secret in a payment's callback address: 160 bits, derived, never stored."""
        return self._derived(payment_id, "key")

    def _derived(self, payment_id: int, what: str) -> str:
        return hmac.new(self._secret, f"{what}:{payment_id}".encode(), sha256).hexdigest()[:40]


def _is_answered(payment: Payment) -> bool:
    return not payment.asking


def _not_ruled(refusal: Refusal) -> NotRuled:
    match refusal:
        case Refusal.INSUFFICIENT_FUNDS | Refusal.ACCOUNT_NOT_FOUND:
            return NotRuled.NOT_COVERED
        case Refusal.ACCOUNT_LOCKED:
            return NotRuled.LOCKED
        case _:
            return NotRuled.UNAVAILABLE


def _review(payment: Payment) -> Review:
    reasons: tuple[str, ...] = (payment.reason,) if payment.reason else ()
    if payment.contested:
        paid = f"{plain(payment.cash, 2)} {payment.local_asset}"
        receipt = payment.provider_receipt or "not known"
        late = f"paid out after its money was given back: {paid}, receipt {receipt}"
        reasons = (late, *(f"it had failed: {reason}" for reason in reasons))
    if payment.kind is Kind.BANK_WITHDRAWAL:
        paid = f"{plain(payment.local_amount, 2)} {payment.local_asset}"
        reasons = (f"{payment.partner}: transfer {paid} to {payment.address}",)
    return Review(
        reference=payment.ref,
        kind=KIND,
        user_id=payment.user_id,
        amount=payment.amount,
        asset=payment.asset,
        reasons=reasons,
        since_us=payment.created_us,
    )
