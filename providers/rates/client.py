"""The rate source of the rate service: money from one list of providers, coins from another."""

from collections.abc import Callable, Sequence
from typing import Final

import httpx
import msgspec
import structlog
import trio

from actors.rates import SourceFailed
from providers.rates.codec import Rates, Source

log = structlog.get_logger(__name__)

TIMEOUT: Final = httpx.Timeout(3.0)
_LARGEST_ANSWER_BYTES: Final = 256 * 1024  # a table of every currency there is takes 4 KiB


class HttpRateSource:
    """Asks both lists at once, each in its order until one answers.

    Half an answer is an answer: without coins the shilling still has a rate.
    """

    def __init__(
        self,
        http: httpx.AsyncClient,
        money: Sequence[Source],
        coins: Sequence[Source],
        now_s: Callable[[], int],
        timeout: httpx.Timeout = TIMEOUT,
    ) -> None:
        """`now_s` is the application clock; `http` belongs to the caller and must stay open."""
        self._http = http
        self._lists = (tuple(money), tuple(coins))
        self._now_s = now_s
        self._timeout = timeout

    async def fetch(self) -> Rates:
        """Market pairs with USD and their rates; SourceFailed if nobody answered at all."""
        rates: Rates = {}

        async def gather(sources: tuple[Source, ...]) -> None:
            rates.update(await self._first(sources))

        async with trio.open_nursery() as nursery:
            for sources in self._lists:
                nursery.start_soon(gather, sources)
        if not rates:
            raise SourceFailed("no source answered")
        return rates

    async def _first(self, sources: tuple[Source, ...]) -> Rates:
        for source in sources:
            try:
                if rates := await self._ask(source):
                    return rates
                reason = "no rates"
            except SourceFailed as error:
                reason = str(error)
            log.warning("rates.source_failed", source=source.name, reason=reason)
        return {}

    async def _ask(self, source: Source) -> Rates:
        """The one place where the library's errors become ours."""
        try:
            answer = await self._http.get(source.url, headers=source.headers, timeout=self._timeout)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise SourceFailed(type(error).__name__) from error
        if answer.status_code != httpx.codes.OK:
            raise SourceFailed(f"http {answer.status_code}")
        if len(answer.content) > _LARGEST_ANSWER_BYTES:
            raise SourceFailed("answer too long")
        try:
            return source.decode(answer.content, self._now_s())
        except msgspec.MsgspecError as error:
            raise SourceFailed("answer not understood") from error
