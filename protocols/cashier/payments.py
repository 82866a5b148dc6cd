"""Making a payment for a request: its record, its reply and its key in one commit."""

from collections.abc import Callable
from typing import Any, TypeVar

from domain.ledger import Recorded, Refusal
from domain.payments import Payment
from protocols.cashier.calls import Call, save
from protocols.cashier.errors import Problem, Refused, of_refusal
from protocols.cashier.service import Cashier
from protocols.cashier.wire.base import Success

_T = TypeVar("_T")
Render = Callable[[Payment, Recorded | None], Success]
"""Makes the reply from the payment as stored and, where money was set aside, its journal."""


def unwrapped(answer: _T | Refusal, on_conflict: Problem = Problem.CONFLICT) -> _T:
    """The answer; raises Refused for a refusal."""
    if isinstance(answer, Refusal):
        raise Refused(on_conflict if answer is Refusal.CONFLICT else of_refusal(answer))
    return answer


async def create(
    cashier: Cashier,
    call: Call,
    draft: Payment,
    prefix: str,
    render: Render,
    *,
    changes: tuple[Any, ...] = (),
    on_conflict: Problem = Problem.CONFLICT,
) -> Success:
    """Record the payment and answer; whoever must be asked is asked after that (CASH-C03)."""

    def outcome(payment: Payment, recorded: Recorded | None) -> bytes:
        return save(render(payment, recorded)) if call.ticket is not None else b""

    made = await cashier.payments.create(
        draft, prefix, changes=changes, ticket=call.ticket, outcome=outcome
    )
    payment, recorded = unwrapped(made, on_conflict)
    call.journaled = call.ticket is not None
    return render(payment, recorded)
