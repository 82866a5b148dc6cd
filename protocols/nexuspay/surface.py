"""The surface's place on the port: its routes, its socket, its hooks."""

from typing import Any, Final

from protocols.described import Errors, Guard
from protocols.nexuspay.hooks import Hooks
from protocols.nexuspay.routes import routes
from protocols.nexuspay.service import Access, NexusPay, Rate
from protocols.nexuspay.session import updates_route
from protocols.nexuspay.wire.base import ErrorReply
from protocols.nexuspay.wire.mpesa import ROLLED_BACK, SHORT, PayWithCrypto
from protocols.web import About, Cors, Route, Surface

_MAX_BODY: Final = 64 * 1024  # the documented bodies have a few short members
_ALWAYS: Final = (400, 429, 500, 503)


def _refusals(route: Route) -> Errors:
    statuses = [*_ALWAYS, *(() if route.access is Access.ANYBODY else (401,))]
    if route.access is not Access.USER:
        statuses.append(403)
    if route.rate is Rate.AUTHENTICATION:
        statuses += (401, 502)
    elif ":" in route.path or route.request is not None:
        statuses.append(404)
    if "/mpesa/" in route.path and route.request is not None:
        statuses += (409, 502)
    if route.keyed:
        statuses += (409, 422)
    found: dict[int, Any] = dict.fromkeys(statuses, ErrorReply)
    if route.request is PayWithCrypto:
        found |= {400: (ErrorReply, SHORT), 500: (ErrorReply, ROLLED_BACK)}
    return found


_ABOUT: Final = About(
    title="NexusPay",
    text="Tokens, M-Pesa and businesses (document 002).",
    error=ErrorReply,
    errors=_refusals,
    guard=lambda route: Guard.NOTHING if route.access is Access.ANYBODY else Guard.TOKEN,
)


def nexuspay_surface(nexus: NexusPay, hosts: tuple[str, ...], origins: tuple[str, ...]) -> Surface:
    """The surface as app.py mounts it; `nexus.sockets.run` must be running."""
    hooks = Hooks(nexus)
    return Surface(
        name="nexuspay",
        prefix="/nexuspay",
        hosts=hosts,
        routes=routes(nexus),
        sockets=(updates_route(nexus),),
        render_error=hooks.render_error,
        cors=Cors(origins=origins),
        authenticate=hooks.authenticate,
        limit=hooks.limit,
        finish=hooks.finish,
        max_body=_MAX_BODY,
        about=_ABOUT,
    )
