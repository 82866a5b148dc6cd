"""Making a payment for a request: its record, its reply and its key in one commit."""

from collections.abc import Callable
from typing import Any, Final, TypeVar

from actors.clock import US
from domain.events import Event
from domain.ledger import AccountKey, Recorded, Refusal
from domain.payments import Kind, Payment, State
from protocols.cashier.calls import Call, save
from protocols.cashier.errors import Problem, Refused, of_refusal
from protocols.cashier.service import Cashier
from protocols.cashier.wire.base import Success

_T = TypeVar("_T")
DAY_US: Final = 24 * 3600 * US  # patience with an agent or a chain (CASH-C38, CASH-C41)
Render = Callable[[Payment, Recorded | None], Success]
"""Makes the reply from the payment as stored and, where money was set aside, its journal."""


def unwrapped(answer: _T | Refusal, on_conflict: Problem = Problem.CONFLICT) -> _T:
    """The answer; raises Refused for a refusal."""
    if isinstance(answer, Refusal):
        raise Refused(on_conflict if answer is Refusal.CONFLICT else of_refusal(answer))
    return answer


def drafted(
    cashier: Cashier,
    kind: Kind,
    account: AccountKey,
    units: int,
    *,
    state: State = State.WAITING,
    wait_us: int | None = DAY_US,
    **members: Any,
) -> Payment:
    """A payment of `units` into or out of `account`, whose patience ends after `wait_us`, if ever.

    `members` say the rest; without them outside changes hands what changes hands here.
    """
    now_us = cashier.clock.now_us()
    usual: dict[str, Any] = {"local_asset": account.asset, "local_amount": units}
    return Payment(
        id=0,
        ref="",
        kind=kind,
        state=state,
        account=account,
        user_id=account.owner,
        asset=account.asset,
        amount=units,
        created_us=now_us,
        due_us=0 if wait_us is None else now_us + wait_us,
        **(usual | members),
    )


async def create(
    cashier: Cashier,
    call: Call,
    draft: Payment,
    prefix: str,
    render: Render,
    *,
    changes: tuple[Any, ...] = (),
    events: Callable[[Payment], tuple[Event, ...]] | None = None,
    on_conflict: Problem = Problem.CONFLICT,
) -> Success:
    """Record the payment and answer; whoever must be asked is asked after that (CASH-C03).

    `events` are those people are owed at once, whoever must act on it.
    """

    def outcome(payment: Payment, recorded: Recorded | None) -> bytes:
        return save(render(payment, recorded)) if call.ticket is not None else b""

    made = await cashier.payments.create(
        draft, prefix, changes=changes, events=events, ticket=call.ticket, outcome=outcome
    )
    payment, recorded = unwrapped(made, on_conflict)
    call.journaled = call.ticket is not None
    return render(payment, recorded)
