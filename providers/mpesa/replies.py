"""Answers to calls, as events. Pure; nothing a provider can answer raises."""

from typing import Final

import msgspec

from actors.rails import (
    Cause,
    IncomingPayment,
    Outcome,
    Pending,
    PushAccepted,
    Refused,
    Registered,
    TransferAccepted,
    Unknown,
)
from providers.mpesa import codes, lax, wire

_reply_decoder: Final = msgspec.json.Decoder(wire.Reply)
_token_decoder: Final = msgspec.json.Decoder(wire.Token)
_pull_decoder: Final = msgspec.json.Decoder(wire.PullReply)
_rows_decoder: Final = msgspec.json.Decoder(list[list[wire.PulledPayment] | wire.PulledPayment])

_OK: Final = "0"
# 1001 is "already registered" for a registration and "nothing there" for a pull.
_REGISTERED: Final = frozenset({"0", "00000000", "1000", "1001"})
_PULL_ROWS: Final = frozenset({"0", "1000"})
_PULL_NOTHING: Final = "1001"
_SHORTEST_TOKEN_LIFE_SECONDS: Final = 1
_LONGEST_TOKEN_LIFE_SECONDS: Final = 86_400
_TOKEN_LIFE_SECONDS: Final = 3_599  # where Daraja does not say


def token(status: int, body: bytes) -> tuple[str, int] | Refused:
    """The access token and its life in seconds. Asking for one moves no money, so nothing
    about it is ever Unknown."""
    read = lax.decode(_token_decoder, body) if status == 200 else None
    if read is not None and read.access_token:
        return read.access_token, _token_life(lax.text(read.expires_in))
    reply = lax.decode(_reply_decoder, body) or wire.Reply()
    code = lax.clean(reply.error_code)
    if code.startswith("4") or 400 <= status < 500:
        message = lax.clean(reply.error_message) or f"HTTP {status}"
        return Refused(cause=Cause.CREDENTIALS, code=code, message=message)
    return Refused(cause=Cause.NOT_SENT, code=code, message=f"no access token: HTTP {status}")


def _token_life(text: str | None) -> int:
    if text is None or not text.isdecimal():
        return _TOKEN_LIFE_SECONDS
    return min(max(int(text[:9]), _SHORTEST_TOKEN_LIFE_SECONDS), _LONGEST_TOKEN_LIFE_SECONDS)


def is_token_error(status: int, body: bytes) -> bool:
    """Whether the call was turned away for its token, so that nothing was done."""
    if status < 400:
        return False
    reply = lax.decode(_reply_decoder, body) or wire.Reply()
    return codes.is_token_error(status, reply.error_code)


def push(status: int, body: bytes) -> PushAccepted | Refused | Unknown:
    """Answer to a push."""
    reply = _accepted(status, body)
    if not isinstance(reply, wire.Reply):
        return reply
    checkout = lax.clean(reply.checkout_request_id)
    if not checkout:
        return Unknown(message="accepted without CheckoutRequestID")
    return PushAccepted(
        checkout=checkout,
        merchant=lax.clean(reply.merchant_request_id),
        message=lax.clean(reply.customer_message or reply.response_description),
    )


def push_query(status: int, body: bytes, checkout: str) -> Outcome:
    """Answer to a push query. A refused query says nothing about the push."""
    reply = lax.decode(_reply_decoder, body)
    if reply is None:
        return Unknown(message=f"HTTP {status}")
    code, message = lax.clean(reply.error_code), lax.clean(reply.error_message)
    if codes.is_processing(code, message):
        return Pending(message=message, code=code)
    result = lax.text(reply.result_code)
    if status != 200 or result is None:
        return Unknown(message=message or f"HTTP {status}", code=code)
    if reply.checkout_request_id not in ("", checkout):
        return Unknown(message="answer about another push")
    return codes.result(codes.Operation.STK, result, lax.clean(reply.result_desc))


def transfer(
    status: int, body: bytes, payment_id: str = ""
) -> TransferAccepted | Refused | Unknown:
    """Answer to anything asynchronous; `payment_id` is the originator id where it was ours."""
    reply = _accepted(status, body)
    if isinstance(reply, Refused | Unknown):
        if payment_id and codes.is_duplicate(reply.code, reply.message):
            return TransferAccepted(originator=payment_id, conversation=None, duplicate=True)
        return reply
    conversation = lax.clean(reply.conversation_id)
    originator = payment_id or lax.clean(reply.originator_conversation_id)
    if not conversation or not originator:
        return Unknown(message="accepted without conversation ids")
    return TransferAccepted(originator=originator, conversation=conversation)


def registration(status: int, body: bytes) -> Registered | Refused | Unknown:
    """Answer to a C2B or pull registration."""
    reply = lax.decode(_reply_decoder, body)
    if reply is None:
        return Unknown(message=f"HTTP {status}")
    candidates = (reply.response_code, reply.response_status, reply.response_status_spaced)
    said = {lax.text(raw) for raw in candidates}
    message = lax.clean(reply.response_description or reply.error_message)
    if status == 200 and said & _REGISTERED:
        return Registered(message=message)
    return codes.call_error(status, lax.clean(reply.error_code), message)


def pulled(
    status: int, body: bytes, shortcode: str
) -> tuple[IncomingPayment, ...] | Refused | Unknown:
    """Answer to a pull; rows that cannot be read make the whole answer Unknown."""
    reply = lax.decode(_pull_decoder, body)
    code = lax.text(reply.response_code) if reply is not None else None
    if reply is None or status != 200 or code is None:
        envelope = lax.decode(_reply_decoder, body) or wire.Reply()
        message = lax.clean(envelope.error_message)
        return codes.call_error(status, lax.clean(envelope.error_code), message)
    if code == _PULL_NOTHING:
        return ()
    pages = lax.decode(_rows_decoder, bytes(reply.response)) if code in _PULL_ROWS else None
    if pages is None:
        return Unknown(message=lax.clean(reply.response_message), code=code)
    rows = [row for page in pages for row in (page if isinstance(page, list) else [page])]
    payments = [_payment(row, shortcode) for row in rows]
    if None in payments:
        return Unknown(message="a row without receipt or amount", code=code)
    return tuple(payment for payment in payments if payment is not None)


def _payment(row: wire.PulledPayment, shortcode: str) -> IncomingPayment | None:
    receipt, amount = lax.clean(row.transaction_id), lax.paid_units(lax.text(row.amount))
    if not receipt or amount is None:
        return None
    return IncomingPayment(
        receipt=receipt,
        amount_units=amount,
        shortcode=shortcode,
        reference=lax.clean(row.bill_reference or ""),
        phone=lax.text(row.msisdn) or "",
        payer_name=lax.clean(row.sender or ""),
        paid_at=lax.clean(row.date),
    )


def _accepted(status: int, body: bytes) -> wire.Reply | Refused | Unknown:
    """The acknowledgement if the call was accepted, else what its refusal proves."""
    reply = lax.decode(_reply_decoder, body)
    if reply is None:
        return codes.call_error(status, "", "")
    error = lax.clean(reply.error_code)
    code = lax.text(reply.response_code)
    if status == 200 and not error and code == _OK:
        return reply
    if status == 200 and not error and code is not None:
        message = lax.clean(reply.response_description)
        return Refused(cause=Cause.DECLINED, code=code, message=message)
    return codes.call_error(status, error, lax.clean(reply.error_message))
