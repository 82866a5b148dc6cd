"""What people have at exchanges, brought into the ledger: TRADING accounts follow the exchange.

The exchange is the bank here: what it says is free, less what a person's bots own there, is what
the person may fund bots with or move elsewhere. A difference is booked against the platform's
EXCHANGE account, the other side of every trade. It is asked when somebody is about to look at or
to use the money, not more often than every half minute, and never while an order is under way:
then it and the ledger tell of different moments.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Protocol
from weakref import WeakValueDictionary

import structlog
import trio

from actors.account import Account
from actors.bot_store import EXCHANGE, TRADING
from actors.clock import US, Clock
from actors.exchanges import Exchange, ExchangeError
from actors.key_ring import KeyRing
from actors.ledger import Ledger
from actors.ledger_reads import AccountReads
from domain.events import BotAlert, Event, person
from domain.ledger import AccountKey, Effects, Intent, Posting, Refusal
from domain.money import ASSETS, plain
from domain.trading.records import AlertLevel

log = structlog.get_logger(__name__)

FRESH_US: Final = 30 * US
ANSWER_WITHIN_S: Final = 5.0  # of real time; an exchange that takes longer is asked the next time
KIND: Final = "EXCHANGE_BALANCE"
_REMEMBERED: Final = 10_000  # moments of asking
_BOT: Final = "BOT-"


class Orders(Protocol):
    """Who knows of orders under way; actors.trading_floor.TradingFloor is one."""

    def is_settled(self, user_id: int, platform: str) -> bool:
        """Whether everything that the user's live bots ordered there is booked."""
        ...


class BalanceMirror:
    """See the module. `exchanges` is empty where the ledger's own balances are all there is."""

    def __init__(
        self,
        exchanges: Mapping[str, Exchange],
        keys: KeyRing,
        orders: Orders,
        accounts: AccountReads,
        ledger: Ledger,
        clock: Clock,
    ) -> None:
        self._exchanges = exchanges
        self._keys = keys
        self._orders = orders
        self._accounts = accounts
        self._ledger = ledger
        self._clock = clock
        self._asked_us: dict[tuple[int, str], int] = {}
        self._short: set[tuple[int, str, str]] = set()  # where the owner has been told
        self._turns: WeakValueDictionary[int, trio.Lock] = WeakValueDictionary()

    def forget(self, user_id: int, platform: str) -> None:
        """Ask anew the next time: other keys may be another account."""
        self._asked_us.pop((user_id, platform), None)

    async def freshen(self, user_id: int, platforms: Iterable[str]) -> None:
        """Bring up to date what is not; what an exchange does not answer stays as it was. Raises
        what storage raises."""
        wanted = [platform for platform in platforms if self._is_stale(user_id, platform)]
        if not wanted:
            return
        async with self._turn(user_id):
            wanted = [platform for platform in wanted if self._is_stale(user_id, platform)]
            before = await self._accounts.owned_by(user_id)
            found = await self._ask(user_id, wanted)
            after = await self._accounts.owned_by(user_id)
            for platform in wanted:
                if platform not in found:  # not again at once, each time with a wait
                    self._asked(user_id, platform)
            for platform, free in found.items():
                booked = _booked(after, platform)
                unmoved = booked == _booked(before, platform)
                if unmoved and self._orders.is_settled(user_id, platform):
                    await self._adjust(user_id, platform, free, booked, after)

    def _is_stale(self, user_id: int, platform: str) -> bool:
        asked_us = self._asked_us.get((user_id, platform))
        return (
            platform in self._exchanges
            and (asked_us is None or self._clock.now_us() - asked_us >= FRESH_US)
            and self._orders.is_settled(user_id, platform)
        )

    async def _ask(self, user_id: int, platforms: Sequence[str]) -> dict[str, dict[str, int]]:
        """What is free by platform, all asked at once; those that did not answer are missing."""
        found: dict[str, dict[str, int]] = {}
        kept = {name: await self._keys.keys(user_id, name) for name in platforms}

        async def ask(platform: str) -> None:
            keys = kept[platform]
            if keys is None:
                return
            try:
                found[platform] = await self._exchanges[platform].balances(keys)
            except ExchangeError as error:
                log.info("balances not told", platform=platform, why=type(error).__name__)

        with trio.move_on_after(ANSWER_WITHIN_S):
            async with trio.open_nursery() as nursery:
                for platform in platforms:
                    nursery.start_soon(ask, platform)
        return found

    async def _adjust(
        self,
        user_id: int,
        platform: str,
        free: Mapping[str, int],
        booked: Mapping[str, int],
        accounts: Sequence[Account],
    ) -> None:
        spendable = {one.key: max(one.available, 0) for one in accounts}
        for asset in sorted(ASSETS.keys() & (free.keys() | booked.keys())):
            more = free.get(asset, 0) - booked.get(asset, 0)
            funds = AccountKey(user_id, asset, TRADING, provider=platform)
            theirs = AccountKey(0, asset, EXCHANGE, provider=platform)
            missing = max(-more - spendable.get(funds, 0), 0)
            source, destination = (theirs, funds) if more > 0 else (funds, theirs)
            moved = abs(more) - missing
            posting = (Posting(source, destination, moved, KIND),) if moved else ()
            if not await self._record(user_id, platform, asset, posting, missing):
                return
        self._asked(user_id, platform)

    async def _record(
        self, user_id: int, platform: str, asset: str, postings: tuple[Posting, ...], missing: int
    ) -> bool:
        """Whether the books are right now. What bots own and the exchange does not have any more
        is told to the owner, once."""
        place = (user_id, platform, asset)
        is_news = bool(missing) and place not in self._short
        if not missing:
            self._short.discard(place)
        if not postings and not is_news:
            return True
        events: tuple[Event, ...] = ()
        if is_news:
            text = f"{platform} holds {plain(missing)} {asset} less than your bots count on"
            alert = BotAlert(bot_id="", level=AlertLevel.WARNING, message=text)
            events = (Event(person(user_id), alert),)
        result = await self._ledger.record(
            Intent(
                kind=KIND,
                postings=postings,
                initiator=user_id,
                description=f"Balance at {platform}",
                effects=lambda _: Effects(events=events),
            )
        )
        if isinstance(result, Refusal):
            log.warning("balance not booked", platform=platform, asset=asset, why=result.value)
            return False
        if is_news:
            self._short.add(place)
        return True

    def _asked(self, user_id: int, platform: str) -> None:
        self.forget(user_id, platform)
        self._asked_us[user_id, platform] = self._clock.now_us()
        if len(self._asked_us) > _REMEMBERED:
            del self._asked_us[next(iter(self._asked_us))]

    def _turn(self, user_id: int) -> trio.Lock:
        """One user's balances are compared and booked once at a time."""
        lock = self._turns.get(user_id)
        if lock is None:
            lock = self._turns[user_id] = trio.Lock()
        return lock


def _booked(accounts: Sequence[Account], platform: str) -> dict[str, int]:
    """Units by asset that the ledger says a person and their bots have there."""
    booked: dict[str, int] = {}
    for account in accounts:
        key = account.key
        theirs = key.purpose == TRADING or key.purpose.startswith(_BOT)
        if theirs and key.mode == "REAL" and key.provider == platform:
            booked[key.asset] = booked.get(key.asset, 0) + account.posted
    return booked
