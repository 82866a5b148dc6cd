"""Transfers from person to person (document, "Transfer Operations")."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

import msgspec

from domain.events import Event, TransferReceived, person
from domain.identity import Purpose, TokenConsumed
from domain.ledger import Intent, Posting, Recorded, receipt_code, wallet
from domain.money import Asset
from protocols.cashier import checks
from protocols.cashier.calls import Call, Draft, Missing, Recording
from protocols.cashier.codec import amount, iso
from protocols.cashier.errors import Problem, Refused
from protocols.cashier.handlers.fulfilment import Handover, fulfilling
from protocols.cashier.service import Cashier
from protocols.cashier.spending import spend
from protocols.cashier.wire.base import Success
from protocols.cashier.wire.payments import TransferDone
from protocols.cashier.wire.requests import Transfer

_NO_FEE: Final = amount(0)  # CASH-318


class _Order(msgspec.Struct, frozen=True, gc=False):
    """A transfer whose request has passed its checks; `units` of `asset`."""

    sender: int
    recipient: int
    asset: str
    units: int
    description: str


def draft(cashier: Cashier, call: Call, request: Transfer) -> Draft | Missing | None:
    """A plain transfer, drafted without waiting; None for all others.

    Checks like `transfer` and raises the same Refused.
    """
    if request.deposit_request_ref or request.verification_token:
        return None
    if cashier.settings.transfer_requires_verification:
        return None
    units, asset = _money(request)
    recipient = checks.user_id(request.to_user_id)
    if recipient is None:
        return None
    if not cashier.people.is_known(recipient):
        # Nearly always the account is wanted next: looked up beside the person, not after.
        return Missing(recipient, wallet(recipient, asset.code))
    return _drafted(call, _order(call, recipient, asset, units, request))


async def transfer(cashier: Cashier, call: Call, request: Transfer) -> Success:
    """Check order: amount, currency, recipient, self, deposit, token, account, balance."""
    units, asset = _money(request)
    recipient = await _recipient(cashier, request.to_user_id, asset.code)
    order = _order(call, recipient, asset, units, request)
    send: Callable[..., Awaitable[Success]]
    if request.deposit_request_ref:
        handover = Handover(request.deposit_request_ref, recipient, asset.code, units)
        send = await fulfilling(cashier, call, handover)
    else:
        send = partial(_send, cashier, call, order)
    token = request.verification_token
    if token:
        return await spend(cashier, call.user_id, token, Purpose.TRANSFER, send)
    if cashier.settings.transfer_requires_verification:
        raise Refused(Problem.VERIFICATION_MISSING)
    return await send()


def _money(request: Transfer) -> tuple[int, Asset]:
    """Units and asset of a request."""
    units = checks.positive(request.amount)
    asset = checks.currency(request.currency)
    return checks.exact(units, asset), asset


async def _recipient(cashier: Cashier, to_user_id: str, asset: str) -> int:
    """The user id money is sent to: somebody who is there (CASH-C32)."""
    user_id = checks.user_id(to_user_id)
    if user_id is None:
        raise Refused(Problem.RECIPIENT_NOT_FOUND)
    # Nearly always the account is wanted next: looked up beside the person, not after.
    cashier.ledger.accounts.expect(wallet(user_id, asset))
    if not await cashier.people.is_there(user_id):
        raise Refused(Problem.RECIPIENT_NOT_FOUND)
    return user_id


def _order(call: Call, recipient: int, asset: Asset, units: int, request: Transfer) -> _Order:
    if recipient == call.user_id:
        raise Refused(Problem.TO_YOURSELF)
    return _Order(call.user_id, recipient, asset.code, units, request.description or "")


async def _send(cashier: Cashier, call: Call, order: _Order, *consumed: TokenConsumed) -> Success:
    return await _drafted(call, order, *consumed).record(cashier.ledger)


def _drafted(call: Call, order: _Order, *consumed: TokenConsumed) -> Draft:
    """Both sides in one journal; the credit opens the recipient's account (CASH-C31)."""
    source, target = wallet(order.sender, order.asset), wallet(order.recipient, order.asset)

    def render(recorded: Recorded) -> Success:
        line = recorded.line(source)
        assert line is not None, "the sender's account is in the journal"
        done = TransferDone(
            receipt_code=receipt_code(recorded.receipt),
            journal_id=recorded.journal_id,
            amount=amount(order.units),
            currency=order.asset,
            fee=_NO_FEE,
            to_user_id=str(order.recipient),
            transfer_type="p2p",
            created_at=iso(recorded.recorded_us),
            balance_after=amount(line.balance),
            sequence=line.sequence,
        )
        return Success(message="transfer completed", data=done)

    def events(recorded: Recorded) -> tuple[Event, ...]:
        fact = TransferReceived(
            from_user=order.sender,
            amount=order.units,
            asset=order.asset,
            description=order.description,
            receipt=recorded.receipt,
        )
        return (Event(person(order.recipient), fact),)

    on_conflict = Problem.VERIFICATION_INVALID if consumed else Problem.CONFLICT
    recording = Recording(call, render, events, consumed, on_conflict)
    text = order.description or "Transfer"
    intent = Intent(
        kind="TRANSFER",
        postings=(Posting(source, target, order.units, text),),
        initiator=order.sender,
        description=text,
        effects=recording.effects,
        ticket=call.ticket,
        strict_credit=True,
    )
    return Draft(call, intent, recording)
