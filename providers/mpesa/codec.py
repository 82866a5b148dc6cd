"""Intents to request bodies. Pure: time and credentials are passed in."""

import re
from base64 import b64encode
from datetime import datetime, timedelta, timezone
from typing import Final

import msgspec

from providers.mpesa import wire
from providers.mpesa.settings import Settings

# Kenya keeps one offset all year; Daraja's clocks show it everywhere.
EAST_AFRICA: Final = timezone(timedelta(hours=3), "EAT")

_LONGEST_REFERENCE: Final = 12
_LONGEST_DESCRIPTION: Final = 13
_LONGEST_B2B_REFERENCE: Final = 13
_LONGEST_REMARKS: Final = 100
_DEFAULT_TEXT: Final = "Payment"
_UNPRINTABLE: Final = re.compile(r"[^\x20-\x7e]+")
_US: Final = 1_000_000

_encoder: Final = msgspec.json.Encoder()


def basic_auth(settings: Settings) -> str:
    """The Authorization header that buys a token."""
    pair = f"{settings.consumer_key}:{settings.consumer_secret}"
    return "Basic " + b64encode(pair.encode()).decode("ascii")


def stk_push(
    settings: Settings,
    now_us: int,
    *,
    phone: str,
    amount_kes: int,
    reference: str,
    description: str,
    callback_url: str,
) -> bytes:
    """Body of a push; reference and description are cut to what the prompt can show."""
    timestamp = stamp(now_us)
    return _encoder.encode(
        wire.StkPush(
            business_short_code=settings.collect_shortcode,
            password=_password(settings, timestamp),
            timestamp=timestamp,
            transaction_type=(
                "CustomerBuyGoodsOnline" if settings.till else "CustomerPayBillOnline"
            ),
            amount=_shillings(amount_kes),
            party_a=phone,
            party_b=settings.till or settings.collect_shortcode,
            phone_number=phone,
            call_back_url=callback_url,
            account_reference=_fit(reference, _LONGEST_REFERENCE),
            transaction_desc=_fit(description, _LONGEST_DESCRIPTION),
        )
    )


def stk_query(settings: Settings, now_us: int, checkout: str) -> bytes:
    """Body of a push query."""
    timestamp = stamp(now_us)
    return _encoder.encode(
        wire.StkQuery(
            business_short_code=settings.collect_shortcode,
            password=_password(settings, timestamp),
            timestamp=timestamp,
            checkout_request_id=checkout,
        )
    )


def b2c(
    settings: Settings,
    credential: str,
    *,
    payment_id: str,
    phone: str,
    amount_kes: int,
    remarks: str,
    result_url: str,
    timeout_url: str,
) -> bytes:
    """Body of a payout; `payment_id` becomes the originator id, Daraja's idempotency key."""
    return _encoder.encode(
        wire.B2c(
            originator_conversation_id=payment_id,
            initiator_name=settings.initiator,
            security_credential=credential,
            command_id="BusinessPayment",
            amount=_shillings(amount_kes),
            party_a=settings.payout_shortcode,
            party_b=phone,
            remarks=_remarks(remarks),
            queue_time_out_url=timeout_url,
            result_url=result_url,
        )
    )


def b2b(
    settings: Settings,
    credential: str,
    *,
    to_till: bool,
    number: str,
    account: str,
    amount_kes: int,
    remarks: str,
    result_url: str,
    timeout_url: str,
    requester: str | None,
) -> bytes:
    """Body of a payment to a paybill or till. The customer it is made for is the requester."""
    return _encoder.encode(
        wire.B2b(
            initiator=settings.initiator,
            security_credential=credential,
            command_id="BusinessBuyGoods" if to_till else "BusinessPayBill",
            amount=_shillings(amount_kes),
            party_a=settings.payout_shortcode,
            party_b=number,
            account_reference=_fit(account, _LONGEST_B2B_REFERENCE),
            requester=requester or msgspec.UNSET,
            remarks=_remarks(remarks),
            queue_time_out_url=timeout_url,
            result_url=result_url,
        )
    )


def status_query(
    settings: Settings,
    credential: str,
    *,
    receipt: str,
    originator: str,
    result_url: str,
    timeout_url: str,
) -> bytes:
    """Body of a status request; asked by what is not ""."""
    if not receipt and not originator:
        raise ValueError("a status request names a receipt or an originator")
    return _encoder.encode(
        wire.StatusQuery(
            initiator=settings.initiator,
            security_credential=credential,
            transaction_id=receipt or msgspec.UNSET,
            original_conversation_id=originator or msgspec.UNSET,
            party_a=settings.collect_shortcode if receipt else settings.payout_shortcode,
            remarks="Status",
            queue_time_out_url=timeout_url,
            result_url=result_url,
        )
    )


def reversal(
    settings: Settings,
    credential: str,
    *,
    receipt: str,
    amount_kes: int,
    remarks: str,
    result_url: str,
    timeout_url: str,
) -> bytes:
    """Body of a reversal of an incoming payment."""
    return _encoder.encode(
        wire.Reversal(
            initiator=settings.initiator,
            security_credential=credential,
            transaction_id=receipt,
            amount=_shillings(amount_kes),
            receiver_party=settings.collect_shortcode,
            remarks=_remarks(remarks),
            queue_time_out_url=timeout_url,
            result_url=result_url,
        )
    )


def balance(settings: Settings, credential: str, *, result_url: str, timeout_url: str) -> bytes:
    """Body of a balance request."""
    return _encoder.encode(
        wire.BalanceQuery(
            initiator=settings.initiator,
            security_credential=credential,
            party_a=settings.payout_shortcode,
            remarks="Balance",
            queue_time_out_url=timeout_url,
            result_url=result_url,
        )
    )


def c2b_register(
    settings: Settings, *, confirmation_url: str, validation_url: str, accept_when_silent: bool
) -> bytes:
    """Body that registers our C2B addresses."""
    return _encoder.encode(
        wire.C2bRegister(
            short_code=settings.collect_shortcode,
            response_type="Completed" if accept_when_silent else "Cancelled",
            confirmation_url=confirmation_url,
            validation_url=validation_url,
        )
    )


def pull_register(settings: Settings, callback_url: str) -> bytes:
    """Body that switches pull reconciliation on."""
    return _encoder.encode(
        wire.PullRegister(
            short_code=settings.collect_shortcode,
            nominated_number=settings.nominated_phone,
            call_back_url=callback_url,
        )
    )


def pull_query(settings: Settings, *, from_us: int, to_us: int, offset: int) -> bytes:
    """Body of a pull; `offset` is in rows."""
    return _encoder.encode(
        wire.PullQuery(
            short_code=settings.collect_shortcode,
            start_date=_east_africa(from_us).strftime("%Y-%m-%d %H:%M:%S"),
            end_date=_east_africa(to_us).strftime("%Y-%m-%d %H:%M:%S"),
            off_set_value=str(offset),
        )
    )


def stamp(now_us: int) -> str:
    """YYYYMMDDHHmmss in East Africa Time."""
    return _east_africa(now_us).strftime("%Y%m%d%H%M%S")


def _east_africa(at_us: int) -> datetime:
    return datetime.fromtimestamp(at_us // _US, EAST_AFRICA)


def _password(settings: Settings, timestamp: str) -> str:
    text = settings.collect_shortcode + settings.passkey + timestamp
    return b64encode(text.encode()).decode("ascii")


def _shillings(amount_kes: int) -> str:
    if amount_kes < 1:
        raise ValueError("M-Pesa moves whole shillings, at least one")
    return str(amount_kes)


def _remarks(text: str) -> str:
    fitted = _fit(text, _LONGEST_REMARKS)
    return fitted if len(fitted) > 1 else _DEFAULT_TEXT  # Daraja wants 2 to 100 characters


def _fit(text: str, longest: int) -> str:
    """Plain ASCII of at most that length: a prompt shows nothing else, a message queue at
    Daraja refuses it."""
    return _UNPRINTABLE.sub(" ", text).strip()[:longest].rstrip() or _DEFAULT_TEXT
