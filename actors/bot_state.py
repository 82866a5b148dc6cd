"""A bot as it is committed: its row, its engine, and the one way to change either.

Belongs to one `BotActor` and lives as long.
"""

from collections.abc import Sequence

import structlog
from msgspec.structs import replace

from actors.bot_money import CHANGED, step_of
from actors.bot_parts import BotParts, Uncertain
from actors.bot_store import BotRow, BotSaved
from actors.bots import Denied, Reason
from actors.exchanges import ExchangeError
from domain.events import BotAlert, BotUpdated, Event, Fact, person
from domain.ledger import Effects, Intent, Recorded, Refusal
from domain.trading.book import Book
from domain.trading.engine import Engine, Watch, book_of, restore, save
from domain.trading.fills import Rules
from domain.trading.records import AlertLevel, Bot, BotStatus
from domain.trading.risk import LIMITS
from domain.trading.strategies import STRATEGIES

log = structlog.get_logger(__name__)

RETRY_US = 5_000_000  # how soon keys or an exchange's rules are asked for again
BUSY = Denied(Reason.BUSY, "Try again shortly")


class BotState:
    """See the module."""

    def __init__(self, row: BotRow, parts: BotParts) -> None:
        self.row = row
        self.parts = parts
        self.engine: Engine | None = None
        self.retry_us = 0

    @property
    def book(self) -> Book:
        """As last committed."""
        return self.engine.book if self.engine is not None else book_of(self.row.saved)

    @property
    def is_active(self) -> bool:
        """Whether it may trade, as far as its status goes."""
        return self.row.status is BotStatus.ACTIVE

    def shown(self) -> Bot:
        """As lists show it."""
        return self.parts.board.bots[self.row.id]

    async def make_engine(self) -> Engine | None:
        """The engine, restored at the first call; None while the exchange does not tell its
        rules, which is asked again after a while, and for what is no longer configured."""
        row, parts = self.row, self.parts
        if row.platform not in parts.exchanges or row.strategy not in STRATEGIES:
            return None
        if self.engine is None and parts.clock.now_us() >= self.retry_us:
            rules = await self._rules()
            if rules is not None:
                self.engine = self._restored(rules)
        return self.engine

    async def change(
        self, status: BotStatus, note: str = "", level: AlertLevel | None = None, text: str = ""
    ) -> Denied | None:
        """Commit a new status or note, with an alert at `level`."""
        engine, book = self.engine, self.book
        after = self.next(status, note, book, engine.watch if engine is not None else None)
        facts: list[Fact] = [BotUpdated(bot=after.shown(book))]
        if level is not None:
            facts.append(self.alert(level, text or note))
        intent = Intent(
            kind=CHANGED,
            initiator=self.row.user_id,
            ref=self.row.id,
            description=note or status.value,
            effects=lambda _: Effects(events=self.events(facts), changes=(BotSaved(after),)),
        )
        if await self.record(intent) is None:
            return BUSY
        self.adopt(after, book)
        return None

    async def idle(self, why: str, level: AlertLevel) -> None:
        """Say once why a live bot does not trade."""
        if self.row.note != why:
            await self.change(self.row.status, note=why, level=level, text=f"is idle: {why}")

    async def record(self, intent: Intent) -> Recorded | None:
        """None when it provably did not happen and may be tried again; Uncertain otherwise."""
        result = await self.parts.ledger.record(intent)
        if isinstance(result, Refusal):
            if not result.retry:
                raise Uncertain(f"{intent.kind}: {result.value}")
            log.warning("not recorded", bot=self.row.id, kind=intent.kind, why=result.value)
            return None
        return result

    def next(self, status: BotStatus, note: str, book: Book, watch: Watch | None) -> BotRow:
        """The row after a change, one revision on."""
        row, engine = self.row, self.engine
        saved = row.saved
        if engine is not None and watch is not None:
            saved = save(engine, book, watch, self.parts.clock.now_us())
        return replace(row, status=status, note=note, saved=saved, revision=row.revision + 1)

    def adopt(self, row: BotRow, book: Book) -> None:
        """`row` is committed."""
        self.row = row
        self.parts.board.bots[row.id] = row.shown(book)

    def events(self, facts: Sequence[Fact]) -> tuple[Event, ...]:
        """For the owner's feed."""
        feed = person(self.row.user_id)
        return tuple(Event(feed, fact) for fact in facts)

    def alert(self, level: AlertLevel, text: str) -> BotAlert:
        """`text` continues "Bot Alpha …"."""
        return BotAlert(bot_id=self.row.id, level=level, message=f"Bot {self.row.name} {text}")

    async def _rules(self) -> Rules | None:
        row = self.row
        try:
            theirs = await self.parts.markets.rules(row.platform, row.symbol)
        except ExchangeError as error:
            log.warning("no rules yet", bot=row.id, platform=row.platform, error=str(error))
            self.retry_us = self.parts.clock.now_us() + RETRY_US
            return None
        step = step_of(row.currency)
        return Rules(
            base=row.base,
            quote=row.currency,
            price_step=theirs.price_step,
            amount_step=theirs.amount_step,
            least_amount=theirs.least_amount,
            least_cost=max(theirs.least_cost, 10 * step),  # so that a fee is less than a sale
            fee_ppm=theirs.taker_fee_ppm,
            quote_step=step,
        )

    def _restored(self, rules: Rules) -> Engine:
        row = self.row
        strategy, limits = STRATEGIES[row.strategy], LIMITS[row.risk_mode]
        return restore(row.saved, strategy, limits, rules, self.parts.clock.now_us())
