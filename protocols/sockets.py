"""What a surface declares about a WebSocket, and the opening handshake.

The handshake is checked before the surface is asked (400 and 426 need no token), the surface is
asked before anything is accepted (CASH-C01: 401 comes before the upgrade).
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from websockets.datastructures import Headers
from websockets.exceptions import PayloadTooBig
from websockets.extensions import Extension
from websockets.extensions.permessage_deflate import (
    PerMessageDeflate,
    ServerPerMessageDeflateFactory,
)
from websockets.frames import Frame
from websockets.http11 import Request as Handshake
from websockets.server import ServerProtocol
from websockets.typing import ExtensionParameter, Subprotocol

from actors.connection import Connection
from actors.session import Session, SocketLimits
from protocols.described import Guard, Said
from protocols.http import Request, Response

__all__ = ["Admission", "Connection", "Session", "SocketLimits", "SocketRoute"]

# Deflate can make a message larger (5 bytes per stored block); so much more may arrive on the
# wire than the message limit before the inflated size decides.
_DEFLATE_SLACK: Final = 64 * 1024

# What `admit` answers: a refusal before the upgrade, or what makes the session after it.
Admission: TypeAlias = Response | Callable[[Connection], Session]


@dataclass(frozen=True, slots=True)
class SocketRoute:
    """One WebSocket endpoint. `path` is a template below the surface's prefix.

    `admit` decides by the upgrade request alone. Of `subprotocols` the first one the client
    offers is selected; a client that offers none of them gets none (CASH-C01: a token that
    comes in as `bearer, <jwt>` selects "bearer").

    These only describe: `guard`, what the upgrade must carry; `query`, a struct of its query's
    fields; `receives` and `sends`, the messages.
    """

    path: str
    admit: Callable[[Request], Awaitable[Admission]]
    limits: SocketLimits = field(default_factory=SocketLimits)
    subprotocols: tuple[str, ...] = ()
    summary: str = ""
    guard: Guard = Guard.NOTHING
    query: Any = None
    receives: tuple[Said, ...] = ()
    sends: tuple[Said, ...] = ()


def offered_subprotocols(request: Request) -> list[str]:
    """The subprotocols a client offers, in its order."""
    offered = request.header("sec-websocket-protocol").split(",")
    return [name.strip() for name in offered if name.strip()]


class CappedDeflate(PerMessageDeflate):
    """permessage-deflate whose inflated size is exact to the byte.

    `max_size` comes in with the slack for the wire on top. The library treats 0 bytes left as no
    limit, which a fragment after a full message could use for a bomb; here 1 byte more is asked
    for and refused.
    """

    def decode(self, frame: Frame, *, max_size: int | None = None) -> Frame:
        """Inflate one frame; PayloadTooBig beyond what is left of the message limit."""
        assert max_size is not None
        left = max_size - _DEFLATE_SLACK
        decoded = super().decode(frame, max_size=max(left, 1))
        if len(decoded.data) > left:
            raise PayloadTooBig(len(decoded.data), max(left, 0))
        return decoded


class _DeflateFactory(ServerPerMessageDeflateFactory):
    """Without context takeover on either side: an idle socket keeps no zlib state (MPWS-C13)."""

    def __init__(self) -> None:
        super().__init__(
            server_no_context_takeover=True,
            client_no_context_takeover=True,
            server_max_window_bits=12,
            compress_settings={"memLevel": 5},
        )

    def process_request_params(
        self, params: Sequence[ExtensionParameter], accepted_extensions: Sequence[Extension]
    ) -> tuple[list[ExtensionParameter], PerMessageDeflate]:
        """Negotiate like the library, with our decoder."""
        answer, chosen = super().process_request_params(params, accepted_extensions)
        capped = CappedDeflate(
            chosen.remote_no_context_takeover,
            chosen.local_no_context_takeover,
            chosen.remote_max_window_bits,
            chosen.local_max_window_bits,
            chosen.compress_settings,
        )
        return answer, capped


_DEFLATE: Final = (_DeflateFactory(),)


@dataclass(frozen=True, slots=True)
class Upgrade:
    """An accepted handshake: the 101 response's bytes and what was negotiated."""

    response: bytes
    extensions: list[Extension]
    slack: int


@dataclass(frozen=True, slots=True)
class BadUpgrade:
    """A handshake that cannot be accepted, whoever asks."""

    status: int
    detail: str
    headers: tuple[tuple[str, str], ...] = ()


def is_upgrade(request: Request) -> bool:
    """Whether the request asks for a WebSocket, correctly or not."""
    return "websocket" in request.header("upgrade").lower()


def negotiate(route: SocketRoute, request: Request) -> Upgrade | BadUpgrade:
    """Check the handshake and choose extension and subprotocol."""

    def select(_: ServerProtocol, offered: Sequence[Subprotocol]) -> Subprotocol | None:
        return next((name for name in offered if name in route.subprotocols), None)

    protocol = ServerProtocol(
        extensions=_DEFLATE if route.limits.deflate else None, select_subprotocol=select
    )
    target = request.path + ("?" + request.raw_query if request.raw_query else "")
    handshake = Handshake(
        target, Headers(request.headers.items()), request.method, f"HTTP/{request.version}"
    )
    answer = protocol.accept(handshake)
    if answer.status_code == 101:
        extensions = list(protocol.extensions)
        return Upgrade(answer.serialize(), extensions, _DEFLATE_SLACK if extensions else 0)
    kept = tuple((n, v) for n, v in answer.headers.raw_items() if n in ("Upgrade", "Allow"))
    if request.header("sec-websocket-version", "13") != "13":
        kept += (("Sec-WebSocket-Version", "13"),)
    return BadUpgrade(answer.status_code, "bad WebSocket handshake", kept)
