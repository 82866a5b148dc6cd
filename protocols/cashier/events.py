"""Facts of a person's feed as the frames this surface documents."""

from collections.abc import Callable
from functools import partial
from typing import Any, Final

from msgspec import UNSET

from domain.events import (
    AgentDepositCompleted,
    DepositCompleted,
    DepositFailed,
    DepositRequested,
    Fact,
    TransferReceived,
    WithdrawalCompleted,
    WithdrawalFailed,
)
from domain.ledger import receipt_code
from protocols.cashier.codec import amount, encode, iso
from protocols.cashier.wire import events as wire
from protocols.cashier.wire.base import Push, Wire

_Ended = wire.DepositCompleted | wire.WithdrawCompleted


def frame(fact: Fact, now_s: int, offset: int | None) -> bytes | None:
    """The frame of a fact at server time `now_s`; with `offset` for clients that resume.

    None for facts that only other surfaces tell.
    """
    told = _PUSHES.get(type(fact))
    if told is None:
        return None
    kind, render = told
    offset_or_unset = UNSET if offset is None else offset
    return encode(Push(type=kind, data=render(fact), timestamp=now_s, offset=offset_or_unset))


def connected(user_id: int, now_s: int, offset: int | None) -> bytes:
    """The first frame of every connection (CASH-005)."""
    data = wire.Connected(user_id=str(user_id), timestamp=now_s)
    push = Push(
        type="connected", data=data, timestamp=now_s, offset=UNSET if offset is None else offset
    )
    return encode(push)


def reload_required(reason: str, now_s: int, offset: int) -> bytes:
    """What was missed cannot be told any more; events after `offset` follow (X-C28)."""
    data = wire.ReloadRequired(reason=reason)
    return encode(Push(type="reload_required", data=data, timestamp=now_s, offset=offset))


def _transfer(fact: TransferReceived) -> Wire:
    return wire.TransferReceived(
        from_user_id=str(fact.from_user),
        amount=amount(fact.amount),
        currency=fact.asset,
        description=fact.description,
        receipt_code=receipt_code(fact.receipt),
        transfer_type=fact.transfer_type,
    )


def _completed(shape: type[_Ended], fact: DepositCompleted | WithdrawalCompleted) -> Wire:
    return shape(
        request_ref=fact.ref,
        amount=amount(fact.amount),
        currency=fact.asset,
        receipt_code=receipt_code(fact.receipt),
        status="completed",
        completed_at=iso(fact.completed_us),
    )


def _failed_deposit(fact: DepositFailed) -> Wire:
    """No money was booked, so there is no receipt."""
    return wire.DepositCompleted(
        request_ref=fact.ref,
        amount=amount(fact.amount),
        currency=fact.asset,
        receipt_code=None,
        status=fact.status,
        completed_at=None,
    )


def _failed_withdrawal(fact: WithdrawalFailed) -> Wire:
    """The receipt is the hold's."""
    return wire.WithdrawCompleted(
        request_ref=fact.ref,
        amount=amount(fact.amount),
        currency=fact.asset,
        receipt_code=receipt_code(fact.receipt),
        status=fact.status,
        completed_at=None,
    )


def _by_agent(fact: AgentDepositCompleted) -> Wire:
    """The agent's id stands where a user's would (CASH-525)."""
    return wire.AgentDepositCompleted(
        from_user_id=fact.agent_id,
        amount=amount(fact.amount),
        currency=fact.asset,
        description=f"Deposit fulfillment via agent {fact.agent_id}",
        receipt_code=receipt_code(fact.receipt),
        deposit_request_ref=fact.ref,
        is_deposit=True,
        agent_id=fact.agent_id,
        agent_name=fact.agent_name,
    )


def _request(fact: DepositRequested) -> Wire:
    return wire.DepositRequested(
        request_ref=fact.ref,
        from_user_id=str(fact.from_user),
        amount=amount(fact.amount),
        currency=fact.asset,
    )


# By the type of the fact: the `type` of its frame, and what makes the frame's `data`.
_PUSHES: Final[dict[type[Any], tuple[str, Callable[[Any], Wire]]]] = {
    TransferReceived: ("transfer_received", _transfer),
    DepositCompleted: ("deposit_completed", partial(_completed, wire.DepositCompleted)),
    AgentDepositCompleted: ("deposit_completed", _by_agent),
    DepositRequested: ("deposit_request_received", _request),
    DepositFailed: ("deposit_failed", _failed_deposit),
    WithdrawalCompleted: ("withdraw_completed", partial(_completed, wire.WithdrawCompleted)),
    WithdrawalFailed: ("withdraw_failed", _failed_withdrawal),
}
