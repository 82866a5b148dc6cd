"""What agents do: hand over a deposit, pay out a withdrawal (CASH-C34, CASH-C38)."""

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from msgspec.structs import replace

from actors.payment_messages import Fulfil
from domain import fees
from domain.identity import TokenConsumed
from domain.ledger import Recorded, Refusal, receipt_code, wallet
from domain.payments import Kind, Payment, State
from protocols.cashier import services
from protocols.cashier.calls import Call, save
from protocols.cashier.codec import amount, iso
from protocols.cashier.errors import Problem, Refused, of_refusal
from protocols.cashier.service import Cashier
from protocols.cashier.statuses import DEPOSITS, WITHDRAWALS, status
from protocols.cashier.wire.base import Success
from protocols.cashier.wire.payments import DepositFulfilled, WithdrawalFulfilled
from protocols.cashier.wire.requests import ByReference


class Handover(NamedTuple):
    """What an agent's transfer says of the deposit `ref`; `units` of `asset`."""

    ref: str
    recipient: int
    asset: str
    units: int


async def fulfilling(
    cashier: Cashier, call: Call, handover: Handover
) -> Callable[..., Awaitable[Success]]:
    """Check the handover (CASH-C34); what is returned carries it out, spending the verification
    tokens it is given. Money, commission and status in one commit; the first of two wins."""
    ref, recipient, asset, units = handover
    agent = await services.as_agent(cashier, call.user_id)
    if agent is None:
        raise Refused(Problem.ONLY_AGENTS_DEPOSIT)
    payment = await cashier.payments.store.by_ref(ref)
    if payment is None or payment.kind not in DEPOSITS:
        raise Refused(Problem.DEPOSIT_NOT_FOUND)
    if payment.agent != agent.agent_id:
        raise Refused(Problem.UNAUTHORIZED)
    if payment.state is not State.WAITING:
        raise Refused(Problem.DEPOSIT_NOT_PENDING)
    if (payment.user_id, payment.asset, payment.amount) != (recipient, asset, units):
        raise Refused(Problem.DEPOSIT_MISMATCH)
    commission = fees.commission(units, asset, agent.commission_bp)

    def render(done: Payment, recorded: Recorded) -> Success:
        line = recorded.line(wallet(agent.user_id, asset))
        assert line is not None, "the agent's account is in the journal"
        shown = DepositFulfilled(
            receipt_code=receipt_code(recorded.receipt),
            journal_id=recorded.journal_id,
            amount=amount(units),
            currency=asset,
            fee=amount(0),
            to_user_id=str(recipient),
            transfer_type="agent_deposit",
            agent_id=agent.agent_id,
            agent_name=agent.name,
            agent_commission=amount(commission),
            deposit_request_ref=done.ref,
            deposit_completed=True,
            created_at=iso(recorded.recorded_us),
            balance_after=amount(line.balance),
            sequence=line.sequence,
        )
        return Success(message="deposit fulfilled successfully", data=shown)

    async def fulfil(*consumed: TokenConsumed) -> Success:
        message = Fulfil(wallet(agent.user_id, asset), commission, changes=consumed)
        done = await _fulfil(cashier, call, payment, message, render)
        if done is None:
            raise Refused(Problem.DEPOSIT_NOT_PENDING)
        return done

    return fulfil


async def fulfill_withdrawal(cashier: Cashier, call: Call, request: ByReference) -> Success:
    """Additive: the agent has paid the cash; hold and fee become the agent's (CASH-C38)."""
    agent = await services.as_agent(cashier, call.user_id)
    if agent is None:
        raise Refused(Problem.ONLY_AGENTS_WITHDRAW)
    payment = await cashier.payments.store.by_ref(request.request_ref)
    if payment is None or payment.kind not in WITHDRAWALS:
        raise Refused(Problem.WITHDRAWAL_NOT_FOUND)
    if payment.kind is not Kind.AGENT_WITHDRAWAL or payment.agent != agent.agent_id:
        raise Refused(Problem.UNAUTHORIZED)
    if payment.state is not State.WAITING:
        raise Refused(Problem.WITHDRAWAL_NOT_PENDING)

    def render(done: Payment, recorded: Recorded) -> Success:
        line = recorded.line(wallet(agent.user_id, done.asset))
        assert line is not None, "the agent's account is in the journal"
        shown = WithdrawalFulfilled(
            request_ref=done.ref,
            receipt_code=receipt_code(recorded.receipt),
            amount=amount(done.amount),
            currency=done.asset,
            agent_commission=amount(done.fee),
            status=status(done),
            balance_after=amount(line.balance),
            sequence=line.sequence,
        )
        return Success(message="withdrawal fulfilled successfully", data=shown)

    message = Fulfil(wallet(agent.user_id, payment.asset))
    reply = await _fulfil(cashier, call, payment, message, render)
    if reply is None:
        raise Refused(Problem.WITHDRAWAL_NOT_PENDING)
    return reply


async def _fulfil(
    cashier: Cashier,
    call: Call,
    payment: Payment,
    message: Fulfil,
    render: Callable[[Payment, Recorded], Success],
) -> Success | None:
    """Carry it out; None when the payment was not waiting any more."""

    def outcome(done: Payment, recorded: Recorded) -> bytes:
        return save(render(done, recorded)) if call.ticket is not None else b""

    message = replace(message, ticket=call.ticket, outcome=outcome)
    answer = await cashier.payments.fulfil(payment.id, message)
    if isinstance(answer, Refusal):
        spent = answer is Refusal.CONFLICT and message.changes
        raise Refused(Problem.VERIFICATION_INVALID if spent else of_refusal(answer))
    if isinstance(answer, Payment):
        return None
    call.journaled = call.ticket is not None
    done, recorded = answer
    return render(done, recorded)
