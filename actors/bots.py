"""What surfaces ask of the trading bots: the interface `actors.trading_floor` implements.

Everything that changes a bot is in the ledger and in storage before it is answered, and the
user's feed (`domain.events.person`) is told with the same commit: BotUpdated, BotCountChanged,
TradeExecuted and BotAlert, with offsets, so that SSE and WebSocket resume by `Feeds` and
`EventStore` as every other surface does. Another user's bot is NOT_FOUND (FA-03).

Calls raise what storage raises while it is away; a refusal is a `Denied`.
"""

from collections.abc import Callable, Sequence
from enum import Enum
from typing import Protocol

import msgspec

from domain.ledger import Line, Ticket
from domain.trading.records import Bot, BotSpec, BotStatus, Metrics, Overview, SystemMode, Trade


class Reason(Enum):
    """Why something was not done, in order of precedence."""

    NOT_FOUND = "bot not found"
    UNKNOWN_PLATFORM = "unknown platform"
    UNKNOWN_SYMBOL = "unknown symbol"
    UNKNOWN_STRATEGY = "unknown strategy"
    INVALID_NAME = "invalid name"
    INVALID_CAPITAL = "invalid capital"
    BOT_LIMIT = "bot limit reached"
    INSUFFICIENT_FUNDS = "insufficient funds"
    STOPPED = "bot is stopped"  # resume of a stopped bot (AMKT-C16)
    BUSY = "busy"  # nothing was done; try again
    UNKNOWN = "outcome unknown"  # it may have been done: look


class Denied(msgspec.Struct, frozen=True):
    """A refusal; `message` is fit for the user ("Bot limit reached for luno")."""

    reason: Reason
    message: str


class Opened(msgspec.Struct, frozen=True):
    """A new bot; `funds` is the account its capital came from, right after that."""

    bot: Bot
    funds: Line


OutcomeOf = Callable[[Opened], bytes]
"""What a repeat of the idempotency key is answered."""


class Once(msgspec.Struct, frozen=True):
    """The idempotency key a bot is opened under: committed in the journal that funds it."""

    ticket: Ticket
    outcome: OutcomeOf


class Bots(Protocol):
    """All bots of all users."""

    async def create(
        self, user_id: int, spec: BotSpec, once: Once | None = None
    ) -> Opened | Denied:
        """Take the capital from the user's trading account at the platform (DEMO for paper),
        store the bot and start it. The answer says CREATED; ACTIVE follows as an event. With
        `once` the answer to a repeat of its key is in the same transaction (X-C29)."""
        ...

    async def delete(self, user_id: int, bot_id: str) -> Line | Denied:
        """End it and give back what is left. Gone from lists at once; its trades remain. The
        line is of the account its capital had come from, right after that."""
        ...

    async def pause(self, user_id: int | None, bot_id: str) -> Bot | Denied:
        """No trades until resumed; pausing twice is fine. `user_id` None: an administrator does
        it, and the owner gets an alert (FA-10)."""
        ...

    async def resume(self, user_id: int, bot_id: str) -> Bot | Denied:
        """Back to ACTIVE; resuming an active one is fine, STOPPED is refused (AMKT-C16)."""
        ...

    async def stop(self, user_id: int, bot_id: str, *, graceful: bool = True) -> Bot | Denied:
        """Open nothing new; graceful manages what is open to its exit first, else at once."""
        ...

    async def start(self, user_id: int, bot_id: str) -> Bot | Denied:
        """As resume, and lifts STOPPED, quarantine after crashes included."""
        ...

    async def get(self, user_id: int | None, bot_id: str) -> Bot | None:
        """One bot; of anybody with `user_id` None."""
        ...

    async def list(
        self, user_id: int | None, platform: str | None = None, status: BotStatus | None = None
    ) -> Sequence[Bot]:
        """Bots in order of creation; everybody's with `user_id` None."""
        ...

    async def trades(
        self, user_id: int, bot_id: str | None, limit: int, offset: int
    ) -> tuple[Sequence[Trade], int]:
        """A page of trades, newest first, and how many there are in all (AMKT-C22). Of somebody
        else's bot: none. Those of deleted bots remain (AMKT-C21)."""
        ...

    async def metrics(self, user_id: int) -> Metrics:
        """Totals in ZAR; raises RatesUnavailable when a bot counts in another currency that
        nobody prices now."""
        ...

    async def overview(self, user_id: int) -> Overview:
        """As metrics, for SSE."""
        ...

    async def mode(self, user_id: int) -> SystemMode:
        """TESTING until set."""
        ...

    async def set_mode(self, user_id: int, mode: SystemMode) -> None:
        """Durable. Live bots of a user in TESTING idle (AMKT-C18)."""
        ...

    async def kill_switch(self, user_id: int | None, on: bool) -> None:
        """Stop all trading of a user, or of everybody with None, at once; off lifts it and bots
        go on as they were, without a restart. Durable."""
        ...

    async def killed(self, user_id: int) -> bool:
        """Whether a kill switch, the user's or everybody's, is on."""
        ...

    async def keys_changed(self, user_id: int, platform: str) -> None:
        """The user's exchange keys were stored or removed: live bots look again."""
        ...

    async def fail_next_ticks(self, bot_id: str, times: int) -> bool:
        """Make a bot's strategy raise for its next `times` ticks (contract.md, /sandbox/faults);
        False when there is no such bot."""
        ...
