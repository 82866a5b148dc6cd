"""Withdrawals to a phone (document 001, section 2)."""

from datetime import UTC, datetime
from typing import Final

import msgspec

from actors.clock import US
from actors.payment_parts import payout_moved
from domain.hashes import ASSET, hash_account
from domain.ledger import Recorded, Ticket, wallet
from domain.payments import SILENCE_US, Kind, Payment, State
from protocols.mpesa import codec
from protocols.mpesa.admission import Caller
from protocols.mpesa.codec import Payable
from protocols.mpesa.errors import of_refusal
from protocols.mpesa.events import withdrawal
from protocols.mpesa.keyed import kept, once
from protocols.mpesa.service import Mpesa
from protocols.mpesa.wire import Message, Withdrawal

_reply: Final = msgspec.json.Decoder(Withdrawal).decode


async def withdraw(mpesa: Mpesa, caller: Caller, payload: bytes) -> Message:
    """Answers `withdraw` once the money is set aside; the provider is asked after that."""
    order = codec.read_order(payload, mpesa.settings.largest)
    reply, _ = await start(mpesa, caller, order)
    return Message(kind="withdraw", payload=reply)


async def start(mpesa: Mpesa, caller: Caller, order: Payable) -> tuple[Withdrawal, bool]:
    """The withdrawal as it was queued, and whether that was by an earlier request with the same
    key. Raises Refused."""

    async def create(ticket: Ticket | None) -> str:
        return await _create(mpesa, caller, order, ticket)

    fingerprint = codec.fingerprint("withdraw", caller.hash, order)
    outcome = await once(mpesa, caller, order.key, fingerprint, create)
    return _reply(outcome.result), outcome.is_repeat


async def _create(mpesa: Mpesa, caller: Caller, order: Payable, ticket: Ticket | None) -> str:
    """Takes only what is there: from the owner's KES account, else from the hash's own."""
    account = hash_account(caller.hash)
    if caller.user_id is not None:
        account = wallet(caller.user_id, ASSET)
    now_us = mpesa.clock.now_us()
    draft = Payment(
        id=0,
        ref=_conversation(mpesa, now_us),
        kind=Kind.PAYOUT,
        state=State.SENDING,
        account=account,
        user_id=account.owner,
        asset=ASSET,
        amount=order.units,
        local_asset=ASSET,
        local_amount=order.units,
        held=order.units,
        phone=order.phone,
        description=order.description,
        callback_hash=caller.hash,
        created_us=now_us,
        due_us=now_us + SILENCE_US,
    )

    def outcome(payment: Payment, recorded: Recorded | None) -> bytes:
        return kept(_queued(payment, recorded)) if ticket is not None else b""

    made = await mpesa.payments.create(draft, "", ticket=ticket, outcome=outcome)
    if not isinstance(made, tuple):
        raise of_refusal(made)
    return _queued(*made)


def _queued(payment: Payment, recorded: Recorded | None) -> str:
    line = recorded.line(payment.account) if recorded is not None else None
    assert line is not None, "a withdrawal holds its money"
    reply = msgspec.structs.replace(
        withdrawal(payout_moved(payment)),
        balance_after=codec.balance(line.balance),
        sequence=line.sequence,
    )
    return codec.encode(reply).decode()


def _conversation(mpesa: Mpesa, now_us: int) -> str:
    """Our own id of the withdrawal, from the queued reply to the last update (contract.md)."""
    day = datetime.fromtimestamp(now_us // US, UTC)
    return f"AG_{day:%Y%m%d}_{mpesa.random_bytes(10).hex()}"
