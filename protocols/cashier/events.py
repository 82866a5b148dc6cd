"""Facts of a person's feed as the frames this surface documents."""

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


def frame(fact: Fact, now_s: int, offset: int | None) -> bytes | None:
    """The frame of a fact at server time `now_s`; with `offset` for clients that resume.

    None for facts that only other surfaces tell.
    """
    rendered = _rendered(fact)
    if rendered is None:
        return None
    kind, data = rendered
    push = Push(type=kind, data=data, timestamp=now_s, offset=UNSET if offset is None else offset)
    return encode(push)


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


def _rendered(fact: Fact) -> tuple[str, Wire] | None:
    match fact:
        case TransferReceived():
            return "transfer_received", _transfer(fact)
        case DepositCompleted():
            return "deposit_completed", wire.DepositCompleted(
                request_ref=fact.ref,
                amount=amount(fact.amount),
                currency=fact.asset,
                receipt_code=receipt_code(fact.receipt),
                status="completed",
                completed_at=iso(fact.completed_us),
            )
        case AgentDepositCompleted():
            return "deposit_completed", _by_agent(fact)
        case DepositRequested():
            return "deposit_request_received", wire.DepositRequested(
                request_ref=fact.ref,
                from_user_id=str(fact.from_user),
                amount=amount(fact.amount),
                currency=fact.asset,
            )
        case DepositFailed():
            return "deposit_failed", wire.DepositCompleted(
                request_ref=fact.ref,
                amount=amount(fact.amount),
                currency=fact.asset,
                receipt_code=None,
                status=fact.status,
                completed_at=None,
            )
        case WithdrawalCompleted():
            return "withdraw_completed", wire.WithdrawCompleted(
                request_ref=fact.ref,
                amount=amount(fact.amount),
                currency=fact.asset,
                receipt_code=receipt_code(fact.receipt),
                status="completed",
                completed_at=iso(fact.completed_us),
            )
        case WithdrawalFailed():
            return "withdraw_failed", wire.WithdrawCompleted(
                request_ref=fact.ref,
                amount=amount(fact.amount),
                currency=fact.asset,
                receipt_code=receipt_code(fact.receipt),
                status=fact.status,
                completed_at=None,
            )
        case _:
            return None


def _transfer(fact: TransferReceived) -> Wire:
    return wire.TransferReceived(
        from_user_id=str(fact.from_user),
        amount=amount(fact.amount),
        currency=fact.asset,
        description=fact.description,
        receipt_code=receipt_code(fact.receipt),
        transfer_type=fact.transfer_type,
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
