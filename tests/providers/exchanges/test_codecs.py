"""What exchanges' answers mean, and what becomes of numbers that are none."""

from decimal import Decimal

import pytest

from actors.exchanges import (
    ExchangeError,
    ExchangeRefused,
    ExchangeUnavailable,
    KeptQuote,
    KeysRefused,
    Order,
    OrderStatus,
    OutcomeUnknown,
    Side,
)
from domain.money import units_of
from providers.exchanges.binance import codec as binance
from providers.exchanges.http import Answer
from providers.exchanges.kucoin import codec as kucoin
from providers.exchanges.luno import codec as luno
from providers.exchanges.numbers import read_units
from providers.exchanges.ovex import codec as ovex
from providers.exchanges.ovex import wire as ovex_wire
from providers.exchanges.valr import codec as valr


@pytest.mark.parametrize("text", ["NaN", "sNaN", "Infinity", "-Infinity", "1e400", "1e31", "1e25"])
def test_a_number_that_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_units(Decimal(text))


@pytest.mark.parametrize(
    ("text", "units"),
    [("0", 0), ("0E-18", 0), ("1", 10**8), ("0.123456789999", 12_345_678), ("-2.5", -250_000_000)],
)
def test_decimals_beyond_ours_are_rounded_down(text: str, units: int) -> None:
    assert read_units(Decimal(text)) == units


@pytest.mark.parametrize(
    ("status", "base", "volume", "means"),
    [
        ("AWAITING", "0", "1", OrderStatus.OPEN),
        ("PENDING", "0.4", "1", OrderStatus.OPEN),
        ("COMPLETE", "1", "1", OrderStatus.FILLED),
        ("COMPLETE", "0.4", "1", OrderStatus.CANCELLED),
        ("COMPLETE", "0", "0", OrderStatus.CANCELLED),
        ("COMPLETE", "0.4", "0", OrderStatus.FILLED),
    ],
)
def test_a_luno_order_is_filled_when_it_is_complete_and_whole(
    status: str, base: str, volume: str, means: OrderStatus
) -> None:
    read = luno.ORDER.decode(
        f'{{"order_id":"BX1","client_order_id":"c","pair":"XBTZAR","side":"BUY","type":"LIMIT",'
        f'"status":"{status}","base":"{base}","counter":"480000","fee_base":"0.0016",'
        f'"fee_counter":"0","limit_volume":"{volume}","limit_price":"1200000"}}'.encode()
    )
    state = luno.state(read, "BTC/ZAR")
    assert state.status is means
    assert (state.fee, state.fee_currency) == (units_of("0.0016"), "BTC")
    assert state.cost == units_of("480000")


def test_lunos_bitcoin_is_ours() -> None:
    read = luno.BALANCES.decode(
        b'{"balance":[{"account_id":"1","asset":"XBT","balance":"1.5","reserved":"0.5",'
        b'"unconfirmed":"0"},{"account_id":"2","asset":"XBT","balance":"1","reserved":"0"}]}'
    )
    assert luno.balances(read) == {"BTC": 2 * 10**8}
    assert luno.pair_of("ETH/BTC") == "ETHXBT"


def test_a_luno_market_buy_says_what_it_may_cost_and_a_sell_what_it_sells() -> None:
    buy = Order(client_order_id="c", symbol="BTC/ZAR", side=Side.BUY, amount=units_of("0.00123456"))
    assert luno.market_fields(buy, units_of("1200001")) == {
        "pair": "XBTZAR",
        "type": "BUY",
        "client_order_id": "c",
        "counter_volume": "1481.47",
    }
    sell = Order(client_order_id="c", symbol="BTC/ZAR", side=Side.SELL, amount=units_of("0.5"))
    assert luno.market_fields(sell, 0)["base_volume"] == "0.5"


def _book() -> luno.Book:
    return luno.Book(
        luno.SNAPSHOT.decode(
            b'{"sequence":"7","status":"ACTIVE","timestamp":1,'
            b'"asks":[{"id":"a1","price":"110","volume":"1"},'
            b'{"id":"a2","price":"120","volume":"1"}],'
            b'"bids":[{"id":"b1","price":"90","volume":"1"}]}'
        )
    )


def test_a_luno_book_follows_creates_deletes_and_trades() -> None:
    book = _book()
    assert book.middle() == units_of("100")
    create = (
        b'{"sequence":"8","create_update":'
        b'{"order_id":"b2","type":"BID","price":"100","volume":"2"}}'
    )
    assert book.apply(luno.UPDATE.decode(create))
    assert book.middle() == units_of("105")
    trade = (
        b'{"sequence":"9","trade_updates":[{"base":"1","counter":"110","maker_order_id":"a1",'
        b'"taker_order_id":"x","order_id":"a1","sequence":3}],"create_update":null,'
        b'"delete_update":null,"status_update":null,"timestamp":1}'
    )
    assert book.apply(luno.UPDATE.decode(trade))
    assert book.middle() == units_of("110")
    assert book.apply(luno.UPDATE.decode(b'{"sequence":"10","delete_update":{"order_id":"b2"}}'))
    assert book.middle() == units_of("105")


def test_a_luno_book_notices_a_missing_update() -> None:
    book = _book()
    assert not book.apply(luno.UPDATE.decode(b'{"sequence":"9"}'))
    assert not book.apply(luno.UPDATE.decode(b'{"sequence":"7"}'))


def test_binances_filters_are_rules_and_its_fills_a_fee() -> None:
    info = binance.INFO.decode(
        b'{"symbols":[{"symbol":"BTCUSDT","baseAsset":"BTC","quoteAsset":"USDT","filters":['
        b'{"filterType":"PRICE_FILTER","minPrice":"0.01000000","tickSize":"0.01000000"},'
        b'{"filterType":"LOT_SIZE","minQty":"0.00001000","stepSize":"0.00001000"},'
        b'{"filterType":"NOTIONAL","minNotional":"5.00000000"}]}]}'
    )
    rules = binance.rules("BTC/USDT", info)
    assert (rules.price_step, rules.amount_step) == (units_of("0.01"), units_of("0.00001"))
    assert (rules.least_amount, rules.least_cost) == (units_of("0.00001"), units_of("5"))
    read = binance.ORDER.decode(
        b'{"symbol":"BTCUSDT","orderId":28,"clientOrderId":"c","transactTime":1,"price":"0.0",'
        b'"origQty":"10.0","executedQty":"10.0","cummulativeQuoteQty":"10.0","status":"FILLED",'
        b'"side":"SELL","fills":[{"price":"4000.0","qty":"1.0","commission":"4.0",'
        b'"commissionAsset":"USDT"},{"price":"3999.0","qty":"5.0","commission":"19.995",'
        b'"commissionAsset":"USDT"}]}'
    )
    state = binance.state(read, "BTC/USDT", "c", read.fills)
    assert (state.status, state.fee, state.fee_currency) == (
        OrderStatus.FILLED,
        units_of("23.995"),
        "USDT",
    )


REFUSALS = [
    (binance, 401, b'{"code":-2015,"msg":"Invalid API-key, IP, or permissions."}', KeysRefused),
    (binance, 400, b'{"code":-1022,"msg":"Signature for this request is not valid."}', KeysRefused),
    (binance, 400, b'{"code":-1021,"msg":"Timestamp outside"}', ExchangeUnavailable),
    (binance, 400, b'{"code":-2010,"msg":"insufficient balance"}', ExchangeRefused),
    (binance, 400, b'{"code":-1006,"msg":"execution status unknown"}', ExchangeUnavailable),
    (kucoin, 200, b'{"code":"400005","msg":"Signature Error"}', KeysRefused),
    (kucoin, 200, b'{"code":"400002","msg":"KC-API-TIMESTAMP Invalid"}', ExchangeUnavailable),
    (kucoin, 200, b'{"code":"200004","msg":"Balance insufficient!"}', ExchangeRefused),
    (kucoin, 403, b"<html>", ExchangeRefused),
    (luno, 401, b'{"error":"x","error_code":"ErrUnauthorised"}', KeysRefused),
    (luno, 400, b'{"error":"x","error_code":"ErrApiKeyRevoked"}', KeysRefused),
    (luno, 403, b'{"error":"x","error_code":"ErrInsufficientPerms"}', ExchangeRefused),
    (valr, 403, b'{"code":-93,"message":"API key or secret is invalid"}', KeysRefused),
    (valr, 400, b'{"code":-21,"message":"Unsupported currency pair"}', ExchangeRefused),
    (ovex, 401, b'{"error":{"code":2001,"message":"Authorization failed"}}', KeysRefused),
    (ovex, 422, b'{"errors":["market.does_not_exist"]}', ExchangeRefused),
]


@pytest.mark.parametrize(("codec", "status", "body", "means"), REFUSALS)
def test_a_refusal_says_whether_it_is_the_keys(
    codec: object, status: int, body: bytes, means: type[ExchangeError]
) -> None:
    refusal = codec.refusal(Answer(status, body))  # type: ignore[attr-defined]
    assert type(refusal) is means


def test_an_order_whose_execution_binance_does_not_know_is_unknown() -> None:
    answer = Answer(400, b'{"code":-1007,"msg":"Timeout waiting for response"}')
    assert type(binance.refusal(answer, changes=True)) is OutcomeUnknown


def test_a_kucoin_order_is_filled_when_it_is_over_and_was_not_cancelled() -> None:
    body = (
        b'{"code":"200000","data":{"id":"1","clientOid":"c","side":"buy","size":"1","dealSize":"%s",'
        b'"dealFunds":"65000","fee":"65","feeCurrency":"USDT","isActive":%s,"cancelExist":%s}}'
    )
    cases = [
        (b"0.5", b"true", b"false", OrderStatus.OPEN),
        (b"1", b"false", b"false", OrderStatus.FILLED),
        (b"0.5", b"false", b"true", OrderStatus.CANCELLED),
        (b"0", b"false", b"false", OrderStatus.CANCELLED),
    ]
    for deal, active, cancelled, means in cases:
        read = kucoin.ORDER.decode(body % (deal, active, cancelled)).data
        assert read is not None
        assert kucoin.state(read, "BTC/USDT", "c").status is means


def test_a_valr_order_that_failed_is_rejected_with_its_reason() -> None:
    read = valr.STATUS.decode(
        b'{"orderId":"1","orderStatusType":"Failed","currencyPair":"BTCZAR","originalPrice":"80000",'
        b'"remainingQuantity":"0.01","originalQuantity":"0.01","orderSide":"buy","orderType":"limit",'
        b'"failedReason":"Insufficient Balance","customerOrderId":"c"}'
    )
    state = valr.state(read, None, "BTC/ZAR", "c")
    assert (state.status, state.reason, state.filled) == (
        OrderStatus.REJECTED,
        "Insufficient Balance",
        0,
    )


def _quote(side: Side) -> KeptQuote:
    return KeptQuote(
        platform="ovex",
        client_order_id="c",
        token="t",
        symbol="BTC/ZAR",
        side=side,
        base=units_of("0.5"),
        quote=units_of("600000"),
        requested_us=1_700_000_000_000_000,
        expires_us=1_700_000_010_000_000,
    )


def _trade(**changes: object) -> ovex_wire.Trade:
    told = {
        "id": 1,
        "market": "btczar",
        "side": "buy",
        "from_amount": Decimal(600_000),
        "to_amount": Decimal("0.5"),
    }
    return ovex_wire.Trade(**(told | changes))  # type: ignore[arg-type]


def test_an_ovex_trade_is_found_by_its_token_or_else_by_what_it_exchanged() -> None:
    quote = _quote(Side.BUY)
    assert ovex.trade_of(quote, [_trade(quote_token="t")]) is not None
    assert ovex.trade_of(quote, [_trade(quote_token="other")]) is None
    assert ovex.trade_of(quote, [_trade(created_at="2023-11-14T22:13:20Z")]) is not None
    assert ovex.trade_of(quote, [_trade(created_at=1_700_000_001)]) is not None
    assert ovex.trade_of(quote, [_trade(created_at=1_699_999_000_000)]) is None
    assert ovex.trade_of(quote, [_trade(from_amount=Decimal(1))]) is None
    assert ovex.trade_of(_quote(Side.SELL), [_trade()]) is None


@pytest.mark.parametrize(
    ("side", "limit", "worse"),
    [
        (Side.BUY, "1200000", False),
        (Side.BUY, "1199999.99", True),
        (Side.SELL, "1200000", False),
        (Side.SELL, "1200000.01", True),
    ],
)
def test_an_ovex_quote_beyond_the_limit_is_worse(side: Side, limit: str, worse: bool) -> None:
    order = Order(
        client_order_id="c",
        symbol="BTC/ZAR",
        side=side,
        amount=units_of("0.5"),
        price=units_of(limit),
    )
    assert ovex.is_worse(order, _quote(side)) is worse
