"""The rate service: one instance, asked by every surface, fed by one source.

It protects what outlives a call: the rates last accepted, when, and the quotes already given
out on them. It is lazy: a quote older than two minutes of application time makes the next asker
fetch, and everybody who asks meanwhile waits for that one fetch. A quote, once stored, does not
change; journals refer to it by id.

What the source says is not simply believed. A rate that moved far is fetched again before it is
taken, one that moved absurdly far is never taken while the server runs, and rates that could
not be refreshed for too long are not used at all.
"""

from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Protocol

import structlog
import trio

from actors.clock import US, Clock
from domain.fx import HUB, Quote, cross_rate, jump_percent, market_pair, pair_name

log = structlog.get_logger(__name__)

_SAME_RATE_PERCENT: Final = 1  # two fetches in a row that agree may still differ by a tick


class SourceFailed(Exception):
    """The rate source gave no answer that can be used."""


class RatesUnavailable(Exception):
    """There is no rate for this pair that may be applied; nothing was converted."""


class RateSource(Protocol):
    """Where rates come from; implemented by the providers."""

    async def fetch(self) -> Mapping[str, int]:
        """Rounded rates of market pairs with USD in them: {"USD/KES": 13333000000, …}.

        May lack pairs. SourceFailed if there is nothing to return.
        """
        ...


class QuoteStore(Protocol):
    """Where quotes are kept for ever; implemented by storage."""

    async def save(self, base: str, quote: str, rate: int, at_us: int) -> int:
        """The id of the new row."""
        ...


@dataclass(frozen=True, slots=True)
class RateLimits:
    """Seconds of the application clock, whole per cent; all configurable."""

    cache_seconds: int = 120  # FN-14, NXPY-464
    stale_seconds: int = 600  # how long the last rates serve while the source does not answer
    retry_seconds: int = 5  # how soon a source that failed is asked again
    confirm_percent: int = 5  # a move this large is fetched twice before it is believed
    refuse_percent: int = 900  # tenfold, up or down: a misplaced decimal point, not a market
    fetch_seconds: float = 8.0  # of real time, for one fetch


@dataclass(frozen=True, slots=True)
class _Rate:
    rate: int
    at_us: int


@dataclass(frozen=True, slots=True)
class _Given:
    """A quote and until when it is given out again."""

    quote: Quote
    until_us: int


class RateService:
    """See the module; `quote` is what payments and conversions use."""

    def __init__(
        self,
        source: RateSource,
        store: QuoteStore,
        clock: Clock,
        limits: RateLimits | None = None,
    ) -> None:
        self._source = source
        self._store = store
        self._clock = clock
        self._limits = limits or RateLimits()
        self._rates: dict[str, _Rate] = {}
        self._given: dict[str, _Given] = {}
        self._next_fetch_us = 0
        self._turn = trio.Lock()

    async def quote(self, one: str, other: str) -> Quote:
        """The stored quote between two assets, in market direction whichever comes first.

        The same one for two minutes. RatesUnavailable, what the store raises, or KeyError for an
        asset that nobody prices.
        """
        base, quote = market_pair(one, other)
        name = f"{base}/{quote}"
        given = self._given.get(name)
        if given is not None and self._clock.now_us() < given.until_us:
            return given.quote
        async with self._turn:
            given = self._given.get(name)
            if given is None or self._clock.now_us() >= given.until_us:
                await self._refresh(_legs(base, quote))
                given = await self._give(base, quote)
                self._given[name] = given
        return given.quote

    def _usable(self) -> dict[str, int]:
        oldest_us = self._clock.now_us() - self._limits.stale_seconds * US
        return {name: rate.rate for name, rate in self._rates.items() if rate.at_us > oldest_us}

    async def _give(self, base: str, quote: str) -> _Given:
        """Store a quote on the rates as they are."""
        rate = cross_rate(self._usable(), base, quote)
        if rate is None:
            raise RatesUnavailable(f"{base}/{quote}")
        now_us = self._clock.now_us()
        legs = [self._rates[name] for name in _legs(base, quote)]
        at_us = min((leg.at_us for leg in legs), default=now_us)
        # On rates past their two minutes a quote holds until the source is asked again.
        until_us = max(at_us + self._limits.cache_seconds * US, self._next_fetch_us)
        stored = await self._store.save(base, quote, rate, at_us)
        return _Given(Quote(stored, base, quote, rate, at_us), until_us)

    def _is_due(self, name: str) -> bool:
        known = self._rates.get(name)
        fresh_us = self._clock.now_us() - self._limits.cache_seconds * US
        return known is None or known.at_us <= fresh_us

    async def _refresh(self, names: Collection[str]) -> None:
        """Fetch if one of `names` is due, or nothing is known, and the source may be asked."""
        due = not self._rates or any(self._is_due(name) for name in names)
        if not due or self._clock.now_us() < self._next_fetch_us:
            return
        fetched: Mapping[str, int] = {}
        try:
            fetched = await self._believed(await self._fetch())
        except SourceFailed as error:
            log.warning("rates.source_failed", reason=str(error))
        # Only now: an asker who left in the middle has learnt nothing for the others.
        at_us = self._clock.now_us()
        self._next_fetch_us = at_us + self._limits.retry_seconds * US
        for name, rate in fetched.items():
            if self._is_due(name):
                self._rates[name] = _Rate(rate, at_us)

    async def _fetch(self) -> Mapping[str, int]:
        with trio.move_on_after(self._limits.fetch_seconds):
            return await self._source.fetch()
        raise SourceFailed("timeout")

    async def _believed(self, fetched: Mapping[str, int]) -> dict[str, int]:
        """What may be taken of a fetch; far moves only if a second fetch says the same."""
        limit = self._limits.confirm_percent
        far = {name for name, rate in fetched.items() if self._moved_percent(name, rate) > limit}
        again: Mapping[str, int] = {}
        if far:
            with suppress(SourceFailed):
                again = await self._fetch()
        return {
            name: rate
            for name, rate in fetched.items()
            if name not in far or self._is_confirmed(name, rate, again.get(name))
        }

    def _moved_percent(self, name: str, rate: int) -> int:
        known = self._rates.get(name)
        return 0 if known is None else jump_percent(known.rate, rate)

    def _is_confirmed(self, name: str, rate: int, again: int | None) -> bool:
        percent = self._moved_percent(name, rate)
        absurd = percent >= self._limits.refuse_percent
        agreed = again is not None and jump_percent(rate, again) <= _SAME_RATE_PERCENT
        taken = agreed and not absurd
        log.warning(
            "rates.jump", alert=True, pair=name, moved_percent=percent, agreed=agreed, taken=taken
        )
        return taken


def _legs(base: str, quote: str) -> list[str]:
    """The pairs with USD that a rate between two assets is made of."""
    return [pair_name(asset, HUB) for asset in (base, quote) if asset != HUB]
