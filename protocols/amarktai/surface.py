"""The surface's place on the port: its routes, its socket, its hooks."""

from typing import Final

from protocols.amarktai.hooks import Hooks
from protocols.amarktai.routes import routes
from protocols.amarktai.service import Access, Amarktai
from protocols.amarktai.session import socket_route
from protocols.amarktai.wire.auth import Login
from protocols.amarktai.wire.base import ErrorReply
from protocols.amarktai.wire.system import TestKeys
from protocols.described import Errors, Guard
from protocols.web import About, Cors, Route, Surface

_MAX_BODY: Final = 64 * 1024  # the documented bodies have a few short members


def _refusals(route: Route) -> Errors:
    statuses = [400, 422, 429, 500, 503]
    if route.access is not Access.ANYBODY:
        statuses.append(401)
    if route.access is Access.ADMIN:
        statuses.append(403)
    if ":" in route.path:
        statuses.append(404)
    if route.keyed:
        statuses += (404, 409)
    if route.request in (Login, TestKeys):
        statuses += (401, 502)
    return dict.fromkeys(statuses, ErrorReply)


_ABOUT: Final = About(
    title="Amarktai",
    text="The network of trading bots (document 004).",
    error=ErrorReply,
    errors=_refusals,
    guard=lambda route: Guard.NOTHING if route.access is Access.ANYBODY else Guard.TOKEN,
)


def amarktai_surface(
    amarktai: Amarktai, hosts: tuple[str, ...], origins: tuple[str, ...]
) -> Surface:
    """The surface as app.py mounts it; `amarktai.expiries.run` must be running."""
    hooks = Hooks(amarktai)
    return Surface(
        name="amarktai",
        prefix="/amarktai",
        hosts=hosts,
        routes=routes(amarktai),
        sockets=(socket_route(amarktai, hooks),),
        render_error=hooks.render_error,
        cors=Cors(origins=origins),
        authenticate=hooks.authenticate,
        limit=hooks.limit,
        max_body=_MAX_BODY,
        about=_ABOUT,
    )
