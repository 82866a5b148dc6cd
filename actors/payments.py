"""Every payment in flight, for the surfaces that start and watch them."""

import hmac
import random
from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Final

import msgspec
import trio

from actors.clock import US
from actors.payment import Begin, Cancel, Evidence, Fulfil, Message, Nudge, PaymentKeeper
from actors.payment_parts import Parts, label
from actors.payment_store import PaymentCreated
from actors.runtime.ask import Envelope
from actors.runtime.failures import Failure
from actors.runtime.registry import Registry
from domain.ledger import Effects, Hold, Intent, Recorded, Refusal, Ticket
from domain.payments import Payment, State

ANSWER_WITHIN_S: Final = 10.0  # a command to a payment; its calls to a provider run beside it

OutcomeOf = Callable[[Payment, Recorded | None], bytes]


class Payments:
    """Makes payments and finds their actors. app.py runs `run` under its supervisor."""

    def __init__(self, parts: Parts, secret: bytes) -> None:
        self.store = parts.store
        self._parts = parts
        self._secret = secret
        self._actors: Registry[int, Message] = Registry(
            "payments", PaymentKeeper(parts), jitter=random.random, capacity=64
        )

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve, resuming every payment that was open when the server stopped."""
        async with trio.open_nursery() as nursery:
            await nursery.start(self._run_actors)
            for payment_id in await self.store.open_ids():
                self._actors.start(payment_id)
            task_status.started()

    async def _run_actors(self, *, task_status: trio.TaskStatus[None]) -> None:
        await self._actors.run(task_status=task_status)

    def stop(self) -> None:
        """End the actors; payments stay as they are stored."""
        self._actors.stop()

    async def create(
        self,
        draft: Payment,
        prefix: str,
        *,
        changes: tuple[Any, ...] = (),
        ticket: Ticket | None = None,
        outcome: OutcomeOf | None = None,
    ) -> tuple[Payment, Recorded | None] | Refusal:
        """Record `draft` (its id, ref and callback identity are given here) and set it going.

        With `draft.held` the money is set aside in the same transaction, together with
        `changes`. Answers once that is durable; the provider is asked after the answer.
        """
        payment = await self._numbered(draft, prefix)
        recorded: Recorded | None = None
        if payment.held:
            made = await self._set_aside(payment, changes, ticket, outcome)
            if isinstance(made, Refusal):
                return made
            payment, recorded = made
        else:
            saved = outcome(payment, None) if outcome is not None else b""
            await self.store.insert(payment, ticket, saved)
        if payment.state is State.SENDING:
            self._actors.post(payment.id, Envelope(Begin()))
        else:
            self._actors.start(payment.id)
        return payment, recorded

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

    async def evidence(self, payment_id: int, outcome: object) -> str | Refusal:
        """What a trusted callback said; the verdict, once it is recorded."""
        answer: str | Refusal = await self._ask(payment_id, Evidence(outcome))
        return answer

    async def nudge(self, payment_id: int) -> None:
        """Something untrusted was said: let the payment ask its provider."""
        await self._ask(payment_id, Nudge())

    async def _ask(self, payment_id: int, message: Message) -> Any:
        envelope: Envelope[Message] = Envelope(message)
        refused = self._actors.post(payment_id, envelope)
        if refused is not None:
            return Refusal.OVERLOADED if refused is Failure.OVERLOADED else Refusal.UNAVAILABLE
        answer: Any = await envelope.wait(trio.current_time() + ANSWER_WITHIN_S)
        return Refusal.UNKNOWN if isinstance(answer, Failure) else answer

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

    async def _set_aside(
        self,
        payment: Payment,
        changes: tuple[Any, ...],
        ticket: Ticket | None,
        outcome: OutcomeOf | None,
    ) -> tuple[Payment, Recorded] | Refusal:
        made: list[Payment] = []

        def effects(recorded: Recorded) -> Effects:
            final = msgspec.structs.replace(
                payment, hold_id=recorded.journal_id, receipt=recorded.receipt
            )
            made[:] = [final]
            saved = outcome(final, recorded) if outcome is not None else b""
            return Effects(changes=(PaymentCreated(final), *changes), outcome=saved)

        recorded = await self._parts.ledger.record(
            Intent(
                kind=self._parts.journal_kind(payment),
                place=Hold(payment.account, payment.held),
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
