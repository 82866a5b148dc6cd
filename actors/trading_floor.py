"""All trading bots of all users: what surfaces talk to. Implements actors.bots.Bots.

One `TradingFloor` is started by app.py after the ledger and ends before it. It starts the actor of
every stored bot, whatever its status, so that bots go on with their positions after any end of the
process; it finds out what became of bots that crashed too often, and keeps watch over open orders.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final, Protocol, TypeVar
from weakref import WeakValueDictionary

import structlog
import trio
import trio.lowlevel

from actors.bot import run_bot
from actors.bot_opening import Opening
from actors.bot_parts import BotParts, Delete, Late, Message, Pause, Pulse, Resume, Stop, Uncertain
from actors.bot_state import BUSY, BotState
from actors.bots import Denied, Once, Opened, Reason
from actors.clock import US
from actors.identity_store import StoreUnavailable
from actors.runtime.ask import Asks, ask
from actors.runtime.failures import Failure
from actors.runtime.registry import Registry
from actors.runtime.restarts import RestartPolicy
from actors.runtime.supervisor import DEFAULT_RESTARTS
from domain.events import BotAlert, Event, person
from domain.ledger import Effects, Intent, Line
from domain.trading.metrics import Share, totals
from domain.trading.records import (
    AlertLevel,
    Bot,
    BotSpec,
    BotStatus,
    Metrics,
    Overview,
    SystemMode,
    Trade,
)

log = structlog.get_logger(__name__)

ANSWER_WITHIN_S: Final = 10.0
PULSE_S: Final = 1.0
UNSEEN_EVERY_S: Final = 60.0
# How long an order that an exchange had never seen is looked for.
UNSEEN_FOR_US: Final = 24 * 3600 * US
CRASHED: Final = "stopped: it crashed too often"
_NOT_FOUND: Final = Denied(Reason.NOT_FOUND, "Bot not found")
_UNKNOWN: Final = Denied(Reason.UNKNOWN, "The outcome is not known yet")
A = TypeVar("A")


class Valuation(Protocol):
    """What an amount is worth in ZAR; actors.holdings.Holdings is one."""

    async def in_rand(self, asset: str, units: int) -> int:
        """Units of ZAR; raises RatesUnavailable."""
        ...


class TradingFloor:
    """See the module. `limits` is the most bots a user may have on each platform."""

    def __init__(
        self,
        parts: BotParts,
        valuation: Valuation,
        limits: Mapping[str, int],
        *,
        jitter: Callable[[], float],
        restarts: RestartPolicy = DEFAULT_RESTARTS,
    ) -> None:
        self._parts = parts
        self._board = parts.board
        self._valuation = valuation
        self._opening = Opening(parts, limits)
        self._registry: Registry[str, Message] = Registry(
            "bots",
            partial(run_bot, parts=parts),
            jitter=jitter,
            restarts=restarts,
            on_quarantine=lambda _name: self._crashed.set(),
        )
        self._crashed = trio.Event()
        self._turns: WeakValueDictionary[int, trio.Lock] = WeakValueDictionary()
        self._nursery: trio.Nursery | None = None

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve until cancelled; started once every stored bot is known and starting."""
        async with trio.open_nursery() as nursery:
            await nursery.start(self._registry.run)
            await self._recall()
            nursery.start_soon(self._watch_orders)
            nursery.start_soon(self._watch_unseen)
            nursery.start_soon(self._stop_crashed)
            task_status.started()

    async def create(
        self, user_id: int, spec: BotSpec, once: Once | None = None
    ) -> Opened | Denied:
        """See Bots."""
        async with self._turn(user_id):
            # Shielded: a client that goes away must not leave a bot with money and no actor.
            with trio.CancelScope(shield=True):
                made = await self._opening.open(user_id, spec, once)
                if isinstance(made, Opened):
                    self._registry.start(made.bot.id)
        return made

    async def delete(self, user_id: int, bot_id: str) -> Line | Denied:
        """See Bots."""
        if self._find(user_id, bot_id) is None:
            return _NOT_FOUND
        async with self._turn(user_id):
            self._registry.release(bot_id)
            answer = await self._ask(bot_id, Delete())
        return _NOT_FOUND if answer is Failure.ABSENT else _refused(answer)

    async def pause(self, user_id: int | None, bot_id: str) -> Bot | Denied:
        """See Bots."""
        if self._find(user_id, bot_id) is None:
            return _NOT_FOUND
        return await self._bot(bot_id, Pause(by_admin=user_id is None))

    async def resume(self, user_id: int, bot_id: str) -> Bot | Denied:
        """See Bots."""
        bot = self._find(user_id, bot_id)
        if bot is None:
            return _NOT_FOUND
        return await self._bot(bot_id, Resume())

    async def stop(self, user_id: int, bot_id: str, *, graceful: bool = True) -> Bot | Denied:
        """See Bots."""
        if self._find(user_id, bot_id) is None:
            return _NOT_FOUND
        return await self._bot(bot_id, Stop(graceful))

    async def start(self, user_id: int, bot_id: str) -> Bot | Denied:
        """See Bots."""
        if self._find(user_id, bot_id) is None:
            return _NOT_FOUND
        self._registry.release(bot_id)
        return await self._bot(bot_id, Resume(lift=True))

    async def get(self, user_id: int | None, bot_id: str) -> Bot | None:
        """See Bots."""
        return self._find(user_id, bot_id)

    async def list(
        self, user_id: int | None, platform: str | None = None, status: BotStatus | None = None
    ) -> Sequence[Bot]:
        """See Bots."""
        bots = self._board.bots.values()
        return [
            bot
            for bot in (bots if user_id is None else self._board.of_user(user_id))
            if platform in (None, bot.platform) and status in (None, bot.status)
        ]

    async def trades(
        self, user_id: int, bot_id: str | None, limit: int, offset: int
    ) -> tuple[Sequence[Trade], int]:
        """See Bots."""
        return await self._parts.store.trades(user_id, bot_id, limit, offset)

    async def metrics(self, user_id: int) -> Metrics:
        """See Bots."""
        return totals([await self._share(bot) for bot in self._board.of_user(user_id)])

    async def overview(self, user_id: int) -> Overview:
        """See Bots."""
        found = await self.metrics(user_id)
        return Overview(
            active_bots=found.active_bots,
            total_bots=found.total_bots,
            total_profit=found.total_profit,
            total_capital=found.total_capital,
        )

    async def mode(self, user_id: int) -> SystemMode:
        """See Bots."""
        return self._board.modes.get(user_id, SystemMode.TESTING)

    async def set_mode(self, user_id: int, mode: SystemMode) -> None:
        """See Bots."""
        await self._parts.store.set_mode(user_id, mode)
        self._board.modes[user_id] = mode

    async def kill_switch(self, user_id: int | None, on: bool) -> None:
        """See Bots."""
        whose = user_id or 0
        if on:
            self._board.killed.add(whose)  # at once: being sure comes after being safe
        await self._parts.store.set_killed(whose, on)
        if not on:
            self._board.killed.discard(whose)
        self._pulse()
        bots = await self.list(user_id)
        text = "Kill switch on: all trading is stopped" if on else "Kill switch off"
        for owner in sorted({bot.user_id for bot in bots} | ({user_id} if user_id else set())):
            await self._alert(owner, AlertLevel.WARNING if on else AlertLevel.INFO, text)

    async def killed(self, user_id: int) -> bool:
        """See Bots."""
        return self._board.is_killed(user_id)

    def is_settled(self, user_id: int, platform: str) -> bool:
        """Implements actors.balance_mirror.Orders."""
        ordering = self._board.ordering
        return not ordering or not any(
            bot.id in ordering and bot.platform == platform for bot in self._board.of_user(user_id)
        )

    async def keys_changed(self, user_id: int, platform: str) -> None:
        """See Bots."""
        for bot in self._board.of_user(user_id):
            if bot.platform == platform:
                self._registry.ref(bot.id).send(Pulse(keys_changed=True))

    async def fail_next_ticks(self, bot_id: str, times: int) -> bool:
        """See Bots."""
        if bot_id not in self._board.bots:
            return False
        self._board.faults[bot_id] = times
        return True

    def _turn(self, user_id: int) -> trio.Lock:
        """One user's bots are created and deleted one by one, so that counts are exact."""
        lock = self._turns.get(user_id)
        if lock is None:
            lock = self._turns[user_id] = trio.Lock()
        return lock

    def _find(self, user_id: int | None, bot_id: str) -> Bot | None:
        bot = self._board.bots.get(bot_id)
        return bot if bot is not None and user_id in (None, bot.user_id) else None

    async def _bot(self, bot_id: str, message: Asks[Bot | Denied]) -> Bot | Denied:
        answer = await self._ask(bot_id, message)
        if answer is Failure.QUARANTINED:
            return Denied(Reason.STOPPED, "Bot is stopped")
        if answer is Failure.ABSENT:
            return _NOT_FOUND
        if isinstance(answer, Failure):
            return _UNKNOWN if answer.outcome_unknown else BUSY
        return answer

    async def _ask(self, bot_id: str, message: Asks[A]) -> A | Failure:
        deadline = trio.current_time() + ANSWER_WITHIN_S
        return await ask(self._registry.ref(bot_id), message, deadline)

    async def _share(self, bot: Bot) -> Share:
        async def rand(units: int) -> int:
            return await self._valuation.in_rand(bot.currency, units)

        return Share(
            active=bot.status is BotStatus.ACTIVE,
            profit=await rand(bot.total_profit),
            capital=await rand(bot.current_capital),
            open=await rand(bot.position_cost),
            closed_trades=bot.closed_trades,
            winning_trades=bot.winning_trades,
        )

    async def _recall(self) -> None:
        """Everything stored: users' modes and switches, then every bot, in order of creation."""
        for user_id, mode, killed in await self._parts.store.users():
            self._board.modes[user_id] = mode
            if killed:
                self._board.killed.add(user_id)
        for row in await self._parts.store.living():
            self._board.bots[row.id] = row.shown()
            self._registry.start(row.id)

    async def _watch_orders(self) -> None:
        """Bots with an open order look after it even when no tick comes."""
        while True:
            await trio.sleep(PULSE_S)
            self._pulse()
            for bot_id in self._opening.doubtful():
                self._registry.start(bot_id)

    async def _watch_unseen(self) -> None:
        """Orders given up as lost, should they have come after all."""
        while True:
            await trio.sleep(UNSEEN_EVERY_S)
            try:
                await self.look_for_unseen()
            except StoreUnavailable as error:
                log.warning("unseen orders not looked for", error=str(error))

    async def look_for_unseen(self) -> None:
        """Have every bot with such an order ask for it; raises StoreUnavailable."""
        since_us = self._parts.clock.now_us() - UNSEEN_FOR_US
        for order in await self._parts.store.unseen(since_us):
            self._registry.ref(order.bot_id).send(Late(order))

    def _pulse(self) -> None:
        for bot_id in tuple(self._board.ordering):
            self._registry.ref(bot_id).send(Pulse())

    async def _stop_crashed(self) -> None:
        """A quarantined bot is stopped and its owner told (FA-04), however long storage is away."""
        while True:
            await self._crashed.wait()
            self._crashed = trio.Event()
            waiting = True
            while waiting:
                await trio.lowlevel.checkpoint()  # the registry marks a bot after it has called
                waiting = False
                for bot_id in self._registry.quarantined:
                    waiting = not await self._stop_quarantined(bot_id) or waiting
                if waiting:
                    await trio.sleep(PULSE_S)

    async def _stop_quarantined(self, bot_id: str) -> bool:
        """Whether the bot is known to be stopped. Its actor is gone: nobody else changes it."""
        bot = self._board.bots.get(bot_id)
        if bot is None or bot.status is BotStatus.STOPPED:
            return True
        try:
            found = await self._parts.store.load(bot_id)
            if found is None:
                return True
            state = BotState(found[0], self._parts)
            denied = await state.change(BotStatus.STOPPED, note=CRASHED, level=AlertLevel.ERROR)
        except (StoreUnavailable, Uncertain) as error:
            log.warning("crashed bot not stopped yet", bot=bot_id, error=str(error))
            return False
        return denied is None

    async def _alert(self, user_id: int, level: AlertLevel, text: str) -> None:
        fact = BotAlert(bot_id="", level=level, message=text)
        await self._parts.ledger.record(
            Intent(
                kind="BOT",
                initiator=user_id,
                description=text,
                effects=lambda _: Effects(events=(Event(person(user_id), fact),)),
            )
        )


def _refused(answer: A | Failure) -> A | Denied:
    if isinstance(answer, Failure):
        return _UNKNOWN if answer.outcome_unknown else BUSY
    return answer
