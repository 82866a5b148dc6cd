"""The M-Pesa surface's place on the port: two sockets, its endpoints, its error shape."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from actors.callbacks import CallbackIntake, Source
from actors.connection import Connection
from domain.hashes import payouts as payouts_of
from domain.hashes import pushes as pushes_of
from protocols.described import Errors, Guard
from protocols.http import Request, Response
from protocols.mpesa import pushes, withdrawals
from protocols.mpesa.admission import admitted, identify
from protocols.mpesa.callbacks import Allows, CallbackHandler, alias_routes, callback_routes
from protocols.mpesa.errors import Code, Refused, unavailable
from protocols.mpesa.routes import client_routes, failure
from protocols.mpesa.service import Mpesa
from protocols.mpesa.session import Handler, Session
from protocols.mpesa.spoken import (
    PAYOUTS_ASKED,
    PAYOUTS_TOLD,
    PUSHES_ASKED,
    PUSHES_TOLD,
    SocketQuery,
)
from protocols.mpesa.wire import Failed, Nod
from protocols.replay import resume_offset
from protocols.sockets import Admission, SocketLimits, SocketRoute
from protocols.web import About, Cors, ErrorKind, Route, Surface

# Document 001, "WebSocket Configuration"; pings and our own messages keep a socket alive
# (MPWS-C12), one compressor for all is none per socket (MPWS-C13).
LIMITS: Final = SocketLimits(
    max_message=16 * 1024 * 1024,
    ping_interval=120.0,
    read_timeout=960.0,
    deflate=True,
    life_by_sending=True,
)
_PUSHES: Final[Mapping[str, Handler]] = {"push": pushes.push, "status": pushes.status}
_PAYOUTS: Final[Mapping[str, Handler]] = {"withdraw": withdrawals.withdraw}
_CODES: Final = {
    ErrorKind.MALFORMED: Code.INVALID_JSON,
    ErrorKind.INVALID: Code.VALIDATION_ERROR,
    ErrorKind.BAD_REQUEST: Code.VALIDATION_ERROR,
    ErrorKind.TOO_LARGE: Code.VALIDATION_ERROR,
    ErrorKind.NOT_FOUND: Code.NOT_FOUND,
    ErrorKind.METHOD_NOT_ALLOWED: Code.NOT_FOUND,
    ErrorKind.UPGRADE_REQUIRED: Code.VALIDATION_ERROR,
    ErrorKind.TIMEOUT: Code.TIMEOUT,
    ErrorKind.OVERLOADED: Code.INTERNAL_ERROR,
    ErrorKind.INTERNAL: Code.INTERNAL_ERROR,
}
_REFUSALS: Final = (400, 401, 403, 404, 409, 422, 500, 502, 503)


def _refusals(route: Route) -> Errors:
    if route.keyed:
        return dict.fromkeys(_REFUSALS, Failed)
    return {400: Nod, 403: Nod}


ABOUT: Final = About(
    title="M-Pesa",
    text="Pushes and withdrawals by a hash, and where the provider's callbacks come in.",
    error=Failed,
    errors=_refusals,
    guard=lambda route: Guard.PERHAPS if route.keyed else Guard.NOTHING,
)


def mpesa_surface(
    mpesa: Mpesa,
    intake: CallbackIntake,
    allowed: Allows,
    hosts: tuple[str, ...] = (),
    origins: tuple[str, ...] = (),
) -> Surface:
    """The surface as app.py mounts it; `mpesa.sockets.run` must be running. `allowed` says
    which addresses the provider calls from."""
    mpesa.hashes.on_bound = mpesa.sockets.bound
    timeouts = CallbackHandler(intake, Source.TIMEOUT, allowed)
    return Surface(
        name="mpesa",
        prefix="/mpesa",
        hosts=hosts,
        routes=(
            *client_routes(mpesa, timeouts),
            *callback_routes(intake, allowed),
            *alias_routes(intake, allowed),
        ),
        sockets=_sockets(mpesa),
        render_error=_render_error,
        cors=Cors(origins=origins),
        about=ABOUT,
    )


def _sockets(mpesa: Mpesa) -> tuple[SocketRoute, ...]:
    """The documented paths, and the same without the document's own `/mpesa`: below the
    surface's prefix they make the document's addresses once more."""
    doors = (Door(mpesa, pays_out=False), Door(mpesa, pays_out=True))
    return tuple(
        SocketRoute(
            path + door.path,
            door.admit,
            LIMITS,
            summary=door.summary,
            guard=Guard.PERHAPS,
            query=SocketQuery,
            receives=door.receives,
            sends=door.sends,
        )
        for path in ("/mpesa", "")
        for door in doors
    )


class Door:
    """Admission to one of the two sockets."""

    def __init__(self, mpesa: Mpesa, *, pays_out: bool) -> None:
        self._mpesa = mpesa
        self._pays_out = pays_out
        self.path = "/b2c/:hash" if pays_out else "/stk/:hash"
        self.summary = "Withdrawals" if pays_out else "STK pushes"
        self.receives = PAYOUTS_ASKED if pays_out else PUSHES_ASKED
        self.sends = PAYOUTS_TOLD if pays_out else PUSHES_TOLD

    async def admit(self, request: Request) -> Admission:
        """400, 401 or 403 before the upgrade (FM-09), else the session of this hash."""
        mpesa, hash_ = self._mpesa, request.params["hash"]
        try:
            who = await identify(mpesa, request)
            caller = await admitted(mpesa, hash_, who, pays_out=self._pays_out)
        except Refused as refused:
            return failure(refused)
        except mpesa.unavailable:
            return failure(unavailable())
        feed = payouts_of(hash_) if self._pays_out else pushes_of(hash_)
        handlers = _PAYOUTS if self._pays_out else _PUSHES
        resume_from = resume_offset(request.query.get("resume_from"))

        def make_session(connection: Connection) -> Session:
            return Session(mpesa, connection, caller, who, feed, handlers, resume_from)

        return make_session


def _render_error(status: int, kind: ErrorKind, detail: str) -> Response:
    return failure(Refused(_CODES[kind], detail or kind.value, status=HTTPStatus(status)))
