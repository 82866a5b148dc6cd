"""Bytes to orders and payloads to bytes: pure, every decoder built once.

Amounts are read from the text of the JSON number and never become floats; a string or a boolean
is no amount (MPWS-C09).
"""

import re
from decimal import Decimal
from typing import Any, Final, NamedTuple, TypeVar

import msgspec
from msgspec import UNSET, Raw

from domain.hashes import is_hash
from domain.money import UNITS_PER_WHOLE, AmountError, plain, units_from
from protocols.mpesa.errors import Code, Refused, invalid, of_amount
from protocols.mpesa.wire import BesidePayload, Envelope, Inquiry, Order, Wire
from protocols.web import NOT_JSON, invalid_field

_PHONE: Final = re.compile(r"254[17][0-9]{8}", re.ASCII)
_LOCAL: Final = re.compile(r"0[17][0-9]{8}", re.ASCII)
_CHECKOUT: Final = re.compile(r"[A-Za-z0-9_.-]{1,100}", re.ASCII)
_LONGEST_DESCRIPTION: Final = 100  # characters (MPWS-C09)
_LONGEST_KEY: Final = 255
_LONGEST_KIND: Final = 64  # of an unknown kind in the error that names it
_LONGEST_NUMBER: Final = 40  # digits and signs; what is longer is no amount
_CODE: Final = re.compile(r"[0-9]{1,9}", re.ASCII)
_UNNUMBERED: Final = -1

_W = TypeVar("_W", bound=Wire)

encode: Final = msgspec.json.Encoder().encode
_envelope: Final = msgspec.json.Decoder(Envelope).decode
_kind: Final = msgspec.json.Decoder(str).decode
_order: Final = msgspec.json.Decoder(Order)
_inquiry: Final = msgspec.json.Decoder(Inquiry)
_beside: Final = msgspec.json.Decoder(BesidePayload)


class Payable(NamedTuple):
    """An order as it was checked. `phone` is 254…, `units` whole shillings in units."""

    phone: str
    units: int
    description: str
    key: str | None
    hash: str | None


class Request(NamedTuple):
    """A client's message: its kind and its undecoded payload."""

    kind: str
    payload: bytes


def read_message(data: bytes) -> Request:
    """A message of a socket. Raises Refused; `kind_of` then finds what the error may name."""
    envelope = _decoded(data)
    try:
        kind = _kind(envelope.kind)
    except NOT_JSON:
        raise Refused(Code.INVALID_KIND, "kind must be a string", "kind") from None
    payload = b"" if envelope.payload is UNSET else bytes(envelope.payload)
    return Request(kind, payload)


def payload_of(data: bytes) -> bytes:
    """What an HTTP body orders: the body itself, or its member `payload` (MPWS-C05)."""
    envelope = _decoded(data)
    return data if envelope.payload is UNSET else bytes(envelope.payload)


def read_body(data: bytes, largest: int) -> Payable:
    """What an HTTP body orders; `hash` may stand in its `payload` or beside it. Raises Refused."""
    payload = payload_of(data)
    order = read_order(payload, largest)
    if order.hash is not None or payload is data:
        return order
    return order._replace(hash=_hash(_member(_beside, data).hash))


def shown_kind(kind: str) -> str:
    """A client's own word as an error may repeat it."""
    return kind[:_LONGEST_KIND]


def read_order(payload: bytes, largest: int) -> Payable:
    """What is to be moved, up to `largest` units: phone, amount and description checked in this
    order. Raises Refused."""
    order = _member(_order, payload)
    return Payable(
        phone=_phone_of(order.phone),
        units=_units_of(order.amount, largest),
        description=_text(order.description or "", "description", _LONGEST_DESCRIPTION),
        key=_key(order.idempotency_key),
        hash=_hash(order.hash),
    )


def read_inquiry(payload: bytes) -> str:
    """The checkout id asked about; "" for what cannot be one of anybody's."""
    checkout = _member(_inquiry, payload).checkout
    return checkout if _CHECKOUT.fullmatch(checkout) else ""


def idempotency_key(text: str | None) -> str | None:
    """A key from an HTTP header. Raises Refused."""
    return _key(text or None)


def is_result(data: bytes) -> bool:
    """Whether a body is a result of Daraja's, so not an order of a client's (MPWS-C06)."""
    try:
        return "Result" in msgspec.json.decode(data, type=dict[str, Raw])
    except NOT_JSON:
        return False


def amount(units: int) -> int:
    """Units as whole shillings of the wire."""
    return units // UNITS_PER_WHOLE


def balance(units: int) -> Raw:
    """Units as an exact JSON number."""
    return Raw(plain(units))


def provider_code(text: str) -> int:
    """A provider's code as it is shown, always a number (MPWS-C01): of an error code the HTTP
    status it begins with (400.002.02), -1 for what is none (SFC_IC0003)."""
    number = _CODE.fullmatch(text.partition(".")[0])
    return int(number[0]) if number is not None else _UNNUMBERED


def _decoded(data: bytes) -> Envelope:
    try:
        return _envelope(data)
    except msgspec.ValidationError:
        if _is_json(data):
            raise invalid(None, "a message is a JSON object") from None
    except NOT_JSON:
        pass
    raise Refused(Code.INVALID_JSON, "malformed JSON")


def _member(decoder: "msgspec.json.Decoder[_W]", payload: bytes) -> _W:
    if not payload:
        raise invalid("payload", "payload is required")
    try:
        return decoder.decode(payload)
    except msgspec.ValidationError as error:
        field = invalid_field(str(error)) or "payload"
        missing = "missing required" in str(error)
        raise invalid(field, f"{field} is {'required' if missing else 'invalid'}") from None
    except NOT_JSON:
        raise Refused(Code.INVALID_JSON, "malformed JSON") from None


def _is_json(data: bytes) -> bool:
    """A wrong type may be reported before a later syntax error."""
    try:
        msgspec.json.decode(data)
    except NOT_JSON:
        return False
    return True


def _phone_of(text: str) -> str:
    """254… of a Kenyan mobile number, also from +254… and 07… (MPWS-C08)."""
    number = text.removeprefix("+")
    if number == text and _LOCAL.fullmatch(text):
        number = "254" + text[1:]
    if not _PHONE.fullmatch(number):
        raise invalid("phone", "phone must be a Kenyan mobile number, 254XXXXXXXXX")
    return number


def _units_of(raw: Raw, largest: int) -> int:
    text = bytes(raw)
    if text[:1] not in b"-0123456789" or not text:
        raise invalid("amount", of_amount(AmountError.NOT_A_NUMBER))
    if len(text) > _LONGEST_NUMBER:
        raise invalid("amount", of_amount(AmountError.TOO_LARGE))
    units = units_from(Decimal(text.decode()), 0)
    if isinstance(units, AmountError):
        raise invalid("amount", of_amount(units))
    if not 0 < units <= largest:
        raise invalid("amount", f"amount must be from 1 to {largest // UNITS_PER_WHOLE}")
    return units


def _text(text: str, field: str, longest: int) -> str:
    if len(text) > longest:
        raise invalid(field, f"{field} must be at most {longest} characters")
    if "\0" in text:  # PostgreSQL's text cannot hold it
        raise invalid(field, f"{field} must not contain NUL")
    return text


def _key(key: str | None) -> str | None:
    if key is None:
        return None
    if not 0 < len(key) <= _LONGEST_KEY or "\0" in key:
        longest = f"1 to {_LONGEST_KEY} characters"
        raise invalid("idempotency_key", f"idempotency_key must have {longest}")
    return key


def _hash(hash_: str | None) -> str | None:
    if hash_ is not None and not is_hash(hash_):
        raise invalid("hash", "hash must be 1 to 128 characters of A-Z a-z 0-9 . _ ~ -")
    return hash_


def fingerprint(kind: str, hash_: str, order: Payable) -> bytes:
    """What makes two orders the same, whichever way they come in."""
    members: list[Any] = [kind, hash_, order.phone, order.units, order.description]
    return encode(members)
