"""Rates and conversions: every example of the documents, and the laws behind them."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain import fx
from domain.fx import Quote
from domain.money import ASSETS, UNITS_PER_WHOLE, plain, to_decimal, units_of

USD_KES = Quote(1, "USD", "KES", units_of("133.33"), 0)
BTC_USD = Quote(789, "BTC", "USD", units_of("42650.50"), 0)
RATES = {
    "USD/KES": units_of("133.33"),
    "USD/ZAR": units_of("18.50"),
    "USD/NGN": units_of("1550"),
    "BTC/USD": units_of("42650.50"),
    "ETH/USD": units_of("3333.33"),
    "TRX/USD": units_of("0.12"),
    "USDC/USD": units_of("1"),
    "USDT/USD": units_of("0.9998"),
}


@pytest.mark.parametrize(
    ("quote", "source", "amount", "expected"),
    [
        (USD_KES, "KES", "1000", "7.5"),  # 7.5002…, CASH-C20
        (USD_KES, "USD", "5", "666.65"),  # the document's 666.67 needs another rate, CASH-C20
        (BTC_USD, "USD", "49.50", "0.00116059"),  # CASH-C56, flow of CASH-484
        (BTC_USD, "USD", "995", "0.02332915"),  # 1000 less 0.5 %, CASH-C56
        (BTC_USD, "BTC", "0.05", "2132.52"),  # 2132.525
        (USD_KES, "USD", "0.01", "1.33"),
        (USD_KES, "KES", "0.01", "0"),
    ],
)
def test_a_credit_is_the_amount_at_the_shown_rate_rounded_down(
    quote: Quote, source: str, amount: str, expected: str
) -> None:
    """X-C18, CASH-C20, CASH-C56."""
    assert plain(fx.receive(quote, source, units_of(amount)).units) == expected


@pytest.mark.parametrize(
    ("target", "amount", "decimals", "expected"),
    [
        ("USD", "5", None, "666.65"),
        ("USD", "0.5", None, "66.67"),  # 66.665
        ("USD", "0.5", 0, "67"),  # whole shillings are collected upwards
        ("KES", "500", None, "3.76"),  # 3.75009…
    ],
)
def test_a_debit_is_the_amount_at_the_shown_rate_rounded_up(
    target: str, amount: str, decimals: int | None, expected: str
) -> None:
    """X-C18."""
    assert plain(fx.cost(USD_KES, target, units_of(amount), decimals).units) == expected


def test_what_rounding_leaves_is_reported_for_the_rounding_account() -> None:
    """X-C18: 1000 KES are 7.50018750… USD, of which 7.50 are credited."""
    assert fx.receive(USD_KES, "KES", units_of("1000")) == (750000000, 18750)
    assert fx.cost(USD_KES, "USD", units_of("0.5")) == (units_of("66.67"), units_of("0.005"))


def test_a_quote_converts_only_its_own_assets() -> None:
    with pytest.raises(ValueError, match="NGN is no side of USD/KES"):
        fx.receive(USD_KES, "NGN", 1)


@pytest.mark.parametrize(
    ("one", "other", "name"),
    [
        ("KES", "USD", "USD/KES"),
        ("USD", "BTC", "BTC/USD"),
        ("TRX", "BTC", "BTC/TRX"),
        ("USDC", "TRX", "TRX/USDC"),
        ("USDT", "USDC", "USDC/USDT"),
        ("ZAR", "BTC", "BTC/ZAR"),
        ("NGN", "KES", "KES/NGN"),
        ("USD", "USD", "USD/USD"),
    ],
)
def test_a_pair_is_named_in_market_direction_both_ways(one: str, other: str, name: str) -> None:
    """CASH-C57."""
    assert fx.pair_name(one, other) == fx.pair_name(other, one) == name


def test_every_asset_of_the_ledger_has_its_place_in_the_market_order() -> None:
    assert sorted(fx.MARKET_ORDER) == sorted(ASSETS)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("USD", "KES", "133.33"),
        ("USDC", "KES", "133.33"),
        ("KES", "ETH", "444432.89"),  # 444432.8889
        ("BTC", "KES", "5686591.17"),  # 5686591.165, half up
        ("BTC", "ZAR", "789034.25"),
        ("KES", "ZAR", "7.20703"),  # 7.207027…
        ("KES", "NGN", "11.6253"),  # 11.62529…
        ("TRX", "USDT", "0.120024"),  # 0.12002400…
        ("USDC", "USDT", "1.0002"),
        ("BTC", "BTC", "1"),
    ],
)
def test_any_two_assets_have_a_rate_by_way_of_the_dollar(
    one: str, other: str, expected: str
) -> None:
    """X-C17: one table, every pair."""
    rate = fx.cross_rate(RATES, one, other)
    assert rate is not None
    assert plain(rate) == expected


def test_a_pair_with_an_unknown_side_has_no_rate() -> None:
    assert fx.cross_rate(RATES, "CELO", "KES") is None
    assert fx.cross_rate(RATES, "CELO", "USD") is None


@pytest.mark.parametrize(
    ("stated", "shown"),
    [
        ("133.33", "133.33"),
        ("129.23456", "129.235"),
        ("42650.5", "42650.50"),
        ("42650.567", "42650.57"),
        ("1", "1.00"),
        ("0.9998", "0.9998"),
        ("0.99985449", "0.999854"),
        ("9.999995", "10.00"),
        ("0.1234567", "0.123457"),
        ("0.000012345678", "0.00001235"),
    ],
)
def test_a_rate_is_rounded_once_and_shown_with_two_decimals_or_more(
    stated: str, shown: str
) -> None:
    """X-C18, CASH-C57."""
    rate = fx.rate_from(Decimal(stated))
    assert rate is not None
    assert fx.rate_text(rate) == shown


@pytest.mark.parametrize(
    "text", ["0", "-1", "NaN", "Infinity", "1e400", "1e-400", "1e11", "0.000000001"]
)
def test_what_is_no_price_is_no_rate(text: str) -> None:
    assert fx.rate_from(Decimal(text)) is None


def test_a_price_may_be_stated_the_other_way_round() -> None:
    assert fx.inverse_from(Decimal("0.0075")) == units_of("133.333")
    assert fx.inverse_from(Decimal("0")) is None


@pytest.mark.parametrize(
    ("part", "whole", "expected"),
    [("2.00", "100", "2"), ("1", "3", "33.3333"), ("2", "3", "66.6667"), ("0.5", "7.5", "6.6667")],
)
def test_a_fee_percentage_has_four_decimals(part: str, whole: str, expected: str) -> None:
    """CASH-C23."""
    assert plain(fx.percentage(units_of(part), units_of(whole))) == expected


def test_a_doubling_and_a_halving_are_the_same_jump() -> None:
    assert fx.jump_percent(100, 200) == fx.jump_percent(200, 100) == 100
    assert fx.jump_percent(units_of("133.33"), units_of("150")) == 12


_AMOUNTS = st.integers(min_value=0, max_value=10**18)


def rounded(rate: int) -> int:
    """As a rate source's word for it is taken."""
    taken = fx.rate_from(to_decimal(rate))
    assert taken is not None
    return taken


_QUOTES = st.builds(
    lambda rate: Quote(1, "BTC", "KES", rounded(rate), 0),
    st.integers(min_value=1, max_value=fx.MAX_RATE),
)


@given(_QUOTES, _AMOUNTS)
def test_there_and_back_never_makes_a_customer_richer(quote: Quote, units: int) -> None:
    """X-C18: every rounding is in the platform's favour."""
    there = fx.receive(quote, "KES", units).units
    assert fx.receive(quote, "BTC", there).units <= units
    assert fx.cost(quote, "BTC", fx.receive(quote, "KES", units).units).units <= fx.round_up(
        units, 2
    )


@given(_QUOTES, _AMOUNTS)
def test_rounded_amount_and_remainder_are_the_exact_conversion(quote: Quote, units: int) -> None:
    got = fx.receive(quote, "BTC", units)
    assert got.units + got.remainder == units * quote.rate // UNITS_PER_WHOLE
    assert 0 <= got.remainder < ASSETS["KES"].step


@given(st.integers(min_value=1, max_value=fx.MAX_RATE))
def test_rounding_a_rate_twice_changes_nothing(rate: int) -> None:
    once = rounded(rate)
    assert rounded(once) == once
