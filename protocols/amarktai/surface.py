"""The surface's place on the port: its routes, its socket, its hooks."""

from typing import Final

from protocols.amarktai.hooks import Hooks
from protocols.amarktai.routes import routes
from protocols.amarktai.service import Amarktai
from protocols.amarktai.session import socket_route
from protocols.web import Cors, Surface

_MAX_BODY: Final = 64 * 1024  # the documented bodies have a few short members


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
    )
