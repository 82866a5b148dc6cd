"""Amounts: read exactly or refused, written shortest, rounded to the customer's loss (X-C18)."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.money import (
    ASSETS,
    MAX_UNITS,
    UNITS_PER_WHOLE,
    AmountError,
    AssetKind,
    convert,
    plain,
    round_down,
    round_up,
    to_decimal,
    units_from,
    units_of,
)

units = st.integers(min_value=-MAX_UNITS, max_value=MAX_UNITS)
decimals = st.integers(min_value=0, max_value=8)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", 0),
        ("-0", 0),
        ("0E+400", 0),
        ("0.000000000000", 0),
        ("1", 10**8),
        ("1E2", 10**10),
        ("7.50", 750_000_000),
        ("-7.5", -750_000_000),
        ("0.00000001", 1),
        ("1E-8", 1),
        ("1.000000000", 10**8),  # nine decimals, the ninth says nothing
        ("90071992.54740993", 9_007_199_254_740_993),  # not a double (X-C11)
        ("1E15", MAX_UNITS),
        ("-1E15", -MAX_UNITS),
    ],
)
def test_a_decimal_becomes_its_exact_units(text: str, expected: int) -> None:
    assert units_from(Decimal(text)) == expected


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("NaN", AmountError.NOT_A_NUMBER),
        ("-NaN", AmountError.NOT_A_NUMBER),
        ("sNaN", AmountError.NOT_A_NUMBER),
        ("Infinity", AmountError.NOT_A_NUMBER),
        ("-Infinity", AmountError.NOT_A_NUMBER),
        ("1E400", AmountError.TOO_LARGE),
        ("1E999999", AmountError.TOO_LARGE),
        ("-1E400", AmountError.TOO_LARGE),
        ("1E-400", AmountError.TOO_PRECISE),
        ("1E-999999", AmountError.TOO_PRECISE),
        ("0.000000001", AmountError.TOO_PRECISE),
        ("1.123456789", AmountError.TOO_PRECISE),
        ("1000000000000000.00000001", AmountError.TOO_LARGE),
        ("1E16", AmountError.TOO_LARGE),
        ("1" * 60 + "E1", AmountError.TOO_LARGE),
        ("1" + "0" * 60, AmountError.TOO_LARGE),
        ("0." + "1" * 60, AmountError.TOO_PRECISE),
    ],
)
def test_what_is_no_amount_is_refused_before_any_arithmetic(text: str, error: AmountError) -> None:
    assert units_from(Decimal(text)) is error


@pytest.mark.parametrize(
    ("text", "places", "expected"),
    [
        ("7.50", 2, 750_000_000),
        ("7.500", 2, 750_000_000),
        ("7.505", 2, AmountError.TOO_PRECISE),
        ("7.505", 3, 750_500_000),
        ("0.0000001", 6, AmountError.TOO_PRECISE),
        ("0.000001", 6, 100),
        ("5", 0, 500_000_000),
        ("5.5", 0, AmountError.TOO_PRECISE),
    ],
)
def test_more_decimals_than_the_currency_has_are_refused(
    text: str, places: int, expected: int | AmountError
) -> None:
    """contract.md, "Money": refused, not rounded."""
    assert units_from(Decimal(text), places) == expected


@given(units)
def test_units_survive_the_way_out_and_back(amount: int) -> None:
    assert units_from(to_decimal(amount)) == amount
    assert units_from(Decimal(plain(amount))) == amount
    assert units_of(plain(amount, 2)) == amount


@given(st.decimals(allow_nan=True, allow_infinity=True))
def test_any_decimal_is_exact_or_refused(value: Decimal) -> None:
    found = units_from(value)
    if isinstance(found, int):
        assert value * UNITS_PER_WHOLE == found
        assert abs(found) <= MAX_UNITS
    elif value.is_finite():
        too_precise = value.as_tuple().exponent < -8  # type: ignore[operator]
        assert too_precise or abs(value) > 10**15


@given(units, st.integers(min_value=0, max_value=8))
def test_the_text_is_the_shortest_plain_notation(amount: int, at_least: int) -> None:
    text = plain(amount, at_least)
    whole, _, fraction = text.removeprefix("-").partition(".")
    assert "E" not in text.upper()
    assert text.startswith("-") == (amount < 0)
    assert whole == "0" or not whole.startswith("0")
    assert len(fraction) == at_least or (len(fraction) > at_least and fraction[-1] != "0")


@pytest.mark.parametrize(
    ("amount", "at_least", "text"),
    [
        (0, 0, "0"),
        (0, 2, "0.00"),
        (750_000_000, 0, "7.5"),
        (750_000_000, 2, "7.50"),
        (-1, 0, "-0.00000001"),
        (MAX_UNITS, 2, "1000000000000000.00"),
        (123_456_789, 2, "1.23456789"),
    ],
)
def test_amounts_are_written_as_people_write_them(amount: int, at_least: int, text: str) -> None:
    assert plain(amount, at_least) == text


@given(units, decimals)
def test_rounding_down_and_up_enclose_the_amount_within_one_step(amount: int, places: int) -> None:
    step = 10 ** (8 - places)
    down, up = round_down(amount, places), round_up(amount, places)
    assert down % step == 0
    assert up % step == 0
    assert abs(down) <= abs(amount) <= abs(up)
    assert abs(up) - abs(down) in {0, step}
    assert round_down(-amount, places) == -down
    assert round_up(-amount, places) == -up


@given(
    st.integers(min_value=0, max_value=MAX_UNITS), st.integers(min_value=1, max_value=10**6 * 10**8)
)
def test_a_conversion_is_exact_but_for_less_than_a_unit_in_our_favour(
    amount: int, rate: int
) -> None:
    there = convert(amount, rate)
    assert there * UNITS_PER_WHOLE <= amount * rate < (there + 1) * UNITS_PER_WHOLE


def test_a_literal_that_is_no_amount_is_our_own_mistake() -> None:
    with pytest.raises(ValueError, match="too many decimals"):
        units_of("0.123456789")


def test_every_currency_has_the_decimals_it_is_shown_with() -> None:
    """contract.md, "Money": fiat 2; USDT, USDC and TRX 6; the others 8."""
    sixes = {"USDT", "USDC", "TRX"}
    for code, asset in ASSETS.items():
        expected = 2 if asset.kind is AssetKind.FIAT else 6 if code in sixes else 8
        assert asset.code == code
        assert asset.decimals == expected
        assert asset.step * 10**expected == UNITS_PER_WHOLE
