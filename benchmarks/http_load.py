"""A load of HTTP requests: keep-alive connections, each with one request in flight.

It compares complete answers by their length and counts nothing but 200. In this process and
without an HTTP library, so that it is far faster than what it measures.
"""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import cast


@dataclass(frozen=True, kw_only=True)
class Answers:
    """What was answered within the window, and `total` in all; `refused` otherwise than wanted."""

    requests: int
    seconds: float
    p50_us: float
    p99_us: float
    bytes_each: int
    total: int
    refused: int = 0

    @property
    def rate(self) -> float:
        """Answers a second."""
        return self.requests / self.seconds


@dataclass(frozen=True, kw_only=True)
class Requests:
    """What is sent: `head` and `body`; `vary` adds a client address of its own to each."""

    method: str
    path: str
    token: str = ""
    body: bytes = b""
    vary: bool = False
    wanted: int = 200

    def stream(self) -> Iterator[bytes]:
        """Requests, endlessly."""
        lines = [f"{self.method} {self.path} HTTP/1.1", "Host: localhost"]
        if self.token:
            lines.append(f"Authorization: Bearer {self.token}")
        if self.body:
            lines += ["Content-Type: application/json", f"Content-Length: {len(self.body)}"]
        head = "\r\n".join(lines).encode()
        for number in count(1):
            extra = b""
            if self.vary:
                a, b, c = number >> 16 & 255, number >> 8 & 255, number & 255
                extra = b"\r\nX-Forwarded-For: 10.%d.%d.%d" % (a, b, c)
            yield b"%s%s\r\n\r\n%s" % (head, extra, self.body)


class _Connection(asyncio.Protocol):
    def __init__(self, load: "_Load") -> None:
        self._load = load
        self._buffer = b""
        self._sent = 0.0
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by class
        self._next()

    def _next(self) -> None:
        assert self._transport is not None
        if self._load.is_over:
            self._transport.close()
            return
        self._sent = time.perf_counter()
        self._transport.write(next(self._load.requests))

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, separator, rest = self._buffer.partition(b"\r\n\r\n")
        if not separator:
            return
        length = _content_length(head)
        if len(rest) < length:
            return
        self._buffer = b""
        self._load.answered(int(head[9:12]), length, self._sent)
        self._next()

    def connection_lost(self, _error: Exception | None) -> None:
        self._load.gone()


def _content_length(head: bytes) -> int:
    _, _, rest = head.lower().partition(b"content-length:")
    return int(rest.partition(b"\r\n")[0])


class _Load:
    def __init__(self, requests: Requests, connections: int, window: tuple[float, float]) -> None:
        self.requests = requests.stream()
        self._wanted = requests.wanted
        self._left = connections
        self._begins, self._ends = window
        self._latencies: list[float] = []
        self._bytes = 0
        self._refused = self._total = 0
        self.over = asyncio.Event()

    @property
    def is_over(self) -> bool:
        return time.perf_counter() >= self._ends

    def answered(self, status: int, length: int, sent: float) -> None:
        now = time.perf_counter()
        self._total += 1
        if status != self._wanted:
            self._refused += 1
        elif self._begins <= now <= self._ends:
            self._latencies.append(now - sent)
            self._bytes += length

    def gone(self) -> None:
        self._left -= 1
        if not self._left:
            self.over.set()

    def result(self) -> Answers:
        found = sorted(self._latencies)
        if not found:
            raise RuntimeError(f"nothing was answered as wanted; {self._refused} otherwise")
        return Answers(
            requests=len(found),
            seconds=self._ends - self._begins,
            p50_us=found[len(found) // 2] * 1e6,
            p99_us=found[len(found) * 99 // 100] * 1e6,
            bytes_each=self._bytes // len(found),
            total=self._total,
            refused=self._refused,
        )


def run(
    port: int, requests: Requests, connections: int, warmup_s: float, measure_s: float
) -> Answers:
    """Load a server on this machine; raises when nothing is answered as wanted."""
    import uvloop  # noqa: PLC0415  comes with `make bench`; verdicts and reports are made without

    async def main() -> Answers:
        begins = time.perf_counter() + warmup_s
        load = _Load(requests, connections, (begins, begins + measure_s))
        loop = asyncio.get_running_loop()
        for _ in range(connections):
            await loop.create_connection(lambda: _Connection(load), "127.0.0.1", port)
        async with asyncio.timeout(warmup_s + measure_s + 30):
            await load.over.wait()
        return load.result()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main())
