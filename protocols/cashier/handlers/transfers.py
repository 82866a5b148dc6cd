"""Transfers from person to person (document, "Transfer Operations")."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

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


class _Order(Recording, kw_only=True, gc=False):
    """A transfer whose request has passed its checks; `units` of `asset`."""

    recipient: int
    asset: str
    units: int
    description: str

    def render(self, recorded: Recorded) -> Success:
        """To the sender."""
        line = recorded.line(wallet(self.call.user_id, self.asset))
        assert line is not None, "the sender's account is in the journal"
        done = TransferDone(
            receipt_code=receipt_code(recorded.receipt),
            journal_id=recorded.journal_id,
            amount=amount(self.units),
            currency=self.asset,
            fee=_NO_FEE,
            to_user_id=str(self.recipient),
            transfer_type="p2p",
            created_at=iso(recorded.recorded_us),
            balance_after=amount(line.balance),
            sequence=line.sequence,
        )
        return Success(message="transfer completed", data=done)

    def events(self, recorded: Recorded) -> tuple[Event, ...]:
        """To the recipient."""
        fact = TransferReceived(
            from_user=self.call.user_id,
            amount=self.units,
            asset=self.asset,
            description=self.description,
            receipt=recorded.receipt,
        )
        return (Event(person(self.recipient), fact),)


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
    return _drafted(_order(call, recipient, asset, units, request))


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
        send = partial(_send, cashier, order)
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
    text = request.description or ""
    return _Order(call, recipient=recipient, asset=asset.code, units=units, description=text)


async def _send(cashier: Cashier, order: _Order, *consumed: TokenConsumed) -> Success:
    if consumed:
        order.changes, order.on_conflict = consumed, Problem.VERIFICATION_INVALID
    return await _drafted(order).record(cashier.ledger)


def _drafted(order: _Order) -> Draft:
    """Both sides in one journal; the credit opens the recipient's account (CASH-C31)."""
    call, asset = order.call, order.asset
    text = order.description or "Transfer"
    source, target = wallet(call.user_id, asset), wallet(order.recipient, asset)
    intent = Intent(
        kind="TRANSFER",
        postings=(Posting(source, target, order.units, text),),
        initiator=call.user_id,
        description=text,
        effects=order.effects,
        ticket=call.ticket,
        strict_credit=True,
    )
    return Draft(intent, order)
