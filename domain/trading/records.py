"""What a bot is to the outside: its specification, the bot itself, its trades, the totals.

Document 004, "Bot Management" and "Trading Endpoints". A bot's capital, profits and trades count
in `currency`, the quote currency of its symbol; only totals over bots are in ZAR (AMKT-C32).
"""

import unicodedata
from enum import StrEnum
from typing import Final

import msgspec

PLATFORMS: Final = ("luno", "binance", "kucoin", "ovex", "valr")  # AMKT-C12
# What a bot trades at each platform unless it is told otherwise (contract.md, "Amarktai").
DEFAULT_SYMBOLS: Final = {
    "luno": "BTC/ZAR",
    "valr": "BTC/ZAR",
    "ovex": "BTC/ZAR",
    "binance": "BTC/USDT",
    "kucoin": "BTC/USDT",
}
DEFAULT_STRATEGY: Final = "momentum"
NAME_LENGTH: Final = 100  # characters a bot's name may have


# Line ends and other controls, and half characters: in an alert, a log or what a model reads a name
# with them would pass for something else than a name.
_NOT_IN_NAMES: Final = frozenset({"Cc", "Cs", "Zl", "Zp"})
_TURNING: Final = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")  # of text


def is_name(text: str) -> bool:
    """Whether a bot may be called so: one line with something to see in it."""
    kinds = {unicodedata.category(character) for character in text}
    is_seen = any(kind[0] not in "ZC" for kind in kinds)
    is_plain = kinds.isdisjoint(_NOT_IN_NAMES) and _TURNING.isdisjoint(text)
    return is_seen and is_plain and len(text) <= NAME_LENGTH


class TradingMode(StrEnum):
    """Whose money a bot moves (AMKT-C19): DEMO accounts or REAL ones; all else is the same."""

    PAPER = "paper"
    LIVE = "live"


class RiskMode(StrEnum):
    """How much a bot dares (AMKT-C19); `domain.trading.risk` says what each means."""

    CONSERVATIVE = "conservative"
    BALANCED = "balanced"
    AGGRESSIVE = "aggressive"


class BotStatus(StrEnum):
    """AMKT-C16. STOPPED: by its owner, crashed beyond its restart budget, or capital gone."""

    CREATED = "created"
    ACTIVE = "active"
    PAUSED = "paused"
    STOPPED = "stopped"


class SystemMode(StrEnum):
    """A user's mode (AMKT-C11); live bots trade only outside TESTING (AMKT-C18)."""

    TESTING = "testing"
    LIVE_TRADING = "live_trading"
    AUTOPILOT = "autopilot"


class AlertLevel(StrEnum):
    """AMKT-C37."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class RiskLevel(StrEnum):
    """What share of the capital is in open positions (AMKT-C24)."""

    LOW = "low"
    MODERATE = "moderate"
    HIGH = "high"


class BotSpec(msgspec.Struct, frozen=True, kw_only=True):
    """What a user asks for. `symbol` "": the platform's own (DEFAULT_SYMBOLS)."""

    name: str
    platform: str
    initial_capital: int
    trading_mode: TradingMode = TradingMode.PAPER
    risk_mode: RiskMode = RiskMode.BALANCED
    strategy: str = DEFAULT_STRATEGY
    symbol: str = ""


class Bot(msgspec.Struct, frozen=True, kw_only=True):
    """A bot as lists and events show it (AMKT-C38).

    `current_capital` is the initial capital plus the profits of all its trades; an open position
    counts at what it cost. `position` in base units, `position_cost` in quote units. `note` says
    why it does not trade, "" when it does.
    """

    id: str
    user_id: int
    name: str
    platform: str
    symbol: str
    currency: str
    status: BotStatus
    trading_mode: TradingMode
    risk_mode: RiskMode
    strategy: str
    initial_capital: int
    current_capital: int
    created_us: int
    position: int = 0
    position_cost: int = 0
    closed_trades: int = 0
    winning_trades: int = 0
    note: str = ""

    @property
    def total_profit(self) -> int:
        """Units of `currency`, negative for a loss."""
        return self.current_capital - self.initial_capital

    @property
    def profit_bp(self) -> int:
        """Profit in hundredths of a per cent of the initial capital, towards zero."""
        sign = -1 if self.total_profit < 0 else 1
        return sign * (abs(self.total_profit) * 10_000 // self.initial_capital)


class Trade(msgspec.Struct, frozen=True, kw_only=True):
    """One fill of a bot. `profit` is 0 for a buy; `fee` is included in it. `cost` is what was
    paid or received without the fee, all in units of `currency` but `amount` in base units."""

    id: str
    bot_id: str
    user_id: int
    platform: str
    symbol: str
    currency: str
    side: str
    amount: int
    price: int
    cost: int
    fee: int
    profit: int
    reason: str
    at_us: int


class Metrics(msgspec.Struct, frozen=True, kw_only=True):
    """GET /api/metrics (AMKT-C24). Money in units of ZAR; `_bp` in hundredths of a per cent."""

    total_profit: int = 0
    total_capital: int = 0
    active_bots: int = 0
    total_bots: int = 0
    win_rate_bp: int = 0
    exposure_bp: int = 0
    risk_level: RiskLevel = RiskLevel.LOW


class Overview(msgspec.Struct, frozen=True, kw_only=True):
    """SSE `overview_update`. Money in units of ZAR."""

    active_bots: int = 0
    total_bots: int = 0
    total_profit: int = 0
    total_capital: int = 0
