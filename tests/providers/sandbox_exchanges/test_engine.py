"""The simulated exchanges' engine: money is only moved, never made, whatever is ordered."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from providers.sandbox.exchanges.engine import (
    BUY,
    SELL,
    Fees,
    Market,
    Refused,
    Status,
    Venue,
)

WHOLE = 10**8
START = {"BTC": 10 * WHOLE, "ZAR": 10_000 * WHOLE}


def venue(fees: Fees) -> Venue:
    market = Market(
        symbol="BTC/ZAR",
        price=1_000 * WHOLE,
        price_step=WHOLE,
        amount_step=WHOLE // 100,
        least_amount=WHOLE // 100,
        least_cost=WHOLE,
    )
    return Venue([market], fees, START, now_ms=lambda: 0)


steps = st.lists(
    st.one_of(
        st.tuples(st.just("tick"), st.integers(500, 2_000)),
        st.tuples(
            st.just("order"),
            st.sampled_from([BUY, SELL]),
            st.integers(0, 1_200),
            st.one_of(st.none(), st.integers(500, 2_000)),
        ),
        st.tuples(st.just("cancel"), st.integers(0, 20)),
    ),
    max_size=40,
)


@settings(max_examples=150)
@given(steps, st.booleans())
def test_what_left_one_currency_is_what_orders_say(script: list[tuple], in_quote: bool) -> None:  # type: ignore[type-arg]
    it = venue(Fees(maker_ppm=1_000, taker_ppm=2_000, in_quote=in_quote))
    for number, step in enumerate(script):
        match step:
            case ("tick", price):
                it.tick("BTC/ZAR", price * WHOLE)
            case ("order", side, cents, price):
                try:
                    it.place(
                        client_id=f"c{number}",
                        symbol="BTC/ZAR",
                        side=side,
                        amount=cents * WHOLE // 100,
                        price=None if price is None else price * WHOLE,
                    )
                except Refused:
                    assert it.by_client(f"c{number}") is None
            case ("cancel", which):
                orders = it.orders()
                if which < len(orders):
                    it.cancel(orders[which])
    expected = dict(START)
    for order in it.orders():
        if order.status is Status.FILLED:
            assert order.filled == order.amount
            if order.price is not None and order.cost:
                better = order.fill_price <= order.price
                assert better if order.is_buy else order.fill_price >= order.price
            sign = 1 if order.is_buy else -1
            expected["BTC"] += sign * order.filled
            expected["ZAR"] -= sign * order.cost
            expected[order.fee_currency] -= order.fee
        else:
            assert order.filled == order.cost == order.fee == 0
    assert it.balances == expected
    for currency in START:
        # Fees on top of a resting order are the only thing that nothing was set aside for.
        assert it.free(currency) >= (-(10**6) * 100 if in_quote else 0)


def test_an_order_id_is_taken_once_even_after_its_order_has_ended() -> None:
    it = venue(Fees(maker_ppm=0, taker_ppm=0))
    it.place(client_id="one", symbol="BTC/ZAR", side=SELL, amount=WHOLE)
    for _ in range(2):
        with pytest.raises(Refused, match="duplicate"):
            it.place(client_id="one", symbol="BTC/ZAR", side=SELL, amount=WHOLE)
