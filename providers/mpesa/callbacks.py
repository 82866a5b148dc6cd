"""Callback bodies, as events. Pure; whatever bytes come in, an event or Malformed comes out."""

from typing import Final

import msgspec

from actors.rails import (
    BalanceResult,
    FloatBalance,
    IncomingPayment,
    Malformed,
    Outcome,
    Paid,
    PushResult,
    StatusResult,
    TransferResult,
    Unknown,
)
from providers.mpesa import codes, lax, wire

_stk_decoder: Final = msgspec.json.Decoder(wire.StkEnvelope)
_result_decoder: Final = msgspec.json.Decoder(wire.ResultEnvelope)
_notice_decoder: Final = msgspec.json.Decoder(wire.C2bNotice)

_COMPLETED_KEYS: Final = ("TransactionCompletedDateTime", "TransCompletedTime")


def read_push(body: bytes) -> PushResult | Malformed:
    """An STK callback. Paid always has receipt and amount."""
    envelope = lax.decode(_stk_decoder, body)
    if envelope is None:
        return Malformed(reason="not an STK callback")
    callback = envelope.body.callback
    checkout, code = lax.clean(callback.checkout_request_id), lax.text(callback.result_code)
    if not checkout or code is None:
        return Malformed(reason="no CheckoutRequestID or ResultCode")
    outcome: Outcome | Malformed = codes.result(
        codes.Operation.STK, code, lax.clean(callback.result_desc)
    )
    if isinstance(outcome, Paid):
        outcome = _push_paid(callback.callback_metadata, outcome.message)
    if isinstance(outcome, Malformed):
        return outcome
    merchant = lax.clean(callback.merchant_request_id)
    return PushResult(checkout=checkout, merchant=merchant, outcome=outcome)


def _push_paid(metadata: wire.Metadata | None, message: str) -> Paid | Malformed:
    items = metadata.items if metadata is not None else []
    listed = items if isinstance(items, list) else [items]
    members = lax.values((item.name, item.value) for item in listed)
    receipt, amount = members.get("MpesaReceiptNumber"), lax.paid_units(members.get("Amount"))
    if receipt is None or amount is None:
        return Malformed(reason="paid, but without receipt or amount")
    return Paid(
        receipt=receipt,
        amount_units=amount,
        phone=members.get("PhoneNumber"),
        completed_at=members.get("TransactionDate"),
        message=message,
    )


def read_result(body: bytes) -> TransferResult | StatusResult | BalanceResult | Malformed:
    """What a ResultURL was sent. Success always names its receipt."""
    read = _result(body)
    if isinstance(read, Malformed):
        return read
    result, code, members = read
    if "TransactionStatus" in members:
        return _status(result, code, members)
    if "AccountBalance" in members and code == "0":
        return _balance(result, members["AccountBalance"])
    outcome: Outcome | Malformed = codes.result(
        codes.Operation.TRANSFER, code, lax.clean(result.result_desc)
    )
    if isinstance(outcome, Paid):
        outcome = _transfer_paid(result, members)
    if isinstance(outcome, Malformed):
        return outcome
    return _transfer(result, outcome)


def read_timeout(body: bytes) -> TransferResult | Malformed:
    """What a QueueTimeOutURL was sent: whatever it says, nothing is known."""
    read = _result(body)
    if isinstance(read, Malformed):
        return read
    result, code, _ = read
    return _transfer(result, Unknown(message=lax.clean(result.result_desc), code=code))


def read_status(body: bytes) -> StatusResult | Malformed:
    """What a status request's ResultURL was sent."""
    read = _result(body)
    return read if isinstance(read, Malformed) else _status(*read)


def read_incoming(body: bytes) -> IncomingPayment | Malformed:
    """A C2B validation or confirmation."""
    notice = lax.decode(_notice_decoder, body)
    if notice is None:
        return Malformed(reason="not a C2B notice")
    receipt, amount = lax.clean(notice.trans_id), lax.paid_units(lax.text(notice.trans_amount))
    shortcode = lax.text(notice.business_short_code)
    if not receipt or amount is None or shortcode is None:
        return Malformed(reason="no TransID, TransAmount or BusinessShortCode")
    names = (notice.first_name, notice.middle_name, notice.last_name)
    return IncomingPayment(
        receipt=receipt,
        amount_units=amount,
        shortcode=shortcode,
        reference=lax.clean(notice.bill_ref_number or ""),
        phone=lax.text(notice.msisdn) or "",
        payer_name=" ".join(filter(None, (lax.clean(name or "") for name in names))),
        paid_at=lax.text(notice.trans_time) or "",
    )


def answer_validation(refusal: str | None) -> bytes:
    """Answer to a C2B validation, due within eight seconds. `refusal` is None to accept, else
    C2B00011 (phone), 12 (account), 13 (amount), 14 (KYC), 15 (short code) or 16 (other)."""
    if refusal is None:
        return msgspec.json.encode(wire.Acknowledgement(result_code="0"))
    return msgspec.json.encode(wire.Acknowledgement(result_code=refusal, result_desc="Rejected"))


def _result(body: bytes) -> tuple[wire.Result, str, dict[str, str]] | Malformed:
    envelope = lax.decode(_result_decoder, body)
    if envelope is None:
        return Malformed(reason="not a result")
    result = envelope.result
    code = lax.text(result.result_code)
    if code is None:
        return Malformed(reason="no ResultCode")
    if not (result.originator_conversation_id or result.conversation_id):
        return Malformed(reason="no conversation ids")
    parameters = result.result_parameters
    pairs = parameters.pairs if isinstance(parameters, wire.Parameters) else parameters or []
    listed = pairs if isinstance(pairs, list) else [pairs]
    return result, code, lax.values((pair.key, pair.value) for pair in listed)


def _transfer(result: wire.Result, outcome: Outcome) -> TransferResult:
    return TransferResult(
        originator=lax.clean(result.originator_conversation_id),
        conversation=lax.clean(result.conversation_id),
        outcome=outcome,
    )


def _transfer_paid(result: wire.Result, members: dict[str, str]) -> Paid | Malformed:
    receipt = members.get("TransactionReceipt") or lax.clean(result.transaction_id or "")
    if not receipt:
        return Malformed(reason="paid, but without receipt")
    times = (members[key] for key in _COMPLETED_KEYS if key in members)
    return Paid(
        receipt=receipt,
        amount_units=lax.paid_units(members.get("TransactionAmount") or members.get("Amount")),
        phone=_party(members.get("ReceiverPartyPublicName")),
        completed_at=next(times, None),
        message=lax.clean(result.result_desc),
    )


def _status(result: wire.Result, code: str, members: dict[str, str]) -> StatusResult | Malformed:
    outcome: Outcome | Malformed = codes.result(
        codes.Operation.STATUS, code, lax.clean(result.result_desc)
    )
    if isinstance(outcome, Paid):
        outcome = _payment_status(members)
    if isinstance(outcome, Malformed):
        return outcome
    return StatusResult(
        originator=lax.clean(result.originator_conversation_id),
        conversation=lax.clean(result.conversation_id),
        outcome=outcome,
        original_originator=members.get("OriginatorConversationID"),
        original_conversation=members.get("ConversationID"),
        debit_party=_party(members.get("DebitPartyName")),
        credit_party=_party(members.get("CreditPartyName")),
    )


def _payment_status(members: dict[str, str]) -> Outcome | Malformed:
    status = members.get("TransactionStatus")
    if status is None:
        return Malformed(reason="a status result without TransactionStatus")
    outcome = codes.transaction_status(status, members.get("TransactionReason", ""))
    if not isinstance(outcome, Paid):
        return outcome
    receipt, amount = members.get("ReceiptNo"), lax.paid_units(members.get("Amount"))
    if receipt is None or amount is None:
        return Malformed(reason="completed, but without receipt or amount")
    finalised = members.get("FinalisedTime")
    return Paid(receipt=receipt, amount_units=amount, completed_at=finalised, message=status)


def _balance(result: wire.Result, text: str) -> BalanceResult | Malformed:
    """ "Working Account|KES|current|available|reserved|uncleared&Utility Account|…" """
    balances: list[FloatBalance] = []
    for account in text.split("&"):
        parts = account.split("|")
        available = lax.amount(parts[3]) if len(parts) > 3 else None
        if available is None:
            return Malformed(reason="a balance that is not a number")
        row = FloatBalance(account=parts[0], currency=parts[1], available_units=available)
        balances.append(row)
    return BalanceResult(
        originator=lax.clean(result.originator_conversation_id),
        conversation=lax.clean(result.conversation_id),
        balances=tuple(balances),
    )


def _party(name: str | None) -> str | None:
    """ "254708374149 - John Doe" → "254708374149"; None where no number leads."""
    number = (name or "").partition(" - ")[0].strip()
    return number if number.isdecimal() else None
