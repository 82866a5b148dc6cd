"""One trading bot: the actor that decides for it and owns its money.

A `BotActor` stands for one bot that is not deleted. Its registry starts it, it recovers from
storage what it had, and it lives until it is deleted or the server stops. It looks at the latest
tick of its market whenever it is done with the one before, and everything it does is in the ledger
before anybody hears of it. A strategy that raises ends this actor alone: it is recovered after a
backoff, and past its budget the registry quarantines it and `trading_floor` stops it.

Nearly every tick leads to nothing. While the actor waits for a message its state is its own to
read, so a tick is decided on where it is heard, without waking a task; what comes of it, if
anything does, is a message like any other.
"""

from typing import Final

import msgspec
from msgspec.structs import replace
from trio import TaskStatus

from actors.bot_money import DELETED, return_postings
from actors.bot_orders import BotOrders
from actors.bot_parts import (
    LOOK,
    BotParts,
    Delete,
    Late,
    Look,
    Message,
    Pause,
    Pulse,
    Resume,
    Stop,
    StrategyFault,
    Uncertain,
)
from actors.bot_state import BUSY, BotState
from actors.bot_store import BotDeleted, BotRow, OpenOrder
from actors.bots import Denied, Reason
from actors.brokers import Broker
from actors.exchanges import Tick
from actors.runtime.ask import Envelope
from actors.runtime.mailbox import Mailbox
from actors.runtime.serve import serve
from domain.events import BotCountChanged, BotUpdated
from domain.ledger import Effects, Intent, Line, Recorded
from domain.trading.engine import Engine, Wanted
from domain.trading.records import AlertLevel, Bot, BotStatus, SystemMode, TradingMode

STOPPING: Final = "stopping: opens nothing new"
STOPPED: Final = "stopped by its owner"
TESTING: Final = "the mode is testing"
_REFUSED: Final = Denied(Reason.STOPPED, "Bot is stopped")


class Decided(msgspec.Struct, frozen=True, gc=False):
    """What the engine wants after a tick; `fault`: what its strategy raised instead."""

    tick: Tick
    wanted: Wanted | None
    fault: Exception | None = None


class BotActor:
    """See the module; made by `run_bot` for one incarnation."""

    def __init__(
        self, row: BotRow, order: OpenOrder | None, parts: BotParts, mailbox: Mailbox[Message]
    ) -> None:
        self._parts = parts
        self._mailbox = mailbox
        self._state = BotState(row, parts)
        self._orders = BotOrders(self._state, order)
        self._tick: Tick | None = None
        self._decided: Decided | None = None  # where it was heard, and not acted on yet
        self._is_looking = False  # a Look is queued
        self._is_listening = False

    async def begin(self) -> None:
        """Recovered: become active if new, and listen."""
        if self._state.row.status is BotStatus.CREATED:
            denied = await self._state.change(BotStatus.ACTIVE)
            if denied is not None:
                raise Uncertain(f"not active yet: {denied.message}")
        self._attend()

    def end(self) -> None:
        """This incarnation is over."""
        self._leave_market()

    def heard(self, tick: Tick) -> None:
        """The market's latest tick; one not looked at yet is forgotten."""
        self._tick = tick
        if not self._is_looking and not self._is_settled_by(tick):
            self._is_looking = self._mailbox.send(LOOK) is None

    async def handle(self, envelope: Envelope[Message]) -> object:
        """One message to its end."""
        answer: object = None
        if envelope.message is LOOK:  # nearly always
            await self._look()
            if self._state.is_active:
                return None
        match envelope.message:
            case Look():
                pass
            case Pulse(keys_changed):
                await self._pulse(keys_changed)
            case Late(order):
                await self._orders.look_for(order)
            case Pause(by_admin):
                answer = await self._pause(by_admin)
            case Resume(lift):
                answer = await self._resume(lift)
            case Stop(graceful):
                answer = await self._stop(graceful)
            case Delete():
                answer = await self._delete()
        self._attend()
        return answer

    def _is_settled_by(self, tick: Tick) -> bool:
        """Whether the tick was decided on here, and nothing came of it. Only while the actor waits
        for a message: in the middle of one, what it reads could be changing."""
        state, orders = self._state, self._orders
        engine = state.engine
        if (
            engine is None
            or orders.broker is None
            or orders.order is not None
            or not self._mailbox.idle
            or not state.is_active
            or self._is_killed
            or not self._mode_is_clear
        ):
            return False
        try:
            wanted = self._decide(engine, tick)
        except Exception as fault:  # the actor's to raise: the feed has other listeners
            self._decided = Decided(tick, None, fault)
            return False
        if wanted is None and not engine.notices and not engine.watch.draining:
            return True
        self._decided = Decided(tick, wanted)
        return False

    def _decide(self, engine: Engine, tick: Tick) -> Wanted | None:
        if self._parts.board.faults:
            self._fail_if_asked()
        wanted = engine.on_tick(tick.price, self._parts.clock.now_us())
        self._parts.decided(tick)
        return wanted

    async def _look(self) -> None:
        """Act on what was decided where the tick was heard, or decide on the latest."""
        decided, self._decided, self._is_looking = self._decided, None, False
        if decided is not None and decided.fault is not None:
            raise decided.fault
        tick, state, orders = self._tick, self._state, self._orders
        if tick is None or not state.is_active:
            return
        if orders.order is not None:
            await orders.look_after(cancel=self._is_killed)
            return
        if self._is_killed or not await self._mode_allows():
            return
        engine = state.engine or await state.make_engine()
        broker = await orders.make_broker(engine) if engine is not None else None
        if engine is None or broker is None:
            return
        if decided is None:
            decided = Decided(tick, self._decide(engine, tick))
        await self._act(engine, broker, decided)
        if self._tick is not decided.tick and not self._is_looking:
            self._is_looking = self._mailbox.send(LOOK) is None

    async def _act(self, engine: Engine, broker: Broker, decided: Decided) -> None:
        """What a decision leads to."""
        state, orders, wanted = self._state, self._orders, decided.wanted
        is_time = not broker.is_outside or self._parts.clock.now_us() >= state.retry_us
        if wanted is not None and is_time:
            await orders.trade(engine, broker, wanted, decided.tick.price)
        if engine.notices:
            await self._tell(engine)
        if engine.is_drained and orders.order is None:
            await state.change(BotStatus.STOPPED, note=STOPPED)

    async def _pulse(self, keys_changed: bool) -> None:
        if keys_changed:
            self._orders.forget_keys()
        if self._orders.order is not None:
            idle = not self._state.is_active or self._is_killed
            await self._orders.look_after(cancel=idle)

    def _fail_if_asked(self) -> None:
        faults, id_ = self._parts.board.faults, self._state.row.id
        left = faults.get(id_, 0)
        if left:
            faults[id_] = left - 1
            if left == 1:
                del faults[id_]
            raise StrategyFault("the sandbox asked for it")

    @property
    def _is_killed(self) -> bool:
        return self._parts.board.is_killed(self._state.row.user_id)

    @property
    def _mode_is_clear(self) -> bool:
        """Whether the mode allows trading, and nothing is to be said about it."""
        row = self._state.row
        if row.trading_mode is TradingMode.PAPER:
            return True
        mode = self._parts.board.modes.get(row.user_id, SystemMode.TESTING)
        return mode is not SystemMode.TESTING and row.note != TESTING

    async def _mode_allows(self) -> bool:
        """A live bot idles in mode testing, and says so (AMKT-C18)."""
        state = self._state
        row = state.row
        if row.trading_mode is TradingMode.PAPER:
            return True
        mode = self._parts.board.modes.get(row.user_id, SystemMode.TESTING)
        if mode is SystemMode.TESTING:
            await state.idle(TESTING, AlertLevel.INFO)
            return False
        if row.note == TESTING:
            await state.change(row.status)
        return True

    async def _tell(self, engine: Engine) -> None:
        """Alert the owner of what the engine noticed, pausing if it says so."""
        notices, engine.notices = engine.notices, []
        for notice in notices:
            row = self._state.row
            status = BotStatus.PAUSED if notice.pauses else row.status
            note = notice.text if notice.pauses else row.note
            await self._state.change(status, note=note, level=notice.level, text=notice.text)

    async def _pause(self, by_admin: bool) -> Bot | Denied:
        state = self._state
        if state.row.status is BotStatus.PAUSED:
            return state.shown()
        if state.row.status is BotStatus.STOPPED:
            return _REFUSED
        note = "paused by an administrator" if by_admin else ""
        level = AlertLevel.WARNING if by_admin else None
        denied = await state.change(BotStatus.PAUSED, note=note, level=level)
        return denied or state.shown()

    async def _resume(self, lift: bool) -> Bot | Denied:
        state = self._state
        if state.row.status is BotStatus.STOPPED and not lift:
            return _REFUSED
        engine = await state.make_engine()
        if state.is_active and (engine is None or not engine.watch.draining):
            return state.shown()
        if engine is not None:
            engine.forgive()
        return await state.change(BotStatus.ACTIVE) or state.shown()

    async def _stop(self, graceful: bool) -> Bot | Denied:
        state = self._state
        if state.row.status is BotStatus.STOPPED:
            return state.shown()
        engine = await state.make_engine()
        is_open = self._orders.order is not None or (engine is not None and engine.held)
        if graceful and is_open and engine is not None and state.is_active:
            engine.watch.draining = True
            return await state.change(BotStatus.ACTIVE, note=STOPPING) or state.shown()
        return await state.change(BotStatus.STOPPED, note=STOPPED) or state.shown()

    async def _delete(self) -> Line | Denied:
        if self._orders.order is not None:
            await self._orders.look_after(cancel=True)
        if self._orders.order is not None:
            return Denied(Reason.BUSY, "An order is still being settled, try again shortly")
        state, board = self._state, self._parts.board
        row, book = state.row, state.book
        deleted = BotDeleted(row, self._parts.clock.now_us())

        def effects(_: Recorded) -> Effects:
            left = sum(bot.id != row.id for bot in board.of_user(row.user_id))
            facts = (
                BotUpdated(bot=replace(row.shown(book), status=BotStatus.STOPPED)),
                BotCountChanged(total_bots=left),
            )
            return Effects(events=state.events(facts), changes=(deleted,))

        intent = Intent(
            kind=DELETED,
            postings=return_postings(row, book.cash, book.position),
            initiator=row.user_id,
            ref=row.id,
            description=f"Bot {row.name} deleted",
            effects=effects,
        )
        recorded = await state.record(intent)
        if recorded is None:
            return BUSY
        board.forget(row.id)
        self._mailbox.leave()
        return recorded.line(row.funds(row.currency)) or await self._funds()

    async def _funds(self) -> Line:
        """The account the capital came from, of a bot that had nothing left to give back to it."""
        row = self._state.row
        account = await self._parts.ledger.accounts.open(row.funds(row.currency))
        return Line(account.key, account.number, account.posted, account.sequence)

    def _attend(self) -> None:
        """Listen to the market while active, and only then; a bot whose exchange is no longer
        configured has none."""
        row = self._state.row
        is_there = row.id in self._parts.board.bots and row.platform in self._parts.exchanges
        if not self._state.is_active or not is_there:
            self._leave_market()
        elif not self._is_listening:
            self._is_listening = True
            self._parts.markets.listen(row.platform, row.symbol, self.heard)

    def _leave_market(self) -> None:
        if self._is_listening:
            self._is_listening = False
            row = self._state.row
            self._parts.markets.leave(row.platform, row.symbol, self.heard)


async def run_bot(
    bot_id: str, mailbox: Mailbox[Message], parts: BotParts, *, task_status: TaskStatus[None]
) -> None:
    """Recover the bot, then serve its mailbox: what the registry runs for every bot."""
    found = await parts.store.load(bot_id)
    if found is None:
        parts.board.forget(bot_id)
        return
    row, order = found
    actor = BotActor(row, order, parts, mailbox)
    parts.board.bots[bot_id] = row.shown()
    try:
        await actor.begin()
        task_status.started()
        await serve(mailbox, actor.handle)
    finally:
        actor.end()
