"""Each rate source's codec against payloads as the sources write them."""

from decimal import Decimal

import msgspec
import pytest

from actors.rates import SourceFailed
from domain.money import plain
from providers.rates import codec

NOW = 1_706_400_000

OPEN_EXCHANGE_RATES = b"""{
  "disclaimer": "Usage subject to terms", "license": "https://openexchangerates.org/license",
  "timestamp": 1706396400, "base": "USD",
  "rates": {"AED": 3.673, "KES": 161.5, "NGN": 903.123456, "USD": 1, "ZAR": 18.80655}
}"""
OPEN_ER_API = b"""{
  "result": "success", "provider": "https://www.exchangerate-api.com",
  "time_last_update_unix": 1706313751, "time_last_update_utc": "Sat, 27 Jan 2024 00:02:31 +0000",
  "time_next_update_unix": 1706400981, "time_eol_unix": 0, "base_code": "USD",
  "rates": {"USD": 1, "KES": 161.847218, "NGN": 921.84, "ZAR": 18.784}
}"""
COINGECKO = b"""{
  "bitcoin": {"usd": 67187.3358936566, "last_updated_at": 1706399990},
  "tether": {"usd": 0.999855, "last_updated_at": 1706399900},
  "tron": {"usd": 1.1134e-1, "last_updated_at": 1706399900},
  "celo": {"usd": 0.6, "last_updated_at": 1706300000}
}"""
BINANCE = b"""[{"symbol":"BTCUSDT","price":"42650.50000000"},
{"symbol":"TRXUSDT","price":"0.11130000"},{"symbol":"DOGEUSDT","price":"0.07"}]"""


def shown(rates: dict[str, int]) -> dict[str, str]:
    return {pair: plain(rate) for pair, rate in rates.items()}


def test_open_exchange_rates_are_read_as_decimals_and_rounded_once() -> None:
    assert shown(codec.decode_open_exchange_rates(OPEN_EXCHANGE_RATES, NOW)) == {
        "USD/KES": "161.5",
        "USD/NGN": "903.123",
        "USD/ZAR": "18.8066",
    }


def test_open_er_api_is_read() -> None:
    assert shown(codec.decode_open_er_api(OPEN_ER_API, NOW)) == {
        "USD/KES": "161.847",
        "USD/NGN": "921.84",
        "USD/ZAR": "18.784",
    }


def test_coingecko_is_read_and_a_coin_that_stands_still_is_left_out() -> None:
    assert shown(codec.decode_coingecko(COINGECKO, NOW)) == {
        "BTC/USD": "67187.34",
        "USDT/USD": "0.999855",
        "TRX/USD": "0.11134",
    }


def test_binance_prices_in_tether_stand_for_dollars_and_for_wrapped_coins() -> None:
    assert shown(codec.decode_binance(BINANCE, NOW)) == {
        "BTC/USD": "42650.5",
        "WBTC/USD": "42650.5",
        "TRX/USD": "0.1113",
        "USDT/USD": "1",
    }


def test_rates_that_their_source_no_longer_updates_are_refused() -> None:
    with pytest.raises(SourceFailed, match="s old"):
        codec.decode_open_exchange_rates(OPEN_EXCHANGE_RATES, NOW + 4 * 3600)
    with pytest.raises(SourceFailed, match="s old"):
        codec.decode_open_er_api(OPEN_ER_API, NOW + 50 * 3600)


def test_rates_per_another_currency_and_failures_are_refused() -> None:
    with pytest.raises(SourceFailed, match="per EUR"):
        codec.decode_open_er_api(
            OPEN_ER_API.replace(b'"base_code": "USD"', b'"base_code": "EUR"'), NOW
        )
    with pytest.raises(SourceFailed, match="no success"):
        codec.decode_open_er_api(OPEN_ER_API.replace(b"success", b"error"), NOW)


@pytest.mark.parametrize("price", ["0", "-161.8", "1e300", "0.000000000001"])
def test_what_is_no_price_is_left_out(price: str) -> None:
    body = OPEN_ER_API.replace(b"161.847218", price.encode())
    assert "USD/KES" not in codec.decode_open_er_api(body, NOW)


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"result":"success"}', b"NaN"])
def test_what_is_no_answer_is_an_error_the_client_expects(body: bytes) -> None:
    with pytest.raises(msgspec.MsgspecError):
        codec.decode_open_er_api(body, NOW)


def test_numbers_never_pass_through_a_float() -> None:
    """X-C11: this one has no exact float."""
    body = OPEN_ER_API.replace(b"161.847218", b"99999.985000000000001")
    assert codec.decode_open_er_api(body, NOW)["USD/KES"] == 9999999000000
    assert isinstance(codec._coins.decode(COINGECKO)["bitcoin"].usd, Decimal)


def test_keys_are_in_headers_because_urls_are_logged() -> None:
    money, coins = codec.open_exchange_rates("app-1"), codec.coingecko("key-1")
    assert money.headers == {"Authorization": "Token app-1"}
    assert coins.headers == {"x-cg-demo-api-key": "key-1"}
    assert "app-1" not in repr(money) + money.url
    assert "key-1" not in repr(coins) + coins.url
