"""One exchange over HTTP: the only place that knows the library's errors, limits and timeouts.

A request that may have placed something and was not answered is OutcomeUnknown; one that cannot
have arrived, or that only reads, is ExchangeUnavailable. A task cancelled in here learns nothing
either: whoever cancels an order in flight asks for it by its client order id.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, NoReturn, TypeVar

import httpx
import msgspec
import trio

from actors.exchanges import ExchangeUnavailable, KeysRefused, OutcomeUnknown
from providers.trust import authorities

Read = TypeVar("Read")
Converted = TypeVar("Converted")

# Raised before there is a connection; any other error may have come after the last byte left.
_NOT_SENT: Final = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.UnsupportedProtocol,
    httpx.InvalidURL,
)
_TOO_MANY: Final = frozenset({418, 429})  # 418: Binance's for one who did not heed 429
_MAX_ANSWER_BYTES: Final = 4 * 1024 * 1024
_LONGEST_WAIT: Final = 2.0  # seconds a call waits for its turn before it says "not now"
_UNSAID_WAIT: Final = 1.0  # where "too many requests" does not say how long
_LONGEST_PAUSE: Final = 600.0  # what a Retry-After may ask of us
_READ_ATTEMPTS: Final = 2


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer below 500, whatever it says."""

    status: int
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How often an exchange lets itself be asked: `burst` at once, refilled `per_second`."""

    per_second: float
    burst: int


def open_http() -> httpx.AsyncClient:
    """The connection pool that all exchanges share; the caller closes it."""
    return httpx.AsyncClient(
        limits=httpx.Limits(max_connections=100, max_keepalive_connections=20),
        verify=authorities(),
        trust_env=False,  # a proxy from the environment would see keys
        follow_redirects=False,
    )


class Http:
    """Requests to one exchange, paced; safe to share between tasks."""

    def __init__(
        self, http: httpx.AsyncClient, base_url: str, *, pace: Pace, answer_seconds: float
    ) -> None:
        self._http = http
        self._base = base_url.rstrip("/")
        self._pace = pace
        self._seconds = answer_seconds
        self._tokens = float(pace.burst)
        self._filled_at = 0.0
        self._closed_until = 0.0

    async def read(
        self, method: str, target: str, *, headers: dict[str, str] | None = None, body: bytes = b""
    ) -> Answer:
        """A request that changes nothing, asked again once where the exchange was busy."""
        for attempt in range(1, _READ_ATTEMPTS + 1):
            try:
                return await self._send(method, target, headers, body, changes=False)
            except ExchangeUnavailable:
                if attempt == _READ_ATTEMPTS or not self._may_soon():
                    raise
        raise AssertionError("unreachable")

    async def change(
        self, method: str, target: str, *, headers: dict[str, str] | None = None, body: bytes = b""
    ) -> Answer:
        """A request that places or cancels: sent once, OutcomeUnknown when it may have arrived."""
        return await self._send(method, target, headers, body, changes=True)

    async def _send(
        self, method: str, target: str, headers: dict[str, str] | None, body: bytes, changes: bool
    ) -> Answer:
        if not all(_is_header(value) for value in (headers or {}).values()):
            raise KeysRefused("not a key")  # nothing else in a header is anybody's to choose
        await self._turn()
        try:
            with trio.fail_after(self._seconds):
                return await self._exchange(method, target, headers, body, changes)
        except _NOT_SENT as error:
            raise ExchangeUnavailable(type(error).__name__) from error
        except (httpx.HTTPError, trio.TooSlowError) as error:
            _lost(type(error).__name__, changes, error)

    async def _exchange(
        self, method: str, target: str, headers: dict[str, str] | None, body: bytes, changes: bool
    ) -> Answer:
        url = self._base + target
        timeout = httpx.Timeout(self._seconds)
        async with self._http.stream(
            method, url, headers=headers, content=body, timeout=timeout
        ) as response:
            read = bytearray()
            async for chunk in response.aiter_bytes():
                if len(read) <= _MAX_ANSWER_BYTES:  # more is thrown away, until it is too late
                    read += chunk
            if len(read) > _MAX_ANSWER_BYTES:
                _lost("answer too long", changes)
            if response.status_code in _TOO_MANY:
                self._pause(_asked_wait(response.headers))
                raise ExchangeUnavailable("too many requests")
            if response.status_code >= 500:
                if not changes:
                    self._pause(response.headers.get("retry-after", "0"))
                _lost(f"HTTP {response.status_code}", changes)
            return Answer(response.status_code, bytes(read))

    async def _turn(self) -> None:
        """Wait for a token of the bucket; ExchangeUnavailable where that takes too long."""
        now = trio.current_time()
        passed = now - self._filled_at
        self._tokens = min(self._tokens + passed * self._pace.per_second, self._pace.burst)
        self._filled_at = now
        wait = max(self._closed_until - now, (1 - self._tokens) / self._pace.per_second)
        if wait > _LONGEST_WAIT:
            raise ExchangeUnavailable(f"rate limited for {wait:.1f} s")
        self._tokens -= 1
        await trio.sleep(max(wait, 0))

    def _pause(self, retry_after: str) -> None:
        digits = retry_after.isascii() and retry_after.isdigit()
        seconds = min(float(retry_after), _LONGEST_PAUSE) if digits else _UNSAID_WAIT
        self._closed_until = max(self._closed_until, trio.current_time() + seconds)

    def _may_soon(self) -> bool:
        return self._closed_until - trio.current_time() <= _LONGEST_WAIT


def _asked_wait(headers: httpx.Headers) -> str:
    """Seconds, empty where it is not said. KuCoin tells milliseconds, in a header of its own."""
    kucoins = headers.get("gw-ratelimit-reset", "")
    if kucoins.isascii() and kucoins.isdigit() and len(kucoins) < 10:
        return str(-(-int(kucoins) // 1000))
    return str(headers.get("retry-after", ""))


def _is_header(value: str) -> bool:
    return value.isascii() and value.isprintable() and value == value.strip()


def _lost(what: str, changes: bool, cause: Exception | None = None) -> NoReturn:
    if changes:
        raise OutcomeUnknown(what) from cause
    raise ExchangeUnavailable(what) from cause


def decoded(body: bytes, decoder: msgspec.json.Decoder[Read], *, changes: bool = False) -> Read:
    """The answer as a wire struct. One that cannot be read tells as little as none."""
    try:
        return decoder.decode(body)
    except msgspec.MsgspecError as error:
        _lost("unreadable answer", changes, error)


def converted(
    convert: Callable[[Read], Converted], read: Read, *, changes: bool = False
) -> Converted:
    """What a codec makes of a wire struct; numbers that are none make it unreadable."""
    try:
        return convert(read)
    except (ValueError, IndexError, KeyError) as error:
        _lost("unreadable answer", changes, error)
