"""Frames that are not requests, and numbers at their edges."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from domain.money import MAX_UNITS, AmountError, to_decimal, units_from
from protocols.cashier import codec
from protocols.cashier.wire import requests


@pytest.mark.parametrize(
    "frame",
    [
        "{",
        "[]",
        "",
        '{"data":{}}',
        '{"type":5}',
        '{"type":null}',
        "nope",
        '{"type":"a"} {}',
        '{"type":"a","data":NaN}',
        '{"type":"a","data":{"amount":Infinity}}',
        '{"type":"a","data":' + "[" * 60_000,
        '{"type":"a","x":' + "[" * 30_000 + "]" * 30_000 + "}",
    ],
)
def test_a_frame_that_is_no_envelope_is_told_apart(frame: str) -> None:
    """CASH-012."""
    assert codec.decode_envelope(frame) is None


def test_absent_and_null_data_count_as_an_empty_object() -> None:
    for frame in ('{"type":"get_accounts"}', '{"type":"get_accounts","data":null}'):
        envelope = codec.decode_envelope(frame)
        assert envelope is not None
        assert codec.decode_data(envelope.type, envelope.data) == requests.Nothing()


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("get_account_balance", b"{}"),
        ("get_account_balance", b'{"account_number":5}'),
        ("get_account_balance", b"[]"),
        ("get_account_balance", b'"x"'),
        ("get_account_balance", b'{"account_number":"' + b"9" * 200 + b'"}'),
        ("get_account_balance", b'{"account_number":"a\\u0000b"}'),
        ("create_account", b'{"currency":"BTC","account_type":"paper"}'),
        ("get_history", b'{"type":"transfers"}'),
        ("get_history", b'{"limit":0}'),
        ("get_history", b'{"offset":-1}'),
        ("get_ledgers", b'{"account_number":"A","limit":99999999999999999999}'),
        ("verify_otp", b'{"code":123456}'),
        ("transfer", b'{"to_user_id":67890,"amount":1,"currency":"USD"}'),
        ("transfer", b'{"to_user_id":"67890","currency":"USD"}'),
        ("transfer", b'{"to_user_id":"67890","amount":1,"currency":"USD","idempotency_key":""}'),
        ("calculate_fee", b'{"transaction_type":"deposit","amount":1,"source_currency":"USD"}'),
    ],
)
def test_a_missing_or_mistyped_member_is_not_a_request(kind: str, data: bytes) -> None:
    """FC-03.5, CASH-C04."""
    assert codec.decode_data(kind, Raw(data)) is None


def test_unknown_members_are_ignored() -> None:
    data = Raw(b'{"account_number":"ACC-USD-12345","colour":"red"}')
    assert codec.decode_data("get_account_balance", data) == requests.ByAccount(
        account_number="ACC-USD-12345"
    )


@pytest.mark.parametrize(
    ("literal", "units"),
    [
        (b"25.00", 2_500_000_000),
        (b"25", 2_500_000_000),
        (b"0.00000001", 1),
        (b"1e-8", 1),
        (b"1E2", 10_000_000_000),
        (b"0", 0),
        (b"-0.0", 0),
        (b"-1", -100_000_000),
        (b"999999999999999.99999999", 10**23 - 1),
        (b"1.000000000", 100_000_000),
        (b"0.000000001", AmountError.TOO_PRECISE),
        (b"1e400", AmountError.TOO_LARGE),
        (b"1e999999999", AmountError.TOO_LARGE),
        (b"1e-400", AmountError.TOO_PRECISE),
        (b"10000000000000000", AmountError.TOO_LARGE),
        (b'"25"', AmountError.NOT_A_NUMBER),
        (b"true", AmountError.NOT_A_NUMBER),
        (b"null", AmountError.NOT_A_NUMBER),
        (b"{}", AmountError.NOT_A_NUMBER),
        (b"[1]", AmountError.NOT_A_NUMBER),
    ],
)
def test_an_amount_is_read_from_its_text_and_only_from_a_number(
    literal: bytes, units: int | AmountError
) -> None:
    """X-C11, X-C12, CASH-582, CASH-590."""
    assert codec.units_in(Raw(literal)) == units


@given(st.decimals(min_value=-(10**17), max_value=10**17, places=9, allow_nan=False))
def test_the_fast_reading_agrees_with_the_decimal_one(value: Decimal) -> None:
    assert codec.units_in(Raw(f"{value:f}".encode())) == units_from(value)


@pytest.mark.parametrize(
    ("units", "text"),
    [
        (0, b"0.00"),
        (2_500_000_000, b"25.00"),
        (100_050_000_000, b"1000.50"),
        (5_000_000, b"0.05"),
        (2_345_678, b"0.02345678"),
        (1, b"0.00000001"),
        (150_000_000, b"1.50"),
        (-5_000_000, b"-0.05"),
        (MAX_UNITS, b"1000000000000000.00"),
    ],
)
def test_an_amount_is_written_plainly_with_at_least_two_decimals(units: int, text: bytes) -> None:
    """X-C11: 25.00 and 0.00000001, never 25.0 or 1E-8."""
    assert bytes(codec.amount(units)) == text


@given(st.integers(-MAX_UNITS, MAX_UNITS))
def test_what_is_written_reads_back_as_the_same_units(units: int) -> None:
    written = bytes(codec.amount(units))
    assert Decimal(written.decode()) == to_decimal(units)
    assert codec.units_in(Raw(written)) == units


def test_dates_are_whole_seconds_in_utc() -> None:
    """X-C13."""
    assert codec.iso(1_706_360_400_999_999) == "2024-01-27T13:00:00Z"
