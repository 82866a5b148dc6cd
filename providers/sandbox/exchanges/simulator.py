"""One simulated exchange: its engine, its façade on two loopback ports, its pace, its faults."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Protocol

import msgspec
import structlog
import trio

from domain.money import AmountError, units_from
from providers.sandbox.exchanges.engine import SimOrder, Venue
from providers.sandbox.exchanges.pace import SCRIPTS, TICK_SECONDS, Pace
from providers.sandbox.exchanges.sockets import Peer, serve_sockets
from providers.sandbox.fault import Fault
from providers.sandbox.mpesa.store import SimulatorStore
from providers.sandbox.server import Hangup, HttpReply, HttpRequest, serve_http

log = structlog.get_logger(__name__)

API_KEY: Final = "key"
API_SECRET: Final = "secret"  # noqa: S105  # contract.md: the sandbox's, known to everybody
PASSPHRASE: Final = "passphrase"  # noqa: S105
SLOW_SECONDS: Final = 15.0  # longer than any client waits


class Facade(Protocol):
    """An exchange's own wire format on the engine."""

    def reached_at(self, stream_url: str) -> None:
        """Told once, before anything is asked: where its stream is."""
        ...

    async def handle(self, request: HttpRequest) -> HttpReply:
        """One HTTP request."""
        ...

    async def stream(self, peer: Peer) -> None:
        """One market-data connection; raises or returns when it ends."""
        ...


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a venue's memory: orders that changed, and what is owned after them all."""

    orders: list[SimOrder]
    balances: dict[str, int]


_encoder: Final = msgspec.json.Encoder()
_decoder: Final = msgspec.json.Decoder(Kept)


@dataclass(frozen=True, slots=True)
class Ports:
    """Where it is reached on loopback."""

    http: int
    stream: int


class ExchangeSimulator:
    """Remembers orders and balances across restarts: an outside system does not forget."""

    def __init__(
        self,
        venue: Venue,
        facade: Facade,
        fault: Fault,
        store: SimulatorStore,
        *,
        tick_seconds: float = TICK_SECONDS,
        slow_seconds: float = SLOW_SECONDS,
    ) -> None:
        self.venue = venue
        self._facade = facade
        self._fault = fault
        self._store = store
        self._slow_seconds = slow_seconds
        self._seconds = tick_seconds
        self._changed: list[SimOrder] = []
        self._send, self._receive = trio.open_memory_channel[None](1)
        self._paces = {
            symbol: Pace(venue, market, tick_seconds) for symbol, market in venue.markets.items()
        }
        self._recall()
        venue.changed = self._note

    async def serve(
        self, *, task_status: trio.TaskStatus[Ports] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Serve and tick until cancelled; `task_status.started(ports)`."""
        async with trio.open_nursery() as nursery:
            http: int = await nursery.start(serve_http, self.handle)
            stream: int = await nursery.start(serve_sockets, self._stream)
            self._facade.reached_at(f"ws://127.0.0.1:{stream}")
            for pace in self._paces.values():
                nursery.start_soon(pace.run)
            nursery.start_soon(self._keep)
            nursery.start_soon(self._cut_when_down)
            task_status.started(Ports(http, stream))

    async def handle(self, request: HttpRequest) -> HttpReply:
        """One request, or the fault that is played. A slow one has been carried out: its answer
        comes after the client has given up. A counted slowness is kept for orders."""
        kind = self._fault.take("down", "error")
        if kind == "down":
            raise Hangup
        if kind == "error":
            return HttpReply(503, b"{}")
        if _changes(request) or not self._fault.is_counted:
            kind = self._fault.take("slow")
        reply = await self._facade.handle(request)
        await self._flush()
        if kind == "slow":
            await trio.sleep(self._slow_seconds)
        return reply

    def set_price(self, symbol: str, price: int) -> None:
        """The next tick. ValueError for a symbol it does not have."""
        self._pace(symbol).set_price(price)

    def play(self, symbol: str, script: str) -> None:
        """Move by a script. ValueError for an unknown one."""
        if script not in SCRIPTS:
            raise ValueError(f"script must be one of {', '.join(sorted(SCRIPTS))}")
        self._pace(symbol).play(script)  # type: ignore[arg-type]  # one of them

    def _pace(self, symbol: str) -> Pace:
        if symbol not in self._paces:
            raise ValueError(f"unknown symbol {symbol!r}")
        return self._paces[symbol]

    async def _stream(self, peer: Peer) -> None:
        if self._fault.playing() != "down":
            await self._facade.stream(peer)

    async def _cut_when_down(self) -> None:
        while True:
            await trio.sleep(self._seconds)
            if self._fault.playing() == "down":
                self.venue.disconnect()

    def _recall(self) -> None:
        newest: dict[str, SimOrder] = {}
        balances = dict(self.venue.balances)
        for line in self._store.load():
            try:
                kept = _decoder.decode(line)
            except msgspec.MsgspecError:  # written by another version, or damaged
                log.warning("sandbox.exchange_line_skipped")
                continue
            balances = dict(kept.balances)
            for order in kept.orders:
                newest[order.id] = order
        for order in newest.values():
            self.venue.remember(order)
        self.venue.balances = balances
        remembered = Kept(orders=self.venue.orders(), balances=balances)
        self._store.rewrite([_encoder.encode(remembered)])

    def _note(self, order: SimOrder) -> None:
        self._changed.append(order)
        try:
            self._send.send_nowait(None)
        except trio.WouldBlock:
            return

    async def _keep(self) -> None:
        """Write down what ticks filled."""
        async for _ in self._receive:
            try:
                await self._flush()
            except OSError:
                log.exception("sandbox.exchange_forgets")

    async def _flush(self) -> None:
        """Write down whatever has changed. One line holds it all: half of it would be a fill
        without its money, or the money without its fill."""
        if not self._changed:
            return
        changed, self._changed = self._changed, []
        line = _encoder.encode(Kept(orders=changed, balances=self.venue.balances))
        await self._store.append(line)


def _changes(request: HttpRequest) -> bool:
    return request.method in {"POST", "DELETE"} and "bullet" not in request.path


def read_amount(text: str) -> int | None:
    """Units of an amount as a client wrote it, None for what is none."""
    try:
        units = units_from(msgspec.json.decode(f'"{text}"', type=Decimal))
    except (msgspec.MsgspecError, ValueError):
        return None
    return None if isinstance(units, AmountError) or units <= 0 else units
