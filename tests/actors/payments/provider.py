"""A mobile-money provider the tests play: it outlives us, as the real one does.

It keeps what it was asked, moves its own money once an id, and calls back until somebody
acknowledges. `Plan` says how one phone's payments go.
"""

import itertools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import trio

from actors.callbacks import Source
from actors.rails import (
    Cause,
    IncomingPayment,
    Malformed,
    NotFound,
    Outcome,
    Paid,
    Pending,
    PushAccepted,
    PushResult,
    Refused,
    Reversed,
    StatusResult,
    TransferAccepted,
    TransferResult,
    Unknown,
)
from domain.money import UNITS_PER_WHOLE
from domain.payments import Payment

REFUSED = Refused(cause=Cause.CANCELLED, code="1032", message="cancelled")
DECLINED = Refused(cause=Cause.PARTY_UNKNOWN, code="2040", message="recipient unregistered")
Take = Callable[[Source, str, str, str, bytes], Awaitable[None]]


@dataclass
class Plan:
    """How payments of one phone go.

    `answers` are those of the calls that move money, one each: "accept", "lose" (it is done, but
    the answer never comes), "fail" (nothing is done and nobody knows) or a Refused; the last one
    repeats. `ending` is what becomes of an accepted one. `delay_s` passes before an answer.
    `on_asked` is called when the call has come.
    """

    answers: list[Any] = field(default_factory=lambda: ["accept"])
    ending: Outcome | None = field(default_factory=Paid)
    calls_back: int = 1
    delay_s: float = 0.0
    answer_delay_s: float = 0.0
    on_asked: Callable[[], None] = lambda: None


@dataclass
class Operation:
    """One payment at the provider."""

    kind: str
    phone: str
    amount: int
    originator: str
    checkout: str
    conversation: str
    url: str
    plan: Plan
    outcome: Outcome | None = None
    receipt: str = ""
    reference: str = ""

    @property
    def paid(self) -> bool:
        return isinstance(self.outcome, Paid)


class Provider:
    """Implements actors.rails.MobileMoney as far as payments use it, and reads its own bodies."""

    def __init__(self) -> None:
        self.plans: dict[str, Plan] = {}
        self.reversals: dict[str, Plan] = {}  # by the receipt that is given back
        self.operations: list[Operation] = []
        self.asked: list[tuple[str, str]] = []  # every call that moves money: kind and payment
        self.questions: list[str] = []
        self.take: Take | None = None  # our callback intake, while we are there
        self.reach: Callable[[str], None] = lambda _point: None  # where we may be killed
        self.unasked: list[IncomingPayment] = []
        self.lists_nothing = False
        self._bodies: list[Any] = []
        self._numbers = itertools.count(1)
        self._deliveries: list[tuple[str, Any]] = []
        self._under_way = 0  # deliveries that are being made

    # What we ask of it

    async def push(self, **request: Any) -> PushAccepted | Refused | Unknown:
        operation = await self._begin("push", request["phone"], request, request["callback_url"])
        if not isinstance(operation, Operation):
            return operation
        return PushAccepted(checkout=operation.checkout, merchant="m", message="ok")

    async def pay_out(self, **request: Any) -> TransferAccepted | Refused | Unknown:
        operation = await self._begin("payout", request["phone"], request, request["result_url"])
        if not isinstance(operation, Operation):
            return operation
        return TransferAccepted(
            originator=operation.originator, conversation=operation.conversation
        )

    async def request_reversal(self, **request: Any) -> TransferAccepted | Refused | Unknown:
        receipt = request["receipt"]
        self.plans[receipt] = self.reversals[receipt]
        named = {**request, "payment_id": receipt}
        operation = await self._begin("reversal", receipt, named, request["result_url"])
        if not isinstance(operation, Operation):
            return operation
        return TransferAccepted(
            originator=operation.originator, conversation=operation.conversation
        )

    async def query_push(self, checkout: str) -> Outcome:
        await trio.lowlevel.checkpoint()
        self.questions.append(checkout)
        self.reach("asked about a push")
        found = next((o for o in self.operations if o.checkout == checkout), None)
        if found is None:
            return NotFound(message="no such checkout")
        if isinstance(found.outcome, Paid):
            return Paid()  # names neither receipt nor amount
        return found.outcome or Pending(message="processing")

    async def request_status(
        self, *, result_url: str, timeout_url: str, originator: str = "", receipt: str = ""
    ) -> TransferAccepted:
        await trio.lowlevel.checkpoint()
        self.questions.append(originator or receipt)
        self.reach("asked about a payout")
        found = next((o for o in self.operations if o.originator == originator), None)
        outcome: Outcome = NotFound(message="no such originator")
        if receipt:
            given_back = any(o.kind == "reversal" and o.phone == receipt for o in self.operations)
            outcome = Reversed(message="Reversed") if given_back else Paid(receipt=receipt)
        elif found is not None:
            outcome = found.outcome or Pending(message="processing")
        result = StatusResult(
            originator="ours", conversation="s", outcome=outcome, original_originator=originator
        )
        self._deliveries.append((result_url, result))
        return TransferAccepted(originator="ours", conversation=f"S{next(self._numbers)}")

    async def list_incoming(
        self, *, from_us: int, to_us: int, offset: int = 0
    ) -> tuple[IncomingPayment, ...] | Unknown:
        await trio.lowlevel.checkpoint()
        if self.lists_nothing:
            return Unknown(message="HTTP 500")
        paid = [o for o in self.operations if o.kind == "push" and o.paid]
        rows = [_incoming(operation) for operation in paid] + self.unasked
        return tuple(rows[offset : offset + 2])  # a small page, so that there are several

    async def _begin(
        self, kind: str, phone: str, request: dict[str, Any], url: str
    ) -> Operation | Refused | Unknown:
        payment_id = request["payment_id"]
        self.reach(f"before the {kind} is sent")
        self.asked.append((kind, payment_id))
        plan = self.plans.setdefault(phone, Plan())
        answer = plan.answers.pop(0) if len(plan.answers) > 1 else plan.answers[0]
        if isinstance(answer, Refused):
            return answer
        if answer == "fail":
            return Unknown(message="HTTP 500")
        known = next((o for o in self.operations if o.originator == payment_id), None)
        if known is None or kind == "push":  # only payouts are told apart
            known = self._new(kind, phone, request["amount_kes"], payment_id, url, plan)
            known.reference = request.get("reference", "")
        self.reach(f"after the {kind} was taken")
        plan.on_asked()
        await trio.sleep(plan.answer_delay_s)
        return Unknown(message="ReadTimeout") if answer == "lose" else known

    def _new(
        self, kind: str, phone: str, amount: int, originator: str, url: str, plan: Plan
    ) -> Operation:
        number = next(self._numbers)
        checkout = f"ws_CO_{number}" if kind == "push" else ""
        conversation = "" if kind == "push" else f"AG_{number}"
        operation = Operation(kind, phone, amount, originator, checkout, conversation, url, plan)
        self.operations.append(operation)
        return operation

    # What it does by itself

    async def run(self) -> None:
        """End what was accepted and call back until it is acknowledged."""
        while True:
            for operation in self.operations:
                if operation.outcome is None and operation.plan.ending is not None:
                    await trio.sleep(operation.plan.delay_s)
                    self.end(operation, operation.plan.ending, operation.plan.calls_back)
            deliveries, self._deliveries = self._deliveries, []
            self._under_way = len(deliveries)
            for url, result in deliveries:
                if not await self.deliver(url, result):
                    self._deliveries.append((url, result))
                self._under_way -= 1
            await trio.sleep(0.002)

    def end(self, operation: Operation, ending: Outcome, calls_back: int = 1) -> None:
        """It is over; the result is called back so often."""
        operation.outcome = ending
        if isinstance(ending, Paid):
            operation.receipt = operation.receipt or f"R{next(self._numbers)}"
            operation.outcome = Paid(
                receipt=operation.receipt,
                amount_units=operation.amount * UNITS_PER_WHOLE,
                phone=operation.phone,
            )
        for _ in range(calls_back):
            self._deliveries.append((operation.url, self.result(operation, operation.outcome)))

    def result(self, operation: Operation, outcome: Outcome) -> PushResult | TransferResult:
        """A callback about an operation, whatever it says."""
        if operation.kind == "push":
            return PushResult(checkout=operation.checkout, merchant="m", outcome=outcome)
        return TransferResult(
            originator=operation.originator, conversation=operation.conversation, outcome=outcome
        )

    async def deliver(self, url: str, result: Any) -> bool:
        """Post one callback; False when nobody has acknowledged it."""
        if self.take is None:
            return False
        self._bodies.append(result)
        kind, hash_, key = url.split(":")
        body = str(len(self._bodies) - 1).encode()
        try:
            await self.take(Source(kind), hash_, key, "127.0.0.1", body)
        except Exception:  # we are away
            return False
        return True

    @property
    def is_quiet(self) -> bool:
        """Whether it has nothing more to say by itself."""
        waiting = any(o.outcome is None and o.plan.ending is not None for o in self.operations)
        return not waiting and not self._deliveries and not self._under_way

    # Its bodies, read

    def read(self, body: bytes) -> Any:
        if not body.isdigit() or int(body) >= len(self._bodies):
            return Malformed(reason="not a body of ours")
        return self._bodies[int(body)]

    read_push = read_result = read_timeout = read_status = read


def _incoming(operation: Operation) -> IncomingPayment:
    return IncomingPayment(
        receipt=operation.receipt,
        amount_units=operation.amount * UNITS_PER_WHOLE,
        shortcode="1",
        reference=operation.reference,
        phone=operation.phone,
        payer_name="",
        paid_at="",
    )


class Urls:
    """actors.payment_parts.CallbackUrls: source, hash and key in one text."""

    def __init__(self) -> None:
        self.secret_of: Callable[[int], str] = lambda _payment_id: ""

    def push(self, payment: Payment) -> str:
        return self._url("push", payment)

    def result(self, payment: Payment) -> str:
        return self._url("result", payment)

    def timeout(self, payment: Payment) -> str:
        return self._url("timeout", payment)

    def status(self, payment: Payment) -> str:
        return self._url("status", payment)

    def _url(self, kind: str, payment: Payment) -> str:
        return f"{kind}:{payment.callback_hash}:{self.secret_of(payment.id)}"
