"""What bots ask of storage. Changes are written with a journal (domain.ledger.Effects)."""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from domain.ledger import AccountKey
from domain.trading.book import Book
from domain.trading.engine import book_of
from domain.trading.records import Bot, BotStatus, RiskMode, SystemMode, Trade, TradingMode

EXCHANGE = "EXCHANGE"  # purpose: what bots have traded with an exchange, the other side of it
EXCHANGE_FEES = "EXCHANGE_FEES"  # purpose: what exchanges charged
TRADING = "TRADING"  # purpose: a user's money at an exchange, which bots are funded from


class BotRow(msgspec.Struct, frozen=True, kw_only=True):
    """A bot at rest. `saved` is its engine (domain.trading.engine.save)."""

    id: str
    user_id: int
    name: str
    platform: str
    symbol: str
    base: str
    currency: str
    trading_mode: TradingMode
    risk_mode: RiskMode
    strategy: str
    initial_capital: int
    status: BotStatus
    note: str
    saved: bytes
    created_us: int
    revision: int = 1

    @property
    def mode(self) -> str:
        """Of its ledger accounts."""
        return "REAL" if self.trading_mode is TradingMode.LIVE else "DEMO"

    def account(self, asset: str) -> AccountKey:
        """The bot's own account: no other bot can spend from it."""
        return AccountKey(
            self.user_id, asset, f"BOT-{self.id}", provider=self.platform, mode=self.mode
        )

    def funds(self, asset: str) -> AccountKey:
        """The account of its owner that its capital comes from and goes back to."""
        return AccountKey(self.user_id, asset, TRADING, provider=self.platform, mode=self.mode)

    def platform_account(self, asset: str, purpose: str) -> AccountKey:
        """The platform's side of its trades: EXCHANGE or EXCHANGE_FEES."""
        return AccountKey(0, asset, purpose, provider=self.platform, mode=self.mode)

    def shown(self, book: Book | None = None) -> Bot:
        """As lists and events show it; `book` spares reading it out of `saved`."""
        book = book_of(self.saved) if book is None else book
        return Bot(
            id=self.id,
            user_id=self.user_id,
            name=self.name,
            platform=self.platform,
            symbol=self.symbol,
            currency=self.currency,
            status=self.status,
            trading_mode=self.trading_mode,
            risk_mode=self.risk_mode,
            strategy=self.strategy,
            initial_capital=self.initial_capital,
            current_capital=book.capital,
            created_us=self.created_us,
            position=book.position,
            position_cost=book.position_cost,
            closed_trades=book.closed_trades,
            winning_trades=book.winning_trades,
            note=self.note,
        )


class OpenOrder(msgspec.Struct, frozen=True, kw_only=True):
    """A live order that may be at the exchange and is not booked yet. `amount` base units;
    `hold_amount` units set aside on the bot's account by journal `hold_id`."""

    client_order_id: str
    bot_id: str
    side: str
    amount: int
    reason: str
    hold_id: int
    hold_amount: int
    sent_us: int


class BotCreated(msgspec.Struct, frozen=True, gc=False):
    """A new bot, with the journal that gave it its capital."""

    row: BotRow


class BotSaved(msgspec.Struct, frozen=True, gc=False):
    """A bot's next revision; its row must be at the revision before."""

    row: BotRow


class BotDeleted(msgspec.Struct, frozen=True, gc=False):
    """A bot is gone from lists; its row must be at this revision."""

    row: BotRow
    deleted_us: int


class TradeMade(msgspec.Struct, frozen=True, gc=False):
    """A trade, with the journal `number` that moved its money."""

    number: int
    trade: Trade


class OrderSent(msgspec.Struct, frozen=True, gc=False):
    """An order is about to be sent."""

    order: OpenOrder


class OrderEnded(msgspec.Struct, frozen=True, gc=False):
    """An order is booked or void, once; `result` says which."""

    client_order_id: str
    result: str


class BotStore(Protocol):
    """Bots at rest; implemented by storage.bots. Raises StoreUnavailable while it is away."""

    async def living(self) -> Sequence[BotRow]:
        """Every bot not deleted, oldest first."""
        ...

    async def load(self, bot_id: str) -> tuple[BotRow, OpenOrder | None] | None:
        """A bot not deleted, and its order that is not booked yet."""
        ...

    async def trades(
        self, user_id: int, bot_id: str | None, limit: int, offset: int
    ) -> tuple[Sequence[Trade], int]:
        """A page of a user's trades, newest first, and how many there are."""
        ...

    async def unseen(self, since_us: int) -> Sequence[OpenOrder]:
        """Orders of living bots sent since then that their exchanges had never seen."""
        ...

    async def users(self) -> Sequence[tuple[int, SystemMode, bool]]:
        """Users with a mode or a kill switch of their own: id (0 for everybody), mode, killed."""
        ...

    async def set_mode(self, user_id: int, mode: SystemMode) -> None: ...

    async def set_killed(self, user_id: int, killed: bool) -> None: ...
