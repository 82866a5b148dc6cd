"""One listener on one port for everything: sockets, REST, streams and pages.

`serve` accepts connections, each in a task of its own that contains whatever goes wrong on it,
and hands back a `Server` once it can serve.
"""

import errno
import resource
import socket
import ssl
from collections.abc import Sequence
from typing import Any, Final

import structlog
import trio
from prometheus_client import REGISTRY, CollectorRegistry

from actors.liveness import TICK_SECONDS
from actors.outbox import Transport
from protocols.dispatch import HttpConnection, Opening
from protocols.exchange import HttpTiming
from protocols.fallback import Fallback
from protocols.metrics import TrafficCollector
from protocols.router import Router
from protocols.server import Network, Server
from protocols.transport import PlainTransport, TlsTransport
from protocols.web import RenderError, Route, Surface, plain_error

log = structlog.get_logger(__name__)

_BACKLOG: Final = 4096
_ACCEPT_BATCH: Final = 64
# Kernel bytes for a client that does not read; without it the kernel would hide megabytes of
# backlog, and with them a stalled client, from the write timeout.
_SEND_BUFFER_BYTES: Final = 128 * 1024
# No descriptor or memory for one more connection: wait for others to end.
_EXHAUSTED: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_EXHAUSTED_PAUSE: Final = 0.1


async def serve(
    *,
    host: str,
    port: int,
    surfaces: Sequence[Surface],
    root_routes: Sequence[Route] = (),
    fallback_app: Any = None,
    tls: ssl.SSLContext | None = None,
    root_error: RenderError = plain_error,
    timing: HttpTiming | None = None,
    tick: float = TICK_SECONDS,
    trusted_proxies: Sequence[Network] = (),
    max_connections: int = 20_000,
    max_inflight: int = 2_000,
    registry: CollectorRegistry | None = REGISTRY,
    task_status: trio.TaskStatus[Server] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Listen on `host`:`port` (0 picks a port) until drained or cancelled.

    `root_routes` belong to no surface and are rendered by `root_error`; what matches nothing
    goes to `fallback_app`, an ASGI application. Raises OSError if the port cannot be bound.
    """
    root = Surface(name="root", prefix="", render_error=root_error, routes=tuple(root_routes))
    server = Server(
        Router(surfaces, root),
        root,
        timing=timing or HttpTiming(),
        tick=tick,
        fallback=Fallback(fallback_app) if fallback_app is not None else None,
        trusted_proxies=trusted_proxies,
        max_connections=max_connections,
        max_inflight=max_inflight,
    )
    listener = await bind(host, port)
    server.port = listener.getsockname()[1]
    collector = TrafficCollector(server.traffic)
    if registry is not None:
        registry.register(collector)
    try:
        with listener, server.scope:
            await _run(server, listener, tls, task_status)
    finally:
        if registry is not None:
            registry.unregister(collector)


async def _run(
    server: Server,
    listener: socket.socket,
    tls: ssl.SSLContext | None,
    task_status: trio.TaskStatus[Server],
) -> None:
    # The services outlive the connections that need them: theirs is the outer nursery.
    async with trio.open_nursery() as services:
        await services.start(server.wheel.run)
        await services.start(server.flusher.run)
        if server.readiness is not None:
            await services.start(server.readiness.run)
        try:
            if server.fallback is not None:
                await services.start(server.fallback.run)
            async with trio.open_nursery() as connections:
                task_status.started(server)
                await _accept(server, listener, tls, connections)
        finally:
            if server.fallback is not None:
                server.fallback.stop()
            services.cancel_scope.cancel()


async def bind(host: str, port: int) -> socket.socket:
    """A listening, non-blocking socket; also lifts the limit on open files as far as allowed."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    found = await trio.socket.getaddrinfo(
        host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )
    # A name with both families, as localhost is, means the one that more clients try first.
    found.sort(key=lambda entry: entry[0] is not socket.AF_INET)
    family, kind, protocol, _, address = found[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
        listener.bind(address)
        listener.listen(_BACKLOG)
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener


async def _accept(
    server: Server, listener: socket.socket, tls: ssl.SSLContext | None, nursery: trio.Nursery
) -> None:
    exhausted = False
    while True:
        await trio.lowlevel.wait_readable(listener)
        for _ in range(_ACCEPT_BATCH):
            try:
                client, address = listener.accept()
            except BlockingIOError:
                break
            except OSError as exc:
                if exc.errno not in _EXHAUSTED:
                    continue  # the one client did not wait
                if not exhausted:
                    exhausted = True
                    log.warning("cannot accept connections", error=exc.strerror)
                await trio.sleep(_EXHAUSTED_PAUSE)
                break
            exhausted = False
            server.traffic.accepted += 1
            if server.traffic.connections >= server.max_connections:
                server.traffic.refused += 1
                client.close()
                continue
            # Counted here, not in its task: a whole batch is accepted before any task runs.
            server.traffic.connections += 1
            client.setblocking(False)
            nursery.start_soon(_connection, server, client, address[0], tls)


async def _connection(
    server: Server, client: socket.socket, peer: str, tls: ssl.SSLContext | None
) -> None:
    """One client connection from accept to close; nothing that happens on it escapes."""
    plain = PlainTransport(client, server.readiness)
    try:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        opening = await _http(server, plain, peer, tls)
        if opening is not None:
            await _socket(server, opening)
    except* OSError:
        pass  # the client is gone; nothing of ours went wrong
    except* Exception:
        server.traffic.failures += 1
        log.exception("connection failed")
    finally:
        server.traffic.connections -= 1
        plain.close()


async def _socket(server: Server, opening: Opening) -> None:
    """The connection's life as a WebSocket."""
    connection = opening.connection
    server.sockets.add(connection)
    server.traffic.sockets += 1
    try:
        await connection.run(opening.make_session, opening.first)
    finally:
        server.sockets.discard(connection)
        server.traffic.sockets -= 1


async def _http(
    server: Server, plain: PlainTransport, peer: str, tls: ssl.SSLContext | None
) -> Opening | None:
    """The connection's life as HTTP, after the TLS handshake if there is one."""
    transport: Transport = plain
    http = HttpConnection(server, transport, peer)
    server.https.add(http)
    try:
        if tls is not None:
            secured = TlsTransport(plain, tls)
            http.transport = secured
            http.expect("first", server.timing.head)
            if not await secured.handshake():
                return None
        return await http.run()
    finally:
        server.https.discard(http)
        server.wheel.forget(http)
