"""The surface's place on the port: its routes, its socket, its hooks."""

from typing import Final

from protocols.nexuspay.hooks import Hooks
from protocols.nexuspay.routes import routes
from protocols.nexuspay.service import NexusPay
from protocols.nexuspay.session import updates_route
from protocols.web import Cors, Surface

_MAX_BODY: Final = 64 * 1024  # the documented bodies have a few short members


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
    )
