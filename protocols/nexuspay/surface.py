"""The surface's place on the port: its routes, its socket, its hooks."""

from typing import Any, Final

from protocols.nexuspay.handlers.auth import Auth
from protocols.nexuspay.hooks import Hooks
from protocols.nexuspay.keyed import guarded
from protocols.nexuspay.service import Access, NexusPay, Rate
from protocols.nexuspay.session import updates_route
from protocols.nexuspay.wire import auth
from protocols.nexuspay.wire.base import Reply
from protocols.web import Cors, Handler, Route, Surface

_MAX_BODY: Final = 64 * 1024  # the documented bodies have a few short members


def nexuspay_surface(nexus: NexusPay, hosts: tuple[str, ...], origins: tuple[str, ...]) -> Surface:
    """The surface as app.py mounts it; `nexus.sockets.run` must be running."""
    hooks = Hooks(nexus)
    return Surface(
        name="nexuspay",
        prefix="/nexuspay",
        hosts=hosts,
        routes=_auth_routes(nexus),
        sockets=(updates_route(nexus),),
        render_error=hooks.render_error,
        cors=Cors(origins=origins),
        authenticate=hooks.authenticate,
        limit=hooks.limit,
        finish=hooks.finish,
        max_body=_MAX_BODY,
    )


def _auth_routes(nexus: NexusPay) -> tuple[Route, ...]:
    handlers = Auth(nexus)

    def post(path: str, handler: Handler, body: Any, data: Any, status: int = 200) -> Route:
        return Route(
            "POST",
            f"/api/auth/{path}",
            guarded(nexus, handler),
            request=body,
            response=Reply[data],
            access=Access.ANYBODY,
            rate=Rate.AUTHENTICATION,
            status=status,
            summary=(handler.__doc__ or "").partition("\n")[0],
        )

    return (
        post("register", handlers.register, auth.Register, auth.Registered, 201),
        post("register/verify/email", handlers.verify_email, auth.VerifyEmail, auth.LoggedIn),
        post("register/verify/phone", handlers.verify_phone, auth.VerifyPhone, auth.LoggedIn),
        post("login", handlers.log_in, auth.Login, auth.CodeSent),
        post("login/verify", handlers.verify_login, auth.VerifyEmail, auth.LoggedIn),
        post("password-reset/request", handlers.request_reset, auth.ResetRequest, auth.CodeSent),
        post("password-reset", handlers.reset, auth.Reset, None),
    )
