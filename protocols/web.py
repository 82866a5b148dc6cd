"""What a surface declares about HTTP, and how one request is answered from that declaration.

Every REST endpoint is one `Route`: method, path template, request and response structs, who may
call it, rate class, handler. Handlers get a `Request` (and the decoded body) and know nothing of
the server underneath; the OpenAPI document is made from the same tables.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from typing import Any, Final, TypeAlias

import msgspec
import structlog

from protocols.described import Errors, Guard, Said
from protocols.http import JSON, Request, Response
from protocols.sockets import SocketRoute
from protocols.sse import EventStream

log = structlog.get_logger(__name__)

DEFAULT_MAX_BODY_BYTES: Final = 1024 * 1024

# What a JSON decoder can raise on hostile bytes that are not JSON: msgspec passes bad UTF-8 on as
# Python's own error, and nesting without end exhausts its stack.
NOT_JSON: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

Answer: TypeAlias = Response | EventStream
# A handler takes (request) or, for a route with a request struct, (request, body). It returns an
# Answer, or a value that is encoded as JSON with the route's status.
Handler: TypeAlias = Callable[..., Awaitable[Any]]


class ErrorKind(Enum):
    """Why the framework, not a handler, refuses (X-C21)."""

    BAD_REQUEST = "bad request"  # not HTTP as we accept it
    MALFORMED = "malformed JSON"  # the body is not JSON at all
    INVALID = "invalid body"  # JSON, but not of the declared shape; detail says where
    NOT_FOUND = "not found"
    METHOD_NOT_ALLOWED = "method not allowed"
    TOO_LARGE = "request body too large"
    TIMEOUT = "request timeout"
    UPGRADE_REQUIRED = "upgrade required"  # plain request on a socket's path
    OVERLOADED = "overloaded"  # too many requests at once, or draining
    INTERNAL = "internal error"


RenderError: TypeAlias = Callable[[int, ErrorKind, str], Response]


@dataclass(frozen=True, slots=True)
class Route:
    """One endpoint. `path` is a template below the surface's prefix: `/api/bots/:id`.

    `request` is a msgspec type for the JSON body (None: no body is decoded); `optional_body`
    hands the handler None when there is none. `access` and `rate` mean something to the
    surface's own hooks. `max_body` in bytes, None the surface's.

    These only describe: `response`, the answer's type or, in a string, its media type; `body`,
    of one that the handler decodes itself; `query`, a struct of the query's fields; `keyed`, an
    Idempotency-Key may come (X-C29); `events`, of an event stream.
    """

    method: str
    path: str
    handler: Handler
    request: Any = None
    response: Any = None
    access: Any = None
    rate: Any = None
    status: int = 200
    summary: str = ""
    optional_body: bool = False
    max_body: int | None = None
    body: Any = None
    query: Any = None
    keyed: bool = False
    events: tuple[Said, ...] = ()
    decode: Callable[[bytes], Any] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        decoder = msgspec.json.Decoder(Any if self.request is None else self.request)
        object.__setattr__(self, "decode", decoder.decode)


@dataclass(frozen=True, kw_only=True)
class Cors:
    """Which browser pages may call (X-C25). `origins` is ("*",) or exact origins."""

    origins: tuple[str, ...] = ()
    allow_headers: str = (
        "Authorization, Content-Type, Idempotency-Key, Last-Event-ID, X-Requested-With"
    )
    expose_headers: str = (
        "X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset, Retry-After, "
        "Idempotent-Replayed"
    )
    max_age: int = 600

    def headers(self, request: Request) -> tuple[tuple[str, str], ...]:
        """The headers of every answer to a cross-origin request."""
        origin = request.headers.get("origin")
        if origin is None:
            return ()
        if "*" in self.origins:
            return self._any
        vary = (("Vary", "Origin"),)
        if origin not in self.origins:
            return vary
        return (
            ("Access-Control-Allow-Origin", origin),
            ("Access-Control-Expose-Headers", self.expose_headers),
            *vary,
        )

    @cached_property
    def _any(self) -> tuple[tuple[str, str], ...]:
        return (
            ("Access-Control-Allow-Origin", "*"),
            ("Access-Control-Expose-Headers", self.expose_headers),
        )

    def preflight(self, methods: str) -> tuple[tuple[str, str], ...]:
        """What a preflight learns beside `headers`."""
        return (
            ("Access-Control-Allow-Methods", methods),
            ("Access-Control-Allow-Headers", self.allow_headers),
            ("Access-Control-Max-Age", str(self.max_age)),
        )


def _guarded_if_access(route: Route) -> Guard:
    return Guard.TOKEN if route.access is not None else Guard.NOTHING


def _no_errors(_route: Route) -> Errors:
    return {}


@dataclass(frozen=True, kw_only=True)
class About:
    """What a surface says of all its endpoints. `error` is the type of its error bodies."""

    title: str = ""
    text: str = ""
    error: Any = None
    errors: Callable[[Route], Errors] = field(default=_no_errors)
    guard: Callable[[Route], Guard] = field(default=_guarded_if_access)


@dataclass(frozen=True, kw_only=True)
class Surface:
    """One documented API: where it is mounted, what it serves, and its own error shape.

    A request belongs to it by path prefix, or by Host header without the prefix. Hooks, in this
    order, each may answer in the handler's place: `authenticate` sets `request.principal`;
    `limit` also runs when authentication failed, so that guessing tokens is limited too.
    `finish` sees every answer that leaves (errors included; route None if none was found) and
    may add headers.
    """

    name: str
    prefix: str
    render_error: RenderError
    routes: tuple[Route, ...] = ()
    sockets: tuple[SocketRoute, ...] = ()
    hosts: tuple[str, ...] = ()
    cors: Cors | None = None
    authenticate: Callable[[Request, Route], Awaitable[Response | None]] | None = None
    limit: Callable[[Request, Route], Awaitable[Response | None]] | None = None
    finish: Callable[[Request, Route | None, Response], Response] | None = None
    encode: Callable[[Any], bytes] = msgspec.json.encode
    max_body: int = DEFAULT_MAX_BODY_BYTES
    about: About = field(default_factory=About)


async def answer(surface: Surface, route: Route, request: Request) -> Answer:
    """Answer one request; whatever the handler raises becomes the surface's 500."""
    try:
        result = await _handle(surface, route, request)
        if isinstance(result, EventStream):
            return result
        return finished(surface, route, request, result)
    except Exception:
        log.exception("handler failed", surface=surface.name, route=route.path)
    failure = surface.render_error(500, ErrorKind.INTERNAL, "internal error")
    return failure.with_headers(*surface.cors.headers(request)) if surface.cors else failure


def finished(
    surface: Surface, route: Route | None, request: Request, response: Response
) -> Response:
    """`response` as it leaves: with the surface's own and with CORS headers."""
    if surface.finish is not None:
        response = surface.finish(request, route, response)
    if surface.cors is not None:
        extra = surface.cors.headers(request)
        if extra:
            response = response.with_headers(*extra)
    return response


async def _handle(surface: Surface, route: Route, request: Request) -> Answer:
    refusal = None
    if surface.authenticate is not None:
        refusal = await surface.authenticate(request, route)
    if surface.limit is not None:
        refusal = await surface.limit(request, route) or refusal
    if refusal is not None:
        return refusal
    if route.request is None:
        result = await route.handler(request)
    else:
        body = _decode(surface, route, request)
        if isinstance(body, Response):
            return body
        result = await route.handler(request, body)
    if isinstance(result, (Response, EventStream)):
        return result
    return Response(route.status, surface.encode(result), JSON)


def _decode(surface: Surface, route: Route, request: Request) -> Any:
    """The body as the route's request type, or the refusal. An absent body may be None."""
    if route.optional_body and not request.body:
        return None
    try:
        return route.decode(request.body)
    except msgspec.ValidationError as exc:
        if _is_json(request.body):
            return surface.render_error(400, ErrorKind.INVALID, str(exc))
    except NOT_JSON:
        pass
    return surface.render_error(400, ErrorKind.MALFORMED, "malformed JSON")


def _is_json(body: bytes) -> bool:
    """Whether `body` is JSON at all: a wrong type may be reported before a later syntax error."""
    try:
        msgspec.json.decode(body)
    except NOT_JSON:
        return False
    return True


def invalid_field(detail: str) -> str | None:
    """The member an INVALID detail speaks of: "… - at `$.payload.phone`" → "payload.phone"."""
    for marker in (" - at `$.", "missing required field `", "unknown field `"):
        _, found, rest = detail.partition(marker)
        if found:
            return rest.partition("`")[0]
    return None


def plain_error(status: int, kind: ErrorKind, detail: str) -> Response:
    """The error shape of paths that belong to no surface."""
    body = msgspec.json.encode({"error": detail or kind.value})
    return Response(status, body, JSON)
