"""Event streams of the trading network: 2,000 listeners, and how soon each hears its own event.

One server as `make serve` starts it. Every listener is a person of its own with an open stream:

opening  all streams are opened; what the process grew by, divided by their number
idle     nothing happens but heartbeats (every 15 s each): what that costs
events   bots are created for different listeners at a steady rate, whatever the answers do (an
         open loop); a latency runs from the moment a request is due to `bot_update` on the stream,
         the bot's ledger journal and its commit included. The bots trade, so trades and overviews
         are told beside them.
"""

import http.client
import json
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Final

import trio

from benchmarks import servers
from benchmarks.house import House
from benchmarks.usage import usage

LISTENERS: Final = 2_000
BOTS_PER_S: Final = 50
_OPENING: Final = 64  # streams being opened at once
_PATIENCE_S: Final = 60.0
_SETTLE_S: Final = 1.0
_COUNT: Final = b'"bot_count_changed"'
_BOT: Final = {"name": "Alpha Trader", "exchange": "luno", "initial_capital": 1000}


@dataclass(frozen=True, kw_only=True)
class Streams:
    """What was measured. `idle_cores` of the server with every stream open; latencies in ms."""

    listeners: int
    opened_per_s: float
    bytes_each: float
    idle_cores: float
    events: int
    events_per_s: float
    p50_ms: float
    p99_ms: float
    heard: int  # of all kinds


def measure(house: House) -> Streams:
    """Everything on one server."""
    database = house.postgres.create_database("sse")
    port, secret = servers.free_port(), servers.new_secret()
    with servers.ours(house.directory / "sse", database, port, secret) as server:
        found: Streams = trio.run(_Run(house, port, server.pid).all)
    house.say(f"sse: {found}")
    return found


class _Listener:
    """One person's stream."""

    def __init__(self, token: str) -> None:
        self.token = token
        self.told_at = 0.0  # when its bot_update came
        self.told = trio.Event()
        self.events = 0
        self.ended = False

    async def open(self, port: int) -> trio.SocketStream:
        """Returns once the first event is there."""
        stream = await trio.open_tcp_stream("127.0.0.1", port)
        await stream.send_all(
            b"GET /amarktai/api/realtime/events HTTP/1.1\r\nHost: localhost\r\n"
            b"Authorization: Bearer " + self.token.encode() + b"\r\n\r\n"
        )
        read = b""
        while b"\n\n" not in read:
            more = await stream.receive_some()
            if not more or (b"\r\n" in read + more and b" 200 " not in read + more):
                raise RuntimeError(f"no stream: {(read + more)[:300]!r}")
            read += more
        self.events += 1
        return stream

    async def listen(self, stream: trio.SocketStream) -> None:
        """Count events until the stream ends."""
        kept = b""
        async with stream:
            while data := await stream.receive_some():
                if not self.told_at and _COUNT in kept + data:
                    self.told_at = trio.current_time()
                    self.told.set()
                self.events += data.count(b"\n\n")
                kept = data[-len(_COUNT) :]
        self.ended = True


class _Run:
    """The listeners of one server."""

    def __init__(self, house: House, port: int, pid: int) -> None:
        self._house = house
        self._port = port
        self._pid = pid
        self._listeners: list[_Listener] = []

    async def all(self) -> Streams:
        """See the module."""
        self._listeners = [_Listener(token) for token in self._tokens()]
        plan = self._house.plan
        async with trio.open_nursery() as nursery:
            before, began = usage(self._pid), trio.current_time()
            await self._open(nursery)
            opened_s = trio.current_time() - began
            await trio.sleep(_SETTLE_S)
            opened = usage(self._pid)
            await trio.sleep(plan.measure_s * 4)  # some of the heartbeats
            idle = usage(self._pid)
            late_s, took_s = await self._create(round(BOTS_PER_S * plan.measure_s * 2))
            if any(listener.ended for listener in self._listeners):
                raise RuntimeError("a stream was ended by the server")
            nursery.cancel_scope.cancel()
        late_s.sort()
        return Streams(
            listeners=LISTENERS,
            opened_per_s=LISTENERS / opened_s,
            bytes_each=(opened.rss_bytes - before.rss_bytes) / LISTENERS,
            idle_cores=(idle.cpu_s - opened.cpu_s) / (plan.measure_s * 4),
            events=len(late_s),
            events_per_s=len(late_s) / took_s,
            p50_ms=late_s[len(late_s) // 2] * 1000,
            p99_ms=late_s[int(len(late_s) * 0.99)] * 1000,
            heard=sum(listener.events for listener in self._listeners),
        )

    async def _open(self, nursery: trio.Nursery) -> None:
        places = trio.CapacityLimiter(_OPENING)

        async def open_one(listener: _Listener) -> None:
            async with places:
                stream = await listener.open(self._port)
            nursery.start_soon(listener.listen, stream)

        async with trio.open_nursery() as opening:
            for listener in self._listeners:
                opening.start_soon(open_one, listener)

    async def _create(self, count: int) -> tuple[list[float], float]:
        """How late each bot_update was, in seconds, and how long all of them took."""
        due_at: list[tuple[_Listener, float]] = []
        async with trio.open_nursery() as nursery:
            began = trio.current_time()
            for number, listener in enumerate(self._listeners[:count]):
                at = began + number / BOTS_PER_S
                await trio.sleep_until(at)
                due_at.append((listener, at))
                nursery.start_soon(self._create_one, listener)
        with trio.fail_after(_PATIENCE_S):
            for listener, _ in due_at:
                await listener.told.wait()
        took_s = max(listener.told_at for listener, _ in due_at) - began
        return [listener.told_at - at for listener, at in due_at], took_s

    async def _create_one(self, listener: _Listener) -> None:
        body = json.dumps(_BOT).encode()
        async with await trio.open_tcp_stream("127.0.0.1", self._port) as stream:
            await stream.send_all(
                b"POST /amarktai/api/bots HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                b"Authorization: Bearer %s\r\nContent-Length: %d\r\n\r\n%s"
                % (listener.token.encode(), len(body), body)
            )
            answer = await stream.receive_some()
        if b" 201 " not in answer[:20]:
            raise RuntimeError(f"no bot: {answer[:300]!r}")

    def _tokens(self) -> list[str]:
        """Of new people, without a phone so that none is made up twice."""
        with closing(http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)) as control:
            return [_person(control) for _ in range(LISTENERS)]


def _person(control: http.client.HTTPConnection) -> str:
    control.request("POST", "/sandbox/users", json.dumps({"phone": None}))
    made: dict[str, Any] = json.loads(control.getresponse().read())
    token: str = made["token"]
    return token
