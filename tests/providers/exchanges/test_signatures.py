"""Signatures against what the exchanges publish, or what another tool computes."""

from actors.exchanges import Keys
from providers.exchanges.binance import codec as binance
from providers.exchanges.kucoin import codec as kucoin
from providers.exchanges.luno import codec as luno
from providers.exchanges.ovex import codec as ovex
from providers.exchanges.valr import codec as valr


def test_binance_signs_the_order_of_its_documentation_as_it_says() -> None:
    keys = Keys(
        api_key="vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A",
        api_secret="NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j",
    )
    query = binance.signed(
        keys,
        1_499_827_319_559,
        symbol="LTCBTC",
        side="BUY",
        type="LIMIT",
        timeInForce="GTC",
        quantity="1",
        price="0.1",
    )
    assert query == (
        "symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1"
        "&recvWindow=5000&timestamp=1499827319559"
        "&signature=c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71"
    )
    assert binance.headers(keys) == {"x-mbx-apikey": keys.api_key}


def test_valr_signs_the_requests_of_its_documentation_as_it_says() -> None:
    secret = "4961b74efac86b25cce8fbe4c9811c4c7a787b7a5996660afcc2e287ad864363"
    assert valr.sign(secret, 1_558_014_486_185, "GET", "/v1/account/balances") == (
        "9d52c181ed69460b49307b7891f04658e938b21181173844b5018b2fe783a6d4"
        "c62b8e67a03de4d099e7437ebfabe12c56233b73c6a0cc0f7ae87e05f6289928"
    )
    body = b'{"customerOrderId":"ORDER-000001","pair":"BTCUSDC","side":"BUY","quoteAmount":"80000"}'
    assert valr.sign(secret, 1_558_017_528_946, "POST", "/v1/orders/market", body) == (
        "09f536e3dfdad58443f16010a97a0a21ad27486b7b8d6d4103170d885410ed77"
        "f037f1fa628474190d4f5c08ca12c1acc850901f1c2e75c6d906ec3b32b008d0"
    )


def test_kucoin_signs_as_openssl_does() -> None:
    keys = Keys(api_key="key", api_secret="f03a5284-5c39-4aaa-9b20-dea10bdcf8e3", passphrase="pass")
    made = kucoin.headers(keys, 1_547_015_186_532, "GET", "/api/v1/accounts?type=trade")
    assert made["kc-api-sign"] == "QhtpFyPcElgmbxBRgAfBieedOv9ml+bBuvenlkOsypc="
    assert made["kc-api-passphrase"] == "Wn8Y+N9lNecEA/NWLEVdE1bV3UoVsn3X0fKO3XTHqcw="
    assert made["kc-api-timestamp"] == "1547015186532"
    assert made["kc-api-key-version"] == "2"


def test_luno_and_ovex_send_keys_in_the_authorization_header() -> None:
    keys = Keys(api_key="cnz2yjswbv3jd", api_secret="0hydMZDb9HRR3Qq")
    assert luno.authorization(keys) == {
        "authorization": "Basic Y256Mnlqc3didjNqZDowaHlkTVpEYjlIUlIzUXE="
    }
    assert ovex.headers(keys) == {"authorization": "Bearer cnz2yjswbv3jd"}


def test_keys_never_show_themselves() -> None:
    keys = Keys(api_key="open", api_secret="hidden", passphrase="word")
    assert "hidden" not in repr(keys)
    assert "hidden" not in f"{keys}"
    assert "word" not in repr([keys])
