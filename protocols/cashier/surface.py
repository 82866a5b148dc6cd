"""The cashier's place on the port: one WebSocket, its admission, its errors (CASH-C01)."""

from functools import partial
from http import HTTPStatus
from typing import Final

from actors.clock import Clock
from actors.connection import Connection
from actors.identity_store import StoreUnavailable
from actors.people import Authenticated
from protocols.cashier.codec import encode
from protocols.cashier.errors import Problem
from protocols.cashier.service import Cashier
from protocols.cashier.session import Session
from protocols.cashier.spoken import received, sent
from protocols.cashier.wire.base import Failure, Reply
from protocols.cashier.wire.requests import SocketQuery
from protocols.described import Guard
from protocols.http import JSON, Request, Response
from protocols.replay import resume_offset
from protocols.sockets import Admission, SocketLimits, SocketRoute, offered_subprotocols
from protocols.web import About, ErrorKind, Surface

PATH: Final = "/api/v1/cashier/svc/ws"
HOST: Final = "api.safarigari.com"
_BEARER: Final = "bearer"
# 54 s ping, 60 s read, 10 s write, 64 KiB a message (document, "Rate Limits & Timeouts").
_LIMITS: Final = SocketLimits()

_ABOUT: Final = About(
    title="Cashier",
    text="One WebSocket; a token comes as header, query, cookie or subprotocol (CASH-C01).",
)


def cashier_surface(
    cashier: Cashier, hosts: tuple[str, ...] = (HOST,), origins: tuple[str, ...] = ()
) -> Surface:
    """The surface as app.py mounts it; `cashier.sessions.run` must be running. `origins` are the
    browser pages beside its own that may come in by cookie, or ("*",)."""

    async def admit(request: Request) -> Admission:
        return await _admit(cashier, request, origins)

    route = SocketRoute(
        PATH,
        admit,
        _LIMITS,
        subprotocols=(_BEARER,),
        summary="The cashier's WebSocket",
        guard=Guard.TOKEN,
        query=SocketQuery,
        receives=received(),
        sends=sent(),
    )
    return Surface(
        name="cashier",
        prefix="/cashier",
        hosts=hosts,
        sockets=(route,),
        render_error=partial(_render_error, cashier.clock),
        about=_ABOUT,
    )


async def _admit(cashier: Cashier, request: Request, origins: tuple[str, ...]) -> Admission:
    """401 before the upgrade unless the request carries a good token of somebody."""
    try:
        who = await cashier.people.authenticate(token_of(request, origins))
    except StoreUnavailable:
        return _error(cashier.clock, HTTPStatus.SERVICE_UNAVAILABLE, Problem.UNAVAILABLE)
    if not isinstance(who, Authenticated):
        return _error(cashier.clock, HTTPStatus.UNAUTHORIZED, Problem.UNAUTHORIZED)
    resume_from = resume_offset(request.query.get("resume_from"))

    def make_session(connection: Connection) -> Session:
        return Session(cashier, connection, who, resume_from)

    return make_session


def token_of(request: Request, origins: tuple[str, ...] = ()) -> str:
    """The first token carried by header, query, cookie or subprotocol; "" for none."""
    return (
        request.bearer
        or request.query.get("token")
        or _cookie_token(request, origins)
        or _offered_token(request)
    )


def _cookie_token(request: Request, origins: tuple[str, ...]) -> str:
    """The cookie's token, unless a page of somebody else brings it: browsers attach the cookie to
    whatever opens the socket, and no preflight asks whether it may."""
    token, origin = request.cookies.get("token", ""), request.header("origin").lower()
    own = origin.partition("://")[2] == request.header("host").lower()
    return token if not origin or own or "*" in origins or origin in origins else ""


def _offered_token(request: Request) -> str:
    """The JWT behind `bearer` among the offered subprotocols, for browsers."""
    offered = offered_subprotocols(request)
    if _BEARER not in offered:
        return ""
    return next(iter(offered[offered.index(_BEARER) + 1 :]), "")


def _render_error(clock: Clock, status: int, kind: ErrorKind, detail: str) -> Response:
    """Framework errors in the shape of an error reply (X-C21)."""
    if kind is ErrorKind.INTERNAL:
        return _error(clock, status, Problem.INTERNAL)
    return _error(clock, status, detail or kind.value)


def _error(clock: Clock, status: int, text: str) -> Response:
    reply = Reply(type="error", data=Failure(message=text), timestamp=clock.now_s())
    return Response(status, encode(reply), JSON)
