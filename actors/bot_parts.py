"""What all bots share, and the messages one bot understands."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import msgspec

from actors.bot_store import BotStore, OpenOrder
from actors.bots import Denied
from actors.clock import Clock
from actors.exchanges import Exchange, Tick
from actors.key_ring import KeyRing
from actors.ledger import Ledger
from actors.market import Markets
from actors.runtime.ask import Asks
from domain.ledger import Line
from domain.trading.records import Bot, SystemMode

EVERYBODY = 0  # the user id of the kill switch for all


def _nobody(_tick: Tick) -> None: ...


@dataclass(slots=True)
class Board:
    """What is shown and obeyed at once, without asking an actor: every bot that is not deleted
    as last committed, users' modes, kill switches, and faults the sandbox asked for."""

    bots: dict[str, Bot] = field(default_factory=dict)
    modes: dict[int, SystemMode] = field(default_factory=dict)
    killed: set[int] = field(default_factory=set)
    faults: dict[str, int] = field(default_factory=dict)
    ordering: set[str] = field(default_factory=set)  # bots with an order that is not booked yet

    def is_killed(self, user_id: int) -> bool:
        """Whether nothing of this user may trade."""
        return bool(self.killed) and (user_id in self.killed or EVERYBODY in self.killed)

    def of_user(self, user_id: int) -> list[Bot]:
        """One user's bots, oldest first."""
        return [bot for bot in self.bots.values() if bot.user_id == user_id]

    def forget(self, bot_id: str) -> None:
        """The bot is deleted."""
        self.bots.pop(bot_id, None)
        self.faults.pop(bot_id, None)
        self.ordering.discard(bot_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class BotParts:
    """What a bot is made of. `new_id(n)` gives n random hex digits; `decided` is told of every
    tick a bot has decided on, for measurements."""

    store: BotStore
    ledger: Ledger
    clock: Clock
    markets: Markets
    exchanges: Mapping[str, Exchange]
    keys: KeyRing
    new_id: Callable[[int], str]
    board: Board = field(default_factory=Board)
    decided: Callable[[Tick], None] = _nobody


class StrategyFault(Exception):
    """The sandbox made a strategy fail."""


class Uncertain(Exception):
    """What was asked of the ledger may or may not be there: the bot must be read anew."""


class Look(msgspec.Struct, frozen=True):
    """There is a tick the bot has not looked at."""


class Pulse(msgspec.Struct, frozen=True):
    """Time has passed, or something outside changed: look after an open order, keys, modes."""

    keys_changed: bool = False


class Late(msgspec.Struct, frozen=True):
    """An order given up as never seen by its exchange: look whether it came after all."""

    order: OpenOrder


class Pause(Asks[Bot | Denied], msgspec.Struct, frozen=True):
    """See actors.bots."""

    by_admin: bool = False


class Resume(Asks[Bot | Denied], msgspec.Struct, frozen=True):
    """See actors.bots; `lift`: STOPPED is no obstacle."""

    lift: bool = False


class Stop(Asks[Bot | Denied], msgspec.Struct, frozen=True):
    """See actors.bots."""

    graceful: bool


class Delete(Asks[Line | Denied], msgspec.Struct, frozen=True):
    """See actors.bots."""


Message = Look | Pulse | Late | Pause | Resume | Stop | Delete
LOOK = Look()
