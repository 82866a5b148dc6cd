"""One bot's decisions, tick by tick: strategy, risk and protections on its own book.

The same engine runs backtests, paper and live bots. It does no I/O and asks nobody for the time:
given the same ticks and fills it decides the same. `on_tick` says what to order; whoever runs it
has the order filled, records it, and hands the book after it to `adopt`.
"""

from typing import Any, Final

import msgspec

from domain.trading.book import Book
from domain.trading.fills import MARGIN_PPM, Rules, buying, selling
from domain.trading.market import WHOLE, Candle, Moment, Move, Signal, Strategy, fold
from domain.trading.protections import COOLDOWN, STOP_LOSS, Lock, locked
from domain.trading.records import AlertLevel
from domain.trading.risk import Limits

DAY_US: Final = 86_400_000_000
_UNITS: Final = 10**8
_NO_LOCK: Final = Lock(0, "")


class Wanted(msgspec.Struct, frozen=True):
    """An order to have filled: `amount` base units."""

    move: Move
    amount: int
    reason: str


class Notice(msgspec.Struct, frozen=True):
    """Something the owner should know; `pauses`: the bot is to pause because of it."""

    level: AlertLevel
    text: str
    pauses: bool = False


class Watch(msgspec.Struct, kw_only=True):
    """What the engine follows between fills: the worth at its peak and at the day's start, the
    price at its peak since the position was opened, and until when it enters nothing."""

    peak_worth: int = 0
    day: int = 0
    day_worth: int = 0
    peak_price: int = 0
    lock: Lock = _NO_LOCK
    leaving: str = ""  # why the position is being sold by force, "" when it is not
    draining: bool = False  # graceful stop: nothing new is opened


class Engine:
    """See the module. Mutable, for one task; `state` is the strategy's."""

    __slots__ = (
        "_candle",
        "book",
        "held",
        "limits",
        "notices",
        "rules",
        "state",
        "strategy",
        "watch",
    )

    def __init__(
        self,
        strategy: Strategy,
        limits: Limits,
        rules: Rules,
        book: Book,
        *,
        state: msgspec.Struct | None = None,
        watch: Watch | None = None,
    ) -> None:
        self.strategy = strategy
        self.limits = limits
        self.rules = rules
        self.book = book
        self.state: msgspec.Struct = strategy.state() if state is None else state
        self.watch = watch or Watch(peak_worth=book.capital)
        self.held = self._holds(book, book.last_price)
        self.notices: list[Notice] = []  # whoever runs the engine empties it
        self._candle: Candle | None = None

    def on_tick(self, price: int, at_us: int) -> Wanted | None:
        """What to order now; nothing is remembered as ordered until `adopt`."""
        book, watch, held = self.book, self.watch, self.held
        if held and price > watch.peak_price:
            watch.peak_price = price
        moment = Moment(
            price=price,
            at_us=at_us,
            candle=self._closed_candle(price, at_us) if self.strategy.span_us else None,
            position=book.position if held else 0,
            position_cost=book.position_cost if held else 0,
            entries=book.entries if held else 0,
            last_price=book.last_price,
            last_us=book.last_us,
            peak=watch.peak_price,
        )
        self.state, signal = self.strategy.decide(self.state, moment)
        self._guard(price, at_us)
        if held and (watch.leaving or self._stopped_out(price)):
            reason = watch.leaving or STOP_LOSS
            return self._sale(price, WHOLE, reason)
        if signal is None:
            return None
        if signal.move is Move.SELL:
            return self._sale(price, signal.share_ppm, signal.reason) if held else None
        return self._purchase(price, at_us, signal)

    def after(self, book: Book, price: int) -> Watch:
        """What is followed once a fill at `price` has led to `book`; changes nothing."""
        watch = msgspec.structs.replace(self.watch)
        if not self._holds(book, price):
            watch.peak_price, watch.leaving = 0, ""
        elif not self.held:
            watch.peak_price = price
        if self.held and book.closed:
            lock = locked(self.limits.protections, book.closed)
            if lock is not None and lock.until_us > watch.lock.until_us:
                watch.lock = lock
        return watch

    def adopt(self, book: Book, price: int) -> None:
        """Go on with the book after a fill at `price`, which is in the ledger now."""
        watch = self.after(book, price)
        if watch.lock != self.watch.lock and watch.lock.reason != COOLDOWN:
            text = f"enters nothing for a while: {watch.lock.reason}"
            self.notices.append(Notice(AlertLevel.WARNING, text))
        self.book, self.watch, self.held = book, watch, self._holds(book, price)

    def forgive(self) -> None:
        """Forget what led to a pause: the owner resumed it."""
        watch = self.watch
        watch.peak_worth = watch.day_worth = 0
        watch.lock, watch.draining = _NO_LOCK, False

    @property
    def is_drained(self) -> bool:
        """Whether a graceful stop has nothing left to manage."""
        return self.watch.draining and not self.held

    def _holds(self, book: Book, price: int) -> bool:
        """Whether there is a position an exchange would buy; what it would not counts as none."""
        return selling(book.position, WHOLE, price, self.rules) > 0

    def _closed_candle(self, price: int, at_us: int) -> Candle | None:
        before = self._candle
        self._candle = after = fold(before, price, at_us, self.strategy.span_us)
        return before if before is not None and after.open_us != before.open_us else None

    def _guard(self, price: int, at_us: int) -> None:
        """Daily loss and drawdown: what is held is sold, and nothing is bought for a while."""
        watch, book = self.watch, self.book
        worth = book.cash + book.position * price // _UNITS
        watch.peak_worth = max(watch.peak_worth, worth)
        day = at_us // DAY_US
        if day != watch.day or not watch.day_worth:
            watch.day, watch.day_worth = day, worth
        if not self.held or watch.leaving:
            return
        if _fell(worth, watch.peak_worth, self.limits.drawdown_ppm):
            watch.leaving = "drawdown limit"
            text = "paused: its capital fell to the drawdown limit"
            self.notices.append(Notice(AlertLevel.WARNING, text, pauses=True))
        elif _fell(worth, watch.day_worth, self.limits.daily_loss_ppm):
            watch.leaving = "daily loss limit"
            watch.lock = Lock((day + 1) * DAY_US, watch.leaving)
            text = "enters nothing until tomorrow: daily loss limit"
            self.notices.append(Notice(AlertLevel.WARNING, text))

    def _stopped_out(self, price: int) -> bool:
        book = self.book
        value = price * book.position * WHOLE
        return value <= book.position_cost * _UNITS * (WHOLE - self.limits.stop_loss_ppm)

    def _sale(self, price: int, share_ppm: int, reason: str) -> Wanted | None:
        amount = selling(self.book.position, share_ppm, price, self.rules)
        return Wanted(Move.SELL, amount, reason) if amount else None

    def _purchase(self, price: int, at_us: int, signal: Signal) -> Wanted | None:
        watch, book = self.watch, self.book
        if watch.draining or watch.leaving or at_us < watch.lock.until_us:
            return None
        allowed = book.capital * self.limits.position_ppm // WHOLE
        budget = min(
            allowed * signal.share_ppm // WHOLE,
            allowed - book.position_cost,
            book.cash * WHOLE // (WHOLE + MARGIN_PPM),
        )
        amount = buying(budget, price, self.rules) if budget > 0 else 0
        return Wanted(Move.BUY, amount, signal.reason) if amount else None


def _fell(worth: int, base: int, ppm: int) -> bool:
    return worth * WHOLE <= base * (WHOLE - ppm) if base > 0 else False


# Prices a strategy remembers from longer ago say nothing about now.
STALE_US: Final = 60_000_000


class Saved(msgspec.Struct, frozen=True, kw_only=True):
    """An engine at rest, as JSON in storage: its book, its watch and the strategy's state."""

    book: Book
    watch: Watch = msgspec.field(default_factory=Watch)
    state: msgspec.Raw = msgspec.Raw(b"{}")
    at_us: int = 0


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Saved).decode


def fresh(capital: int) -> bytes:
    """A new bot's engine, saved."""
    return _encode(Saved(book=Book(cash=capital), watch=Watch(peak_worth=capital)))


def save(engine: Engine, book: Book, watch: Watch, at_us: int) -> bytes:
    """The engine as it is, or will be, with `book` and `watch`."""
    state = msgspec.Raw(_encode(engine.state))
    return _encode(Saved(book=book, watch=watch, state=state, at_us=at_us))


def restore(body: bytes, strategy: Strategy, limits: Limits, rules: Rules, at_us: int) -> Engine:
    """The engine that was saved. The strategy begins anew when its state is stale, or of a kind
    that it no longer has; book and watch are kept for ever."""
    saved = _decode(body)
    state: Any = None
    if at_us - saved.at_us <= STALE_US:
        try:
            state = msgspec.json.decode(saved.state, type=strategy.state)
        except msgspec.ValidationError:
            state = None
    return Engine(strategy, limits, rules, saved.book, state=state, watch=saved.watch)


def book_of(body: bytes) -> Book:
    """The book alone of a saved engine."""
    return _decode(body).book
