"""A listener for tests: one echoing surface, injected times in milliseconds."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import msgspec
import trio
from prometheus_client import CollectorRegistry

from actors.connection import Connection
from actors.session import SocketLimits
from protocols.exchange import HttpTiming
from protocols.http import Request, Response, json_response
from protocols.listener import serve
from protocols.server import Server
from protocols.sockets import Admission, SocketRoute
from protocols.web import ErrorKind, Route, Surface

TICK = 0.01
# Long enough for a loaded machine, short enough for a hanging test.
PATIENCE = 10.0


def shape(name: str) -> Callable[[int, ErrorKind, str], Response]:
    """An error shape that names its surface, so that a test can tell whose it is."""

    def render(status: int, kind: ErrorKind, detail: str) -> Response:
        return json_response({"surface": name, "kind": kind.name, "detail": detail}, status)

    return render


class EchoSession:
    """Answers each message with itself; some messages do something else."""

    def __init__(self, connection: Connection, log: "Log") -> None:
        self.connection = connection
        self.log = log
        log.connections.append(connection)

    async def opened(self) -> None:
        self.log.events.append("opened")

    async def text(self, data: bytes) -> None:
        self.log.texts.append(data)
        if data == b"raise":
            raise RuntimeError("a session's own fault")
        if data == b"bye":
            self.connection.close(4401, "token expired")
            return
        if data == b"wait":
            self.log.waiting.set()
            await self.log.release.wait()
            self.log.events.append("released")
        self.connection.send_text(data)

    async def binary(self, data: bytes) -> None:
        self.connection.send_text(b"binary %d" % len(data))

    def closed(self) -> None:
        self.log.events.append("closed")


@dataclass
class Log:
    """What sessions saw."""

    events: list[str] = field(default_factory=list)
    texts: list[bytes] = field(default_factory=list)
    connections: list[Connection] = field(default_factory=list)
    waiting: trio.Event = field(default_factory=trio.Event)
    release: trio.Event = field(default_factory=trio.Event)


class Greeting(msgspec.Struct, kw_only=True):
    name: str
    times: int = 1


class Bed:
    """What the test surface is made of; a test may change it before starting."""

    def __init__(self) -> None:
        self.log = Log()
        self.limits = SocketLimits(max_message=1000, close_timeout=0.3)
        self.routes: list[Route] = [
            Route("GET", "/hello", self.hello),
            Route("POST", "/greet", self.greet, request=Greeting, status=201),
            Route("POST", "/maybe", self.maybe, request=Greeting, optional_body=True),
            Route("POST", "/bytes", self.count, max_body=100),
            Route("GET", "/things/:id/parts/:part", self.thing),
            Route("GET", "/things/new/parts/:part", self.hello),
            Route("GET", "/raise", self.fail),
            Route("GET", "/bad-header", self.bad_header),
        ]
        self.surface_options: dict[str, Any] = {}
        self.root_routes: list[Route] = [Route("GET", "/healthz", self.healthz)]
        self.options: dict[str, Any] = {}
        self.server: Server | None = None

    async def healthz(self, request: Request) -> Response:
        assert self.server is not None
        return json_response({"status": "ok"}, 503 if self.server.draining else 200)

    async def hello(self, request: Request) -> Any:
        return {"hello": request.query.get("name", "you"), "client": request.client}

    async def greet(self, request: Request, body: Greeting) -> Any:
        return {"greeting": " ".join([body.name] * body.times)}

    async def maybe(self, request: Request, body: Greeting | None) -> Any:
        return {"name": body.name if body else None}

    async def count(self, request: Request) -> Any:
        return {"bytes": len(request.body)}

    async def thing(self, request: Request) -> Any:
        return request.params

    async def fail(self, request: Request) -> Any:
        raise RuntimeError("a handler's own fault")

    async def bad_header(self, request: Request) -> Any:
        return Response(200, b"{}", headers=(("X-Name", "a\r\nSet-Cookie: b=c"),))

    async def admit(self, request: Request) -> Admission:
        if request.query.get("token") == "wrong":
            return json_response({"type": "error", "data": {"message": "unauthorized"}}, 401)
        if request.params.get("name") == "fault":
            raise RuntimeError("an admission's own fault")
        if request.params.get("name") == "no-session":
            return lambda connection: 1 / 0  # type: ignore[return-value]
        return lambda connection: EchoSession(connection, self.log)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Server]:
        """The listener, on a port of its own."""
        surfaces = [
            Surface(
                name="echo",
                prefix="/echo",
                hosts=("echo.example",),
                render_error=shape("echo"),
                routes=tuple(self.routes),
                sockets=(
                    SocketRoute("/ws", self.admit, self.limits, ("bearer",)),
                    SocketRoute("/echo/:name", self.admit, self.limits),
                ),
                **self.surface_options,
            ),
            Surface(name="other", prefix="/other", render_error=shape("other")),
        ]
        options = {
            "timing": HttpTiming(head=2, body=2, idle=5, write=2, linger=0.3),
            "tick": TICK,
            "registry": CollectorRegistry(),
            "root_error": shape("root"),
        } | self.options
        async with trio.open_nursery() as nursery:

            async def start(task_status: trio.TaskStatus[Server]) -> None:
                await serve(
                    host="127.0.0.1",
                    port=0,
                    surfaces=surfaces,
                    root_routes=self.root_routes,
                    task_status=task_status,
                    **options,
                )

            self.server = await nursery.start(start)
            with trio.fail_after(PATIENCE):
                yield self.server
            nursery.cancel_scope.cancel()


async def connect(server: Server) -> trio.SocketStream:
    """A raw client connection."""
    return await trio.open_tcp_stream("127.0.0.1", server.port)


async def read_all(stream: trio.abc.ReceiveStream) -> bytes:
    """Everything until the server closes; a reset counts as the end."""
    data = b""
    try:
        async for part in stream:
            data += part
    except trio.BrokenResourceError:
        pass
    return data


async def read_until(stream: trio.abc.ReceiveStream, end: bytes) -> bytes:
    """At least up to `end`."""
    data = b""
    while end not in data:
        part = await stream.receive_some()
        assert part, f"the connection ended after {data!r}"
        data += bytes(part)
    return data


async def ask(server: Server, request: bytes) -> bytes:
    """Send `request` on a fresh connection; everything that comes back until it closes."""
    async with await connect(server) as stream:
        await stream.send_all(request)
        return await read_all(stream)


def status_of(response: bytes) -> int:
    """The status code of the first response in `response`."""
    return int(response.split(b" ", 2)[1])


def body_of(response: bytes) -> Any:
    """The JSON body of the last response in `response`."""
    return json.loads(response.rpartition(b"\r\n\r\n")[2])
