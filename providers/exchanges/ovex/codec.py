"""OVEX's bytes from intents, and what its answers mean; pure."""

from datetime import datetime
from typing import Final
from urllib.parse import urlencode

import msgspec

from actors.exchanges import (
    ExchangeError,
    ExchangeRefused,
    KeptQuote,
    Keys,
    KeysRefused,
    Order,
    OrderState,
    OrderStatus,
    Side,
    SymbolRules,
)
from domain.money import UNITS_PER_WHOLE
from providers.exchanges.http import Answer
from providers.exchanges.numbers import read_units, split, step_of, write_units
from providers.exchanges.ovex import wire

ACCOUNTS: Final = msgspec.json.Decoder(list[wire.Account])
MARKETS: Final = msgspec.json.Decoder(list[wire.Market])
QUOTE: Final = msgspec.json.Decoder(wire.Quote)
TRADE: Final = msgspec.json.Decoder(wire.Trade)
TRADES: Final = msgspec.json.Decoder(list[wire.Trade])
_FAILURE: Final = msgspec.json.Decoder(wire.Failure)
_US: Final = 1_000_000
_MILLISECONDS_FROM: Final = 10**11  # a number above it counts milliseconds, not seconds


def headers(keys: Keys) -> dict[str, str]:
    """A bearer key; OVEX has no secret."""
    return {"authorization": f"Bearer {keys.api_key}"}


def name_of(symbol: str) -> str:
    """ "BTC/ZAR" → "btczar"."""
    return symbol.replace("/", "").lower()


def quote_target(symbol: str, side: Side, amount: int) -> str:
    """Asks what `amount` of the base costs or brings."""
    key = "to_amount" if side is Side.BUY else "from_amount"
    query = {"market": name_of(symbol), "side": side.value, key: write_units(amount)}
    return f"{wire.QUOTE_PATH}?{urlencode(query)}"


def accept_target(token: str) -> str:
    """Accepts a quote."""
    return f"{wire.ACCEPT_PATH}?{urlencode({'quote_token': token})}"


def trades_target() -> str:
    """The newest trades."""
    return f"{wire.TRADES_PATH}?{urlencode({'limit': wire.TRADES, 'order_by': 'desc'})}"


def amounts(side: Side, read: wire.Quote | wire.Trade) -> tuple[int, int]:
    """Base and quote units. ValueError for what is no amount."""
    given, taken = read_units(read.from_amount), read_units(read.to_amount)
    return (taken, given) if side is Side.BUY else (given, taken)


def price_of(side: Side, read: wire.Quote) -> int:
    """Quote units per whole base that the quote comes to. ValueError where it is none."""
    base, quote = amounts(side, read)
    if base <= 0 or quote <= 0:
        raise ValueError("a quote of nothing")
    return quote * UNITS_PER_WHOLE // base


def kept(platform: str, order: Order, read: wire.Quote, now_us: int) -> KeptQuote:
    """What is remembered before a quote is accepted."""
    base, quote = amounts(order.side, read)
    if not read.quote_token or base <= 0 or quote <= 0:
        raise ValueError("a quote that cannot be accepted")
    expires_us = _time_us(read.expires_at) or now_us + wire.QUOTE_SECONDS * _US
    return KeptQuote(
        platform=platform,
        client_order_id=order.client_order_id,
        token=read.quote_token,
        symbol=order.symbol,
        side=order.side,
        base=base,
        quote=quote,
        requested_us=now_us,
        expires_us=expires_us,
    )


def is_worse(order: Order, quote: KeptQuote) -> bool:
    """Whether the quote is beyond the order's limit."""
    if order.price is None:
        return False
    price = quote.quote * UNITS_PER_WHOLE // quote.base
    return price > order.price if order.side is Side.BUY else price < order.price


def trade_of(quote: KeptQuote, trades: list[wire.Trade]) -> wire.Trade | None:
    """The trade that a quote became: by its token, or where trades do not tell tokens by market,
    side, both exact amounts and a time that is not before the quote's."""
    for trade in trades:
        if trade.quote_token:
            if trade.quote_token == quote.token:
                return trade
            continue
        same = trade.market == name_of(quote.symbol) and trade.side == quote.side.value
        at_us = _time_us(trade.created_at)
        late = at_us is None or at_us >= quote.requested_us - _US  # theirs may be whole seconds
        if same and late and amounts(quote.side, trade) == (quote.base, quote.quote):
            return trade
    return None


def state(quote: KeptQuote, trade: wire.Trade) -> OrderState:
    """An accepted quote is filled whole; what it costs is in its rate."""
    base, cost = amounts(quote.side, trade)
    return OrderState(
        client_order_id=quote.client_order_id,
        exchange_order_id=str(trade.id),
        symbol=quote.symbol,
        side=quote.side,
        status=OrderStatus.FILLED,
        filled=base,
        cost=cost,
        fee=0,
        fee_currency=split(quote.symbol)[1],
    )


def balances(read: list[wire.Account]) -> dict[str, int]:
    """What is free; OVEX tells what is locked beside it."""
    return {row.currency.upper(): read_units(row.balance) for row in read}


def rules(symbol: str, market: wire.Market) -> SymbolRules:
    """Quotes include OVEX's share, so that there is no fee."""
    base, quote = split(symbol)
    decimals = market.amount_precision
    return SymbolRules(
        symbol=symbol,
        base=base,
        quote=quote,
        price_step=step_of(2 if market.price_precision is None else market.price_precision),
        amount_step=step_of(8 if decimals is None else decimals),
        least_amount=0 if market.min_amount is None else read_units(market.min_amount),
        least_cost=0,
        maker_fee_ppm=0,
        taker_fee_ppm=0,
    )


def refusal(answer: Answer) -> ExchangeError:
    """Why an answer that is not 2xx is none."""
    try:
        failed = _FAILURE.decode(answer.body)
        what = "; ".join(failed.errors) or str(failed.error)
    except msgspec.MsgspecError:
        what = ""
    text = f"{answer.status} {what[:100]}"
    return KeysRefused(text) if answer.status in {401, 403} else ExchangeRefused(text)


def _time_us(told: str | int | None) -> int | None:
    """Microseconds of a time in ISO 8601, seconds or milliseconds."""
    if isinstance(told, str) and told.isdigit():
        told = int(told)
    if isinstance(told, int):
        return told * (1_000 if told >= _MILLISECONDS_FROM else _US)
    try:
        return None if told is None else round(datetime.fromisoformat(told).timestamp() * _US)
    except ValueError:
        return None
