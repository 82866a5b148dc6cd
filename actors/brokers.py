"""Who fills a bot's orders: the paper exchange in this process, or a real one by its client.

A bot places at most one order at a time, and never sends one twice: what may have arrived is
asked for by its client order id until there is evidence.
"""

from typing import Final, Protocol

import msgspec
import structlog
import trio

from actors.bot_store import OpenOrder
from actors.clock import Clock
from actors.exchanges import (
    Exchange,
    ExchangeError,
    ExchangeRefused,
    ExchangeUnavailable,
    Keys,
    KeysRefused,
    Order,
    OrderState,
    OrderStatus,
    OutcomeUnknown,
    Side,
)
from domain.money import UNITS_PER_WHOLE
from domain.trading.fills import Fill, Rules, paper_fill
from domain.trading.market import Move

log = structlog.get_logger(__name__)

# An order whose answer was lost and that the exchange says, for so long, never to have seen is
# taken for lost: exchanges that sign requests with a time take none older than 5 s. It is still
# looked for afterwards (TradingFloor), since some sign without.
NEVER_ARRIVED_S: Final = 30.0
NEVER_ARRIVED: Final = "never arrived"
# A market order that is still open after so long is cancelled.
CANCEL_AFTER_S: Final = 10.0


class Filled(msgspec.Struct, frozen=True):
    """The order is done, and this is what it did."""

    fill: Fill


class Void(msgspec.Struct, frozen=True):
    """Nothing was filled and nothing will be; `reason` is fit for the owner."""

    reason: str
    bad_keys: bool = False


class Pending(msgspec.Struct, frozen=True):
    """It is open at the exchange, or nobody knows: look again later."""


PENDING: Final = Pending()
Verdict = Filled | Void | Pending


class _NeverSeen(Exception):
    """The exchange has no such order, and there is none to cancel."""


class Broker(Protocol):
    """Fills orders. Never raises for what an exchange does."""

    @property
    def is_outside(self) -> bool:
        """Whether orders leave this process: then they are journaled before they are sent."""
        ...

    async def place(self, order: OpenOrder, price: int) -> Verdict:
        """Place it, once; `price` is the last one seen."""
        ...

    async def look(self, order: OpenOrder, *, cancel: bool) -> Verdict:
        """What became of an order placed before; `cancel`: end it if it is still open."""
        ...


class PaperBroker:
    """Fills whole and at once, with fee and slippage."""

    is_outside = False

    def __init__(self, rules: Rules, clock: Clock) -> None:
        self._rules = rules
        self._clock = clock

    async def place(self, order: OpenOrder, price: int) -> Verdict:
        """See Broker."""
        now_us, move = self._clock.now_us(), Move(order.side)
        return Filled(paper_fill(move, order.amount, price, self._rules, now_us, order.reason))

    async def look(self, order: OpenOrder, *, cancel: bool) -> Verdict:
        """A paper order does not outlive its placing."""
        return Void("never placed")


class LiveBroker:
    """One bot's orders at one exchange, with its owner's keys."""

    is_outside = True

    def __init__(
        self, exchange: Exchange, keys: Keys, symbol: str, rules: Rules, clock: Clock
    ) -> None:
        self._exchange = exchange
        self._keys = keys
        self._symbol = symbol
        self._rules = rules
        self._clock = clock
        self._asked_for = ""
        self._asked_from = 0.0  # since when it is being looked for, by Trio's clock
        self._unseen_from: float | None = None  # since when the exchange says it has none such

    async def place(self, order: OpenOrder, price: int) -> Verdict:
        """See Broker."""
        wanted = Order(
            client_order_id=order.client_order_id,
            symbol=self._symbol,
            side=Side(order.side),
            amount=order.amount,
        )
        try:
            state = await self._exchange.place(self._keys, wanted)
        except KeysRefused:
            return Void("the exchange does not accept its API keys", bad_keys=True)
        except ExchangeRefused as error:
            return Void(f"the exchange refused an order: {error}")
        except ExchangeUnavailable:
            return Void("the exchange could not be reached")
        except OutcomeUnknown:
            log.warning("order outcome unknown", order=order.client_order_id)
            return PENDING
        return self._verdict(order, state)

    async def look(self, order: OpenOrder, *, cancel: bool) -> Verdict:
        """See Broker."""
        now, id_ = trio.current_time(), order.client_order_id
        if self._asked_for != id_:
            self._asked_for, self._asked_from, self._unseen_from = id_, now, None
        too_long = now - self._asked_from >= CANCEL_AFTER_S
        try:
            state = await self._exchange.order(self._keys, self._symbol, id_)
            if state is None:
                state = await self._unseen(id_)
            elif state.status is OrderStatus.OPEN and (cancel or too_long):
                state = await self._exchange.cancel(self._keys, self._symbol, id_)
        except _NeverSeen:
            return Void(NEVER_ARRIVED)
        except ExchangeError as error:
            log.warning("order not known yet", order=id_, error=str(error))
            return PENDING
        return PENDING if state is None else self._verdict(order, state)

    async def _unseen(self, id_: str) -> OrderState | None:
        """An order the exchange does not know: None until it has said so for long enough, while
        it answered. Then what cancelling it shows, which reaches one that comes in just now;
        _NeverSeen when there is nothing to cancel either."""
        now = trio.current_time()
        if self._unseen_from is None:
            self._unseen_from = now
        if now - self._unseen_from < NEVER_ARRIVED_S:
            return None
        try:
            return await self._exchange.cancel(self._keys, self._symbol, id_)
        except KeysRefused:
            raise
        except ExchangeRefused as error:
            raise _NeverSeen from error

    def _verdict(self, order: OpenOrder, state: OrderState) -> Verdict:
        if state.status is OrderStatus.OPEN:
            return PENDING
        if not state.filled:
            return Void(f"the exchange {state.status.value} an order {state.reason}".strip())
        return Filled(_fill(order, state, self._rules, self._clock.now_us()))


def _fill(order: OpenOrder, state: OrderState, rules: Rules, at_us: int) -> Fill:
    """A fee in a third currency (an exchange's own token) is paid from elsewhere: not counted."""
    return Fill(
        move=Move(order.side),
        amount=state.filled,
        cost=state.cost,
        price=max(state.cost * UNITS_PER_WHOLE // state.filled, 1),
        fee=state.fee if state.fee_currency == rules.quote else 0,
        fee_base=state.fee if state.fee_currency == rules.base else 0,
        at_us=at_us,
        reason=order.reason,
    )
