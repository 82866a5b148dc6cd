"""Orders and messages of the M-Pesa surface as they are read (MPWS-C05, C08, C09)."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.money import UNITS_PER_WHOLE, units_of
from protocols.mpesa import codec
from protocols.mpesa.errors import Code, Refused
from protocols.mpesa.wire import Done, ErrorBody, Failed, PushData, QueueData

LARGEST = units_of("250000")
ORDER = {"phone": "254712345678", "amount": 100, "description": "Payment description"}


def read(**changes: object) -> codec.Payable:
    return codec.read_order(msgspec.json.encode({**ORDER, **changes}), LARGEST)


def refused(**changes: object) -> Refused:
    with pytest.raises(Refused) as found:
        read(**changes)
    return found.value


def test_the_documents_example_is_read() -> None:
    payable = read()
    assert payable == ("254712345678", 100 * UNITS_PER_WHOLE, "Payment description", None, None)


@pytest.mark.parametrize("written", ["254112345678", "+254112345678", "0112345678"])
def test_a_phone_is_known_in_each_spelling(written: str) -> None:
    assert read(phone=written).phone == "254112345678"


@pytest.mark.parametrize(
    "phone",
    ["", "123", "+0712345678", "254212345678", "25471234567", "2547123456789", "254712345678\n",
     "٢٥٤٧١٢٣٤٥٦٧٨", 254712345678, None, True, [], {}],
)  # fmt: skip
def test_what_is_no_kenyan_mobile_number_is_refused(phone: object) -> None:
    error = refused(phone=phone)
    assert (error.code, error.field) == (Code.VALIDATION_ERROR, "phone")


@pytest.mark.parametrize("text", ["1", "250000", "1.0", "1e2", "2.5e5"])
def test_whole_shillings_may_be_written_as_any_json_number(text: str) -> None:
    payload = b'{"phone":"254712345678","amount":' + text.encode() + b"}"
    assert codec.read_order(payload, LARGEST).units == int(float(text)) * UNITS_PER_WHOLE


@pytest.mark.parametrize(
    "text",
    ["0", "-0", "-1", "0.5", "1.5", "250001", "1e400", "1e-400", "9" * 41, "1" * 5000, '"100"',
     "true", "null", "[]", "{}"],
)  # fmt: skip
def test_what_is_no_amount_is_refused_by_its_field(text: str) -> None:
    payload = b'{"phone":"254712345678","amount":' + text.encode() + b"}"
    with pytest.raises(Refused) as found:
        codec.read_order(payload, LARGEST)
    assert (found.value.code, found.value.field) == (Code.VALIDATION_ERROR, "amount")


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", "0x10", "1_000", "01", "+1"])
def test_what_is_no_json_is_said_to_be_none(text: str) -> None:
    payload = b'{"phone":"254712345678","amount":' + text.encode() + b"}"
    with pytest.raises(Refused) as found:
        codec.read_order(payload, LARGEST)
    assert found.value.code is Code.INVALID_JSON


def test_other_members_have_their_bounds() -> None:
    assert read(description=None).description == ""
    assert read(description="x" * 100, idempotency_key="k" * 255, hash="a.b_c~d-1").key
    assert refused(description="x" * 101).field == "description"
    assert refused(idempotency_key="").field == "idempotency_key"
    assert refused(idempotency_key="k" * 256).field == "idempotency_key"
    for hash_ in ("", "a b", "ä", "x" * 129, "a/b"):
        assert refused(hash=hash_).field == "hash"


def test_phone_is_complained_of_before_amount_and_amount_before_description() -> None:
    assert refused(phone="1", amount=0, description="x" * 101).field == "phone"
    assert refused(amount=0, description="x" * 101).field == "amount"


def test_unknown_members_are_ignored() -> None:
    assert read(colour="red", PHONE="1") == read()


def test_bad_utf_8_inside_a_text_is_no_json() -> None:
    payload = b'{"phone":"254712345678","amount":1,"description":"\xff"}'
    with pytest.raises(Refused) as found:
        codec.read_order(payload, LARGEST)
    assert found.value.code is Code.INVALID_JSON


@pytest.mark.parametrize("data", [b"", b"{", b"\xff", b'{"kind":"push"', b"[" * 100_000])
def test_a_message_that_is_no_json(data: bytes) -> None:
    with pytest.raises(Refused) as found:
        codec.read_message(data)
    assert found.value.code is Code.INVALID_JSON


@pytest.mark.parametrize("data", [b"[]", b"5", b'"push"', b"null", b"true"])
def test_a_message_that_is_no_object(data: bytes) -> None:
    with pytest.raises(Refused) as found:
        codec.read_message(data)
    assert found.value.code is Code.VALIDATION_ERROR


@pytest.mark.parametrize("kind", [b"5", b"null", b"[]", b"{}"])
def test_a_kind_that_is_no_text(kind: bytes) -> None:
    with pytest.raises(Refused) as found:
        codec.read_message(b'{"kind":' + kind + b"}")
    assert (found.value.code, found.value.field) == (Code.INVALID_KIND, "kind")


@given(st.binary(max_size=300))
def test_no_bytes_do_more_than_be_refused(data: bytes) -> None:
    for read_ in (codec.read_message, codec.payload_of, codec.read_inquiry):
        try:
            read_(data)
        except Refused:
            continue
    codec.is_result(data)


def test_an_http_body_may_wrap_its_order() -> None:
    plain = msgspec.json.encode(ORDER)
    wrapped = msgspec.json.encode({"payload": ORDER})
    assert codec.read_order(codec.payload_of(wrapped), LARGEST) == codec.read_order(plain, LARGEST)
    assert codec.payload_of(plain) == plain


def test_a_result_is_told_from_an_order() -> None:
    """MPWS-C06."""
    assert codec.is_result(b'{"Result":{"ResultCode":1}}')
    assert codec.is_result(b'{"Result":null}')
    for other in (b"{}", b"[]", b"{", msgspec.json.encode(ORDER), b"[" * 100_000):
        assert not codec.is_result(other)


@pytest.mark.parametrize(
    ("code", "shown"),
    [("0", 0), ("1032", 1032), ("400.002.02", 400), ("SFC_IC0003", -1), ("1" * 10, -1)],
)
def test_a_result_code_is_always_a_number(code: str, shown: int) -> None:
    """MPWS-C01."""
    assert codec.provider_code(code) == shown


def test_a_hash_may_stand_beside_the_payload() -> None:
    """MPWS-C05: the same members "under payload"; the inner one wins."""
    beside = msgspec.json.encode({"payload": ORDER, "hash": "h1"})
    assert codec.read_body(beside, LARGEST).hash == "h1"
    both = msgspec.json.encode({"payload": {**ORDER, "hash": "h2"}, "hash": "h1"})
    assert codec.read_body(both, LARGEST).hash == "h2"
    for wrong in ("a b", 5, ""):
        with pytest.raises(Refused) as found:
            codec.read_body(msgspec.json.encode({"payload": ORDER, "hash": wrong}), LARGEST)
        assert found.value.field == "hash"


def test_equal_orders_have_one_fingerprint_and_others_another() -> None:
    known = codec.fingerprint("push", "h", read())
    assert codec.fingerprint("push", "h", read(phone="0712345678")) == known
    for kind, hash_, order in (
        ("withdraw", "h", read()),
        ("push", "i", read()),
        ("push", "h", read(amount=101)),
        ("push", "h", read(description="")),
    ):
        assert codec.fingerprint(kind, hash_, order) != known


def test_http_answers_are_the_decided_text_to_the_byte() -> None:
    """MPWS-C05: `success` first, as it is written there."""
    pushed = Done(data=PushData(checkout="ws_CO_1", merchant="m", status="pending"))
    assert codec.encode(pushed) == (
        b'{"success":true,"data":{"checkout":"ws_CO_1","merchant":"m","status":"pending"}}'
    )
    queued = Done(data=QueueData(conversation="AG_1", status="queued"))
    assert codec.encode(queued) == (
        b'{"success":true,"data":{"conversation":"AG_1","status":"queued"}}'
    )
    failed = Failed(error=ErrorBody(code="NOT_FOUND", message="not found"))
    assert codec.encode(failed) == (
        b'{"success":false,"error":{"code":"NOT_FOUND","message":"not found"}}'
    )
