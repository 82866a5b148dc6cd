"""What the connections of one listener share, and how it stops."""

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network
from typing import Final, Protocol, TypeAlias

import trio

from actors.connection import Connection
from actors.liveness import TimerWheel
from actors.outbox import Flusher, Traffic, Transport
from protocols.exchange import HttpTiming
from protocols.fallback import Fallback
from protocols.readiness import Readiness
from protocols.router import Router
from protocols.sse import Sink
from protocols.web import Surface

Network: TypeAlias = IPv4Network | IPv6Network

_DRAIN_POLL: Final = 0.02


class Http(Protocol):
    """A connection while it speaks HTTP; `busy` while a request is being answered on it."""

    busy: bool
    sink: Sink | None
    transport: Transport


class Server:
    """What all connections of one running listener share. `port` is the bound port; `draining` is
    true once it is stopping."""

    def __init__(
        self,
        router: Router,
        root: Surface,
        *,
        timing: HttpTiming,
        tick: float,
        fallback: Fallback | None,
        trusted_proxies: Sequence[Network],
        max_connections: int,
        max_inflight: int,
    ) -> None:
        self.router = router
        self.root = root
        self.timing = timing
        self.fallback = fallback
        self.trusted_proxies = tuple(trusted_proxies)
        self.max_connections = max_connections
        self.max_inflight = max_inflight
        self.traffic = Traffic()
        self.wheel = TimerWheel(tick)
        self.readiness = Readiness() if Readiness.available else None
        self.flusher = Flusher(self.wheel, self.traffic)
        self.https: set[Http] = set()
        self.sockets: set[Connection] = set()
        self.inflight = 0
        self.draining = False
        self.port = 0
        self.scope = trio.CancelScope()

    async def drain(self, grace: float = 10.0) -> None:
        """Stop: requests in flight are finished, sockets get 1001, then everything is closed.

        New connections are still answered (503, and /healthz by its own handler) until the last
        request is done or `grace` seconds have passed. Afterwards `serve` returns.
        """
        self.draining = True
        for connection in list(self.sockets):
            connection.leave(1001, "server stopping")
        for http in list(self.https):
            if http.sink is not None:
                http.sink.close()
            elif not http.busy:
                http.transport.close()
        with trio.move_on_after(grace):
            while self.sockets or any(http.busy for http in self.https):
                await trio.sleep(_DRAIN_POLL)
        self.scope.cancel()
