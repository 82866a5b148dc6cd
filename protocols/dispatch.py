"""Who answers a request: a route table, a socket, the page application, or an error shape.

The connection's task runs `HttpConnection.run`. It ends with the connection, or returns an
`Opening` when a WebSocket upgrade has been accepted on it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

import structlog

from actors.connection import Connection
from actors.outbox import Transport
from actors.session import Session
from protocols.exchange import ClientGone, Exchange
from protocols.http import BadRequest, Request, Response, has_body, parse_head
from protocols.router import Found
from protocols.server import Network, Server
from protocols.sockets import Admission, BadUpgrade, SocketRoute, is_upgrade, negotiate
from protocols.sse import EventStream, Sink, serve_stream
from protocols.web import ErrorKind, Route, Surface, answer, finished

log = structlog.get_logger(__name__)

# A body nobody will look at is read up to here, so that the connection can be kept.
_UNWANTED_BODY_BYTES: Final = 64 * 1024
_NO_HEADERS: Final[tuple[tuple[str, str], ...]] = ()


@dataclass(frozen=True, slots=True)
class Opening:
    """An accepted upgrade: run the connection with the session maker and the first bytes."""

    connection: Connection
    make_session: Callable[[Connection], Session]
    first: bytes


class HttpConnection(Exchange):
    """One client connection; `busy` while a request is being answered on it."""

    __slots__ = ("_peer", "_server", "busy", "sink")

    def __init__(self, server: Server, transport: Transport, peer: str) -> None:
        super().__init__(
            transport, server.wheel, server.traffic, server.timing, server.root.render_error
        )
        self._server = server
        self._peer = peer
        self.busy = False
        self.sink: Sink | None = None

    async def run(self) -> Opening | None:
        """Answer requests until the connection ends or becomes a WebSocket."""
        self.expect("first", self._timing.head)
        try:
            while True:
                outcome = await self._next()
                self.busy = False
                if isinstance(outcome, Opening):
                    return outcome
                if not outcome or self._server.draining:
                    break
                self.expect("idle", self._timing.idle)
            await self.linger()
        except ClientGone:
            pass
        finally:
            self.busy = False
            self._wheel.forget(self)
        return None

    async def _next(self) -> Opening | bool:
        """Answer one request. True keeps the connection, False closes it."""
        head = b""
        try:
            head = await self.read_head()
            self.busy = True
            request = parse_head(head)
        except BadRequest as exc:
            await self._refuse_head(head or exc.head, exc)
            return False
        request.peer = request.client = self._peer
        request.secure = self.transport.secure
        if self._server.trusted_proxies and "x-forwarded-for" in request.headers:
            chain = request.headers["x-forwarded-for"]
            request.client = forwarded_client(chain, self._peer, self._server.trusted_proxies)
        self._traffic.requests += 1
        found = self._server.router.find(request)
        if "upgrade" in request.headers and is_upgrade(request):
            return await self._upgrade(request, found)
        if has_body(request):
            try:
                await self.read_body(request, self._body_limit(request, found))
            except BadRequest as exc:
                if exc.status == 413 and not self._has_route(request, found):
                    # Unknown comes before too large; what is left of the body is not read.
                    request.keep_alive = False
                    return await self._dispatch(request, found)
                kind = ErrorKind.TOO_LARGE if exc.status == 413 else ErrorKind.BAD_REQUEST
                return await self._refuse(request, found.surface, exc.status, kind, exc.detail)
        return await self._dispatch(request, found)

    @staticmethod
    def _has_route(request: Request, found: Found) -> bool:
        """Whether something would look at the body: a route, or the page application."""
        if found.surface is None:
            return True
        return found.endpoint is not None and request.method in found.endpoint.routes

    def _body_limit(self, request: Request, found: Found) -> int:
        surface = found.surface
        if surface is None:
            return self._server.root.max_body  # for the page application
        route = found.endpoint.routes.get(request.method) if found.endpoint is not None else None
        if route is None:
            return _UNWANTED_BODY_BYTES
        return surface.max_body if route.max_body is None else route.max_body

    async def _dispatch(self, request: Request, found: Found) -> bool:
        server = self._server
        surface, endpoint = found.surface, found.endpoint
        if endpoint is None or surface is None:
            return await self._elsewhere(request, surface)
        request.params = found.params
        route = endpoint.routes.get("GET" if request.method == "HEAD" else request.method)
        if route is None:
            return await self._no_route(request, found)
        # While draining, the root still answers: /healthz has to say 503 by itself.
        if server.inflight >= server.max_inflight or (
            server.draining and surface is not server.root
        ):
            return await self._overloaded(request, surface)
        server.inflight += 1
        try:
            result = await answer(surface, route, request)
        finally:
            server.inflight -= 1
        if isinstance(result, EventStream):
            return await self._stream(request, surface, route, result)
        return await self._send(request, result)

    async def _send(self, request: Request, response: Response) -> bool:
        keep = request.keep_alive and not self._server.draining
        try:
            return await self.respond(request, response, keep=keep)
        except ValueError:
            log.exception("response cannot be written", status=response.status)
            failure = self._server.root.render_error(500, ErrorKind.INTERNAL, "internal error")
            return await self.respond(request, failure, keep=keep)

    async def _stream(
        self, request: Request, surface: Surface, route: Route, stream: EventStream
    ) -> bool:
        await self.write_stream_head(finished(surface, route, request, stream.head()))
        if request.method != "HEAD":
            last_id = request.headers.get("last-event-id")
            self.sink = Sink(self.transport, self._server.flusher, stream.limits, last_id)
            try:
                await serve_stream(self.sink, stream, self._server.flusher)
            except* Exception:
                self._traffic.failures += 1
                log.exception("event stream failed", surface=surface.name, route=route.path)
        return False

    # Refusals and requests without a route

    async def _refuse_head(self, head: bytes, exc: BadRequest) -> None:
        """Refuse in the shape of the surface that the request line names, if it can be read."""
        parts = head.split(b"\r\n", 1)[0].split(b" ")
        target = parts[1].decode("latin-1") if len(parts) > 1 else ""
        guess = Request("GET", target.partition("?")[0])
        surface = self._server.router.find(guess).surface
        await self._refuse(guess, surface, exc.status, ErrorKind.BAD_REQUEST, exc.detail)

    async def _refuse(
        self,
        request: Request,
        surface: Surface | None,
        status: int,
        kind: ErrorKind,
        detail: str,
        *,
        headers: tuple[tuple[str, str], ...] = _NO_HEADERS,
        keep: bool = False,
    ) -> bool:
        """Answer in the framework's name, in the surface's shape (X-C21)."""
        self._traffic.refused += 1
        surface = surface or self._server.root
        response = surface.render_error(status, kind, detail)
        if headers:
            response = response.with_headers(*headers)
        response = finished(surface, None, request, response)
        keep = keep and request.keep_alive and not self._server.draining
        return await self.respond(request, response, keep=keep)

    async def _no_route(self, request: Request, found: Found) -> bool:
        """The path exists, the method does not."""
        surface, endpoint = found.surface, found.endpoint
        assert surface is not None
        assert endpoint is not None
        if request.method == "OPTIONS":
            headers: tuple[tuple[str, str], ...] = (("Allow", endpoint.allow),)
            if surface.cors is not None and "access-control-request-method" in request.headers:
                headers += surface.cors.preflight(endpoint.allow)
            response = finished(surface, None, request, Response(204, b"", "", headers))
            return await self._send(request, response)
        if endpoint.socket is not None and request.method in ("GET", "HEAD"):
            status, kind, headers = 426, ErrorKind.UPGRADE_REQUIRED, (("Upgrade", "websocket"),)
        else:
            status, kind, headers = 405, ErrorKind.METHOD_NOT_ALLOWED, (("Allow", endpoint.allow),)
        detail = kind.value
        return await self._refuse(
            request, surface, status, kind, detail, headers=headers, keep=True
        )

    async def _elsewhere(self, request: Request, surface: Surface | None) -> bool:
        """No endpoint of ours: the surface's 404, or the page application."""
        server = self._server
        if surface is None and server.fallback is not None and not server.draining:
            await server.fallback.serve(self.transport, request)
            return False
        kind = ErrorKind.NOT_FOUND
        return await self._refuse(request, surface, 404, kind, kind.value, keep=True)

    async def _overloaded(self, request: Request, surface: Surface | None) -> bool:
        kind, retry = ErrorKind.OVERLOADED, (("Retry-After", "1"),)
        return await self._refuse(request, surface, 503, kind, kind.value, headers=retry)

    # Upgrades

    async def _upgrade(self, request: Request, found: Found) -> Opening | bool:
        server, surface = self._server, found.surface
        socket = found.endpoint.socket if found.endpoint is not None else None
        if socket is None or surface is None:
            kind = ErrorKind.NOT_FOUND
            return await self._refuse(request, surface, 404, kind, kind.value)
        agreed = negotiate(socket, request)
        if isinstance(agreed, BadUpgrade):
            kind = ErrorKind.UPGRADE_REQUIRED if agreed.status == 426 else ErrorKind.BAD_REQUEST
            return await self._refuse(
                request, surface, agreed.status, kind, agreed.detail, headers=agreed.headers
            )
        if server.draining:
            return await self._overloaded(request, surface)
        request.params = found.params
        admitted = await self._admit(surface, socket, request)
        if isinstance(admitted, Response):
            self._traffic.refused += 1
            # What follows may be frames: the connection cannot be used for HTTP again.
            request.keep_alive = False
            return await self._send(request, finished(surface, None, request, admitted))
        await self.write(agreed.response)
        connection = Connection(
            self.transport, server.flusher, socket.limits, agreed.extensions, slack=agreed.slack
        )
        return Opening(connection, admitted, self._buffer)

    async def _admit(self, surface: Surface, socket: SocketRoute, request: Request) -> Admission:
        try:
            return await socket.admit(request)
        except Exception:
            log.exception("admission failed", surface=surface.name, route=socket.path)
            return surface.render_error(500, ErrorKind.INTERNAL, "internal error")


def forwarded_client(chain: str, peer: str, trusted: tuple[Network, ...]) -> str:
    """The client behind our proxies: the last address in the chain that is not one of them.

    `chain` is X-Forwarded-For; it counts only if `peer` itself is a trusted proxy (X-C20).
    """
    client = peer
    for hop in (peer, *(part.strip() for part in reversed(chain.split(",")))):
        try:
            address = ip_address(hop)
        except ValueError:
            break
        client = hop
        if not any(address in network for network in trusted):
            break
    return client
