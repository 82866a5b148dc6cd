"""Opening a bot: what may be opened, and the journal that gives it its capital."""

from collections.abc import Mapping
from typing import Final

from actors.bot_money import CREATED, step_of
from actors.bot_parts import BotParts
from actors.bot_store import BotCreated, BotRow
from actors.bots import Denied, Once, Opened, Reason
from domain.events import BotCountChanged, Event, person
from domain.ledger import Effects, Intent, Posting, Recorded, Refusal, SystemPurpose, system
from domain.money import MAX_UNITS
from domain.trading.engine import fresh
from domain.trading.records import (
    DEFAULT_SYMBOLS,
    NAME_LENGTH,
    BotSpec,
    BotStatus,
    TradingMode,
    is_name,
)
from domain.trading.strategies import STRATEGIES

_SHORT: Final = Denied(Reason.INSUFFICIENT_FUNDS, "Not enough capital for operation")
_UNKNOWN: Final = Denied(Reason.UNKNOWN, "The outcome is not known yet")


class Opening:
    """`limits` is the most bots a user may have on each platform (AMKT-C12, AMKT-C20).

    Its caller sees to it that one user opens one bot at a time.
    """

    def __init__(self, parts: BotParts, limits: Mapping[str, int]) -> None:
        self._parts = parts
        self._limits = limits
        self._doubtful: set[str] = set()  # ids whose journal may or may not have landed

    async def open(self, user_id: int, spec: BotSpec, once: Once | None = None) -> Opened | Denied:
        """Fund and store the bot; the caller starts its actor."""
        symbol = spec.symbol or DEFAULT_SYMBOLS.get(spec.platform, "")
        denied = self._denied(user_id, spec, symbol)
        if denied is not None:
            return denied
        base, _, currency = symbol.partition("/")
        row = BotRow(
            id=self._parts.new_id(24),
            user_id=user_id,
            name=spec.name,
            platform=spec.platform,
            symbol=symbol,
            base=base,
            currency=currency,
            trading_mode=spec.trading_mode,
            risk_mode=spec.risk_mode,
            strategy=spec.strategy,
            initial_capital=spec.initial_capital,
            status=BotStatus.CREATED,
            note="",
            saved=fresh(spec.initial_capital),
            created_us=self._parts.clock.now_us(),
        )
        if spec.trading_mode is TradingMode.PAPER:
            refusal = await self._provide(row)
            if refusal is not None:
                return _denied_by(refusal)
        return await self._fund(row, once)

    def doubtful(self) -> tuple[str, ...]:
        """Ids that may be bots: starting their actors finds out. Each is given once."""
        ids, self._doubtful = tuple(self._doubtful), set()
        return ids

    def _denied(self, user_id: int, spec: BotSpec, symbol: str) -> Denied | None:
        """The first reason against it, in the order of Reason."""
        base, _, currency = symbol.partition("/")
        capital = spec.initial_capital
        if spec.platform not in self._parts.exchanges:
            return Denied(Reason.UNKNOWN_PLATFORM, f"Unknown platform {spec.platform}")
        if not base or not currency:
            return Denied(Reason.UNKNOWN_SYMBOL, f"Unknown symbol {symbol}")
        if spec.strategy not in STRATEGIES:
            return Denied(Reason.UNKNOWN_STRATEGY, f"Unknown strategy {spec.strategy}")
        if not is_name(spec.name):
            text = f"name must be one line of 1 to {NAME_LENGTH} characters"
            return Denied(Reason.INVALID_NAME, text)
        if not 0 < capital <= MAX_UNITS or capital % step_of(currency):
            return Denied(Reason.INVALID_CAPITAL, "initial_capital must be a positive amount")
        mine = [bot for bot in self._parts.board.of_user(user_id) if bot.platform == spec.platform]
        if len(mine) >= self._limits[spec.platform]:
            return Denied(Reason.BOT_LIMIT, f"Bot limit reached for {spec.platform}")
        return None

    async def _provide(self, row: BotRow) -> Refusal | None:
        """Credit the user's DEMO account with what it lacks of the capital."""
        ledger, funds = self._parts.ledger, row.funds(row.currency)
        account = await ledger.accounts.open(funds)
        short = row.initial_capital - account.available
        if short <= 0:
            return None
        source = system(row.currency, SystemPurpose.DEMO_FUNDING, row.mode)
        result = await ledger.record(
            Intent(
                kind="FUNDING",
                postings=(Posting(source, funds, short, "Paper capital"),),
                initiator=row.user_id,
                description="Paper capital",
            )
        )
        return result if isinstance(result, Refusal) else None

    async def _fund(self, row: BotRow, once: Once | None) -> Opened | Denied:
        board, user_id = self._parts.board, row.user_id

        def effects(recorded: Recorded) -> Effects:
            count = BotCountChanged(total_bots=len(board.of_user(user_id)) + 1)
            return Effects(
                events=(Event(person(user_id), count),),
                changes=(BotCreated(row),),
                outcome=once.outcome(_opened(row, recorded)) if once is not None else b"",
            )

        postings = [
            Posting(
                row.funds(row.currency), row.account(row.currency), row.initial_capital, "Capital"
            )
        ]
        result = await self._parts.ledger.record(
            Intent(
                kind=CREATED,
                postings=tuple(postings),
                initiator=user_id,
                ref=row.id,
                description=f"Capital of bot {row.name}",
                effects=effects,
                ticket=once.ticket if once is not None else None,
            )
        )
        if result is Refusal.UNKNOWN:
            self._doubtful.add(row.id)
        if isinstance(result, Refusal):
            return _denied_by(result)
        opened = _opened(row, result)
        board.bots[row.id] = opened.bot
        return opened


def _opened(row: BotRow, recorded: Recorded) -> Opened:
    line = recorded.line(row.funds(row.currency))
    assert line is not None, "the capital comes from this account"
    return Opened(row.shown(), line)


def _denied_by(refusal: Refusal) -> Denied:
    match refusal:
        case Refusal.ACCOUNT_NOT_FOUND | Refusal.INSUFFICIENT_FUNDS | Refusal.ACCOUNT_LOCKED:
            return _SHORT
        case Refusal.UNKNOWN:
            return _UNKNOWN
        case _:
            return Denied(Reason.BUSY, "Try again shortly")
