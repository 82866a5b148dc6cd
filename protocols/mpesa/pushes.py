"""STK pushes and what became of them (document 001, section 1)."""

from base64 import b32encode
from typing import Final

from actors.payment_parts import push_moved
from domain.hashes import ASSET, hash_account
from domain.ledger import AccountKey, Recorded, Ticket, wallet
from domain.payments import SILENCE_US, Kind, Payment, State
from protocols.mpesa import codec
from protocols.mpesa.admission import Caller
from protocols.mpesa.codec import Payable
from protocols.mpesa.errors import Code, Refused, of_refusal
from protocols.mpesa.events import PENDING, push_status
from protocols.mpesa.keyed import Outcome, kept, once
from protocols.mpesa.service import ANSWER_WITHIN_S, Mpesa
from protocols.mpesa.wire import Message, Pushed

_PREFIX: Final = "STK-"
# The payer's prompt shows the last 12 characters of a reference; it finds the payment again.
_REFERENCE_BYTES: Final = 8
_REFERENCE_LENGTH: Final = 12


async def push(mpesa: Mpesa, caller: Caller, payload: bytes) -> Message:
    """Answers `push` once the prompt is on its way to the handset."""
    order = codec.read_order(payload, mpesa.settings.largest)
    payment, _ = await start(mpesa, caller, order)
    shown = Pushed(
        checkout=payment.checkout,
        merchant=payment.merchant,
        phone=payment.phone,
        amount=codec.amount(payment.amount),
        description=payment.description,
        status=PENDING,
    )
    return Message(kind="push", payload=shown)


async def status(mpesa: Mpesa, caller: Caller, payload: bytes) -> Message:
    """Answers `status` for a push of this hash; NOT_FOUND for any other (MPWS-C10)."""
    checkout = codec.read_inquiry(payload)
    store = mpesa.payments.store
    payment_id = await store.by_provider_id(checkout) if checkout else None
    payment = await store.load(payment_id) if payment_id is not None else None
    if payment is None or payment.kind is not Kind.PUSH or payment.callback_hash != caller.hash:
        raise Refused(Code.NOT_FOUND, "no such checkout")
    return Message(kind="status", payload=push_status(push_moved(payment)))


async def start(mpesa: Mpesa, caller: Caller, order: Payable) -> tuple[Payment, bool]:
    """The payment as the provider has taken it, and whether it was made by an earlier request
    with the same key. Raises Refused, for one that the provider did not take as well."""

    async def create(ticket: Ticket | None) -> str:
        return await _create(mpesa, caller, order, ticket)

    fingerprint = codec.fingerprint("push", order.hash or "", order)
    outcome = await once(mpesa, caller, order.key, fingerprint, create)
    return await _answered(mpesa, outcome), outcome.is_repeat


async def _answered(mpesa: Mpesa, outcome: Outcome) -> Payment:
    """The payment once the provider has answered. The answer is in its record, so a repeat is
    told the same."""
    payment_id = int(outcome.result)
    payment = await mpesa.payments.until(payment_id, _is_answered, ANSWER_WITHIN_S)
    assert payment is not None, "payments are never deleted"
    if payment.checkout:
        return payment
    if payment.doubted and not payment.silent:
        why = payment.reason or "no reason given"
        raise Refused(Code.PROVIDER_ERROR, f"the provider failed, the outcome is not known: {why}")
    if payment.state in (State.SENDING, State.UNKNOWN) or payment.doubted:
        raise Refused(Code.TIMEOUT, "no answer from the provider: the outcome is not known yet")
    raise Refused(Code.PROVIDER_ERROR, payment.reason or "the provider refused the request")


def _is_answered(payment: Payment) -> bool:
    return bool(payment.checkout) or payment.state is not State.SENDING


async def _create(mpesa: Mpesa, caller: Caller, order: Payable, ticket: Ticket | None) -> str:
    user_id, account = await _credited(mpesa, caller, order.phone)
    now_us = mpesa.clock.now_us()
    draft = Payment(
        id=0,
        ref=_PREFIX + _reference(mpesa),
        kind=Kind.PUSH,
        state=State.SENDING,
        account=account,
        user_id=user_id,
        asset=ASSET,
        amount=order.units,
        local_asset=ASSET,
        local_amount=order.units,
        phone=order.phone,
        description=order.description,
        callback_hash=caller.hash,
        created_us=now_us,
        due_us=now_us + SILENCE_US,
    )

    def outcome(payment: Payment, _recorded: Recorded | None) -> bytes:
        return kept(str(payment.id)) if ticket is not None else b""

    made = await mpesa.payments.create(draft, "", ticket=ticket, outcome=outcome)
    if not isinstance(made, tuple):
        raise of_refusal(made)
    return str(made[0].id)


async def _credited(mpesa: Mpesa, caller: Caller, phone: str) -> tuple[int, AccountKey]:
    """Whose account the money goes to: the hash's owner's, that of whoever has proved to have
    the phone, else the hash's own (MPWS-C07)."""
    if caller.user_id is not None:
        return caller.user_id, wallet(caller.user_id, ASSET)
    profile = await mpesa.people.by_phone(f"+{phone}")
    if profile is not None and not profile.deleted:
        return profile.user_id, wallet(profile.user_id, ASSET)
    account = hash_account(caller.hash)
    return account.owner, account


def _reference(mpesa: Mpesa) -> str:
    return b32encode(mpesa.random_bytes(_REFERENCE_BYTES)).decode()[:_REFERENCE_LENGTH]
