"""The assistant: understands a message, answers it, and carries out what was confirmed.

It keeps nothing in memory. What was said and what waits for a confirmation are rows, and taking a
proposal by its token deletes it: whoever asks at the same time, it is carried out once, and after
a restart as before. A model, where one is configured, only proposes intents; it neither sees nor
can give a token, and what it does not answer the grammar does (AMKT-C25).
"""

from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Final, assert_never

import msgspec
import structlog
import trio

from actors.assistant_model import Model, ModelFailed
from actors.bots import Bots, Denied
from actors.chat_store import ChatStore, Message
from actors.clock import US, Clock
from actors.exchange_keys import ExchangeKeys
from actors.holdings import Holdings
from domain.assistant import replies
from domain.assistant.grammar import TOKEN_LENGTH, confirmation, understand
from domain.assistant.intents import (
    Act,
    ActOnAll,
    ActOnBot,
    Confirm,
    Describe,
    Intent,
    NamedBot,
    NoSuchBot,
    NoToken,
    NotUnderstood,
    Proposal,
    SetMode,
    Show,
    Topic,
)
from domain.identity import Profile
from domain.ledger import Line
from domain.trading.records import PLATFORMS, Bot, BotStatus

log = structlog.get_logger(__name__)

EXPIRES_S: Final = 300  # of the application clock (AMKT-C26)
_MASK: Final = "<token>"  # how a token stands in the history
_MODEL_WITHIN_S: Final = 15.0  # of real time, whatever its client waits
_DAY_US: Final = 86_400 * US
_PAGE: Final = 500  # trades read at once for a daily report
_PAGES: Final = 10  # a report looks at no more than 5,000 trades


class Action(msgspec.Struct, frozen=True):
    """Something proposed; `token` is what confirms exactly this."""

    proposal: Proposal
    token: str


class Answer(msgspec.Struct, frozen=True):
    """What the assistant said, with the action that waits for its token."""

    text: str
    action: Action | None = None
    at_us: int = 0

    @property
    def with_token(self) -> str:
        """The text for clients that are shown no actions."""
        if self.action is None:
            return self.text
        return f"{self.text} {replies.how_to_confirm(self.action.token)}"


class Report(msgspec.Struct, frozen=True):
    """The greeting with its daily report."""

    greeting: str
    summary: str
    highlights: tuple[str, ...]


class Assistant:
    """One for everybody; each call is for one person."""

    def __init__(
        self,
        bots: Bots,
        holdings: Holdings,
        keys: ExchangeKeys,
        store: ChatStore,
        clock: Clock,
        random_bytes: Callable[[int], bytes],
        model: Model | None = None,
    ) -> None:
        self._bots = bots
        self._holdings = holdings
        self._keys = keys
        self._store = store
        self._clock = clock
        self._random_bytes = random_bytes
        self._model = model

    async def say(self, who: Profile, text: str) -> Answer:
        """Answer a message; both go into the history, without tokens.

        Raises what storage and rates raise.
        """
        asked_us = self._clock.now_us()
        intent = await self._understand(who.user_id, text)
        answer = await self._answer(who, intent)
        said = text.replace(intent.token, _MASK) if isinstance(intent, Confirm) else text
        now_us = self._clock.now_us()
        await self._store.add(
            who.user_id,
            [Message("user", said, asked_us), Message("assistant", answer.text, now_us)],
        )
        return msgspec.structs.replace(answer, at_us=now_us)

    async def history(self, user_id: int, limit: int) -> Sequence[Message]:
        """The newest `limit` lines, oldest first."""
        return await self._store.last(user_id, limit)

    async def clear(self, user_id: int) -> None:
        """Forget everything said, and what waits for a confirmation."""
        await self._store.clear(user_id)

    async def greet(self, who: Profile) -> Report:
        """The welcome and today's report (AMKT-C28)."""
        found = await self._bots.list(who.user_id)
        active = sum(bot.status is BotStatus.ACTIVE for bot in found)
        profit, trades = await self._today(who.user_id)
        return Report(
            replies.greeting(who.first_name),
            replies.daily_summary(profit, trades, active, len(found)),
            tuple(replies.highlight(bot) for bot in found),
        )

    async def _today(self, user_id: int) -> tuple[int, int]:
        """Today's profit in rand and number of trades; days begin at midnight UTC."""
        begin_us = self._clock.now_us() // _DAY_US * _DAY_US
        profit = number = 0
        for page in range(_PAGES):
            trades, _ = await self._bots.trades(user_id, None, _PAGE, page * _PAGE)
            for trade in trades:
                if trade.at_us < begin_us:
                    return profit, number
                profit += await self._holdings.in_rand(trade.currency, trade.profit)
                number += 1
            if len(trades) < _PAGE:
                break
        return profit, number

    async def _understand(self, user_id: int, text: str) -> Intent:
        """Confirmations are never shown to a model, which could not be told from its user."""
        confirmed = confirmation(text)
        if confirmed is not None:
            return confirmed
        named = [NamedBot(bot.id, bot.name) for bot in await self._bots.list(user_id)]
        if self._model is not None:
            try:
                with trio.fail_after(_MODEL_WITHIN_S):
                    intent = await self._model.understand(text, named)
                if not isinstance(intent, NotUnderstood):
                    return intent
            except (ModelFailed, trio.TooSlowError) as error:
                log.warning("assistant.model_failed", why=str(error) or type(error).__name__)
        return understand(text, named)

    async def _answer(self, who: Profile, intent: Intent) -> Answer:
        match intent:
            case Show(topic):
                return Answer(await self._show(who, topic))
            case Describe(bot_id):
                found = await self._bots.get(who.user_id, bot_id)
                return Answer(replies.bot(found) if found is not None else replies.HELP)
            case ActOnBot() | ActOnAll() | SetMode():
                return await self._propose(who.user_id, intent)
            case Confirm(token):
                return Answer(await self._confirm(who.user_id, token))
            case NoToken():
                return Answer(replies.UNCONFIRMED)
            case NoSuchBot():
                return Answer(replies.no_such_bot(intent))
            case NotUnderstood(text):
                return Answer(replies.not_understood(text))
            case _:
                assert_never(intent)

    async def _show(self, who: Profile, topic: Topic) -> str:
        user_id = who.user_id
        match topic:
            case Topic.PORTFOLIO:
                return replies.portfolio(await self._bots.metrics(user_id))
            case Topic.BOTS:
                return replies.bots(await self._bots.list(user_id))
            case Topic.TRADES:
                return replies.trades(*await self._bots.trades(user_id, None, 5, 0))
            case Topic.BALANCES:
                held = await self._holdings.of(user_id)
                return replies.balances(held, await self._holdings.total_in_rand(held))
            case Topic.PLATFORMS:
                return replies.platforms(await self._platforms(who))
            case Topic.MODE:
                return replies.mode(await self._bots.mode(user_id))
            case Topic.HELP:
                return replies.HELP
            case _:
                assert_never(topic)

    async def _platforms(self, who: Profile) -> dict[str, str]:
        health = await self._keys.health(who)
        return {
            platform: health[platform].state if platform in health else "not configured"
            for platform in PLATFORMS
        }

    async def _propose(self, user_id: int, proposal: Proposal) -> Answer:
        token = self._random_bytes(TOKEN_LENGTH // 2).hex()
        expires_us = self._clock.now_us() + EXPIRES_S * US
        await self._store.propose(user_id, _hash(token), proposal, expires_us)
        return Answer(replies.proposal(proposal), Action(proposal, token))

    async def _confirm(self, user_id: int, token: str) -> str:
        taken = await self._store.take(user_id, _hash(token))
        if taken is None:
            return replies.UNKNOWN_PROPOSAL
        if self._clock.now_us() >= taken.expires_us:
            return replies.EXPIRED
        proposal = taken.proposal
        log.info("assistant.confirmed", user_id=user_id, action=type(proposal).__name__)
        match proposal:
            case ActOnBot(act, bot_id, name):
                denied = await self._act(user_id, act, bot_id)
                return replies.acted(act, name) if denied is None else replies.not_done(denied)
            case ActOnAll(act, bot_ids):
                outcomes = [await self._act(user_id, act, bot_id) for bot_id in bot_ids]
                failed = [why for why in outcomes if why is not None]
                return replies.acted_on_all(act, len(outcomes) - len(failed), failed)
            case SetMode(mode):
                await self._bots.set_mode(user_id, mode)
                return replies.mode(mode)

    async def _act(self, user_id: int, act: Act, bot_id: str) -> str | None:
        """Do it; why not, if it was refused."""
        outcome: Bot | Line | Denied
        match act:
            case Act.PAUSE:
                outcome = await self._bots.pause(user_id, bot_id)
            case Act.RESUME:
                outcome = await self._bots.resume(user_id, bot_id)
            case Act.STOP:
                outcome = await self._bots.stop(user_id, bot_id)
            case Act.DELETE:
                outcome = await self._bots.delete(user_id, bot_id)
            case _:
                assert_never(act)
        return outcome.message if isinstance(outcome, Denied) else None


def _hash(token: str) -> bytes:
    return sha256(token.encode()).digest()
