"""One socket of updates: it says who it is, then hears of its person's transactions.

Before a good `auth` message nothing is sent (NXPY-233). A later `auth` replaces the person, so
that a client may bring a fresh token without reconnecting.
"""

from collections.abc import Callable
from typing import Final

import msgspec
from msgspec import UNSET
from websockets.frames import CloseCode

from actors.connection import Connection
from actors.people import Authenticated
from domain.events import Fact, TransactionMoved, person
from protocols.http import Request
from protocols.nexuspay.codec import encode, iso
from protocols.nexuspay.service import NexusPay
from protocols.nexuspay.spoken import ASKED, TOLD, SocketQuery
from protocols.nexuspay.wire.socket import Frame, Incoming, Problem, Update, Who
from protocols.replay import Replay, resume_offset
from protocols.sockets import Admission, SocketLimits, SocketRoute

NOT_AUTHENTICATED: Final = 4401  # a bad token, or one that died (NXPY-C37, X-C26)
NO_AUTH: Final = 4408  # nothing said in 10 s
_BAD_TOKEN: Final = "Invalid or expired token"  # noqa: S105
_RELOAD: Final = "events after this offset are not kept"
_LIMITS: Final = SocketLimits(max_message=16 * 1024)
_decode: Final = msgspec.json.Decoder(Incoming).decode


def updates_route(nexus: NexusPay) -> SocketRoute:
    """The socket at /ws; its handshake needs no token (NXPY-232)."""

    async def admit(request: Request) -> Admission:
        resume_from = resume_offset(request.query.get("resume_from"))
        return lambda connection: Session(nexus, connection, resume_from)

    return SocketRoute(
        "/ws",
        admit,
        _LIMITS,
        summary="Updates of transactions",
        query=SocketQuery,
        receives=ASKED,
        sends=TOLD,
    )


class Session:
    """Implements actors.connection.Session, protocols.expiry.Expiring and register.Waiting."""

    def __init__(self, nexus: NexusPay, connection: Connection, resume_from: int | None) -> None:
        self._nexus = nexus
        self._connection = connection
        self._resume_from = resume_from
        self._who: Authenticated | None = None
        self._replay: Replay | None = None
        self._unwatch: Callable[[], None] = _nothing

    async def opened(self) -> None:
        """It has 10 s to say who it is."""
        self._nexus.sockets.wait_for(self)

    async def text(self, data: bytes) -> None:
        """`auth` and `ping`; anything else is ignored."""
        try:
            message = _decode(data)
        except (msgspec.DecodeError, RecursionError):
            return
        if message.type == "auth":
            await self._authenticate(message.token)
        elif message.type == "ping" and self._who is not None:
            self._send(Frame(type="pong"))

    async def binary(self, data: bytes) -> None:
        """Ignored: nothing binary is documented."""

    def closed(self) -> None:
        """Forget the socket."""
        self._forget()

    def end(self) -> None:
        """The token has expired or was revoked."""
        self._connection.close(NOT_AUTHENTICATED, "token expired")

    def too_late(self) -> None:
        """No good `auth` in time."""
        if self._who is None:
            self._connection.close(NO_AUTH, "authentication timeout")

    async def _authenticate(self, token: object) -> None:
        nexus = self._nexus
        try:
            who = await nexus.people.authenticate(token if isinstance(token, str) else "")
        except nexus.unavailable:
            self._connection.close(CloseCode.TRY_AGAIN_LATER, "storage is unavailable")
            return
        if not isinstance(who, Authenticated):
            self._send(Frame(type="auth_error", data=Problem(message=_BAD_TOKEN)))
            self._connection.close(NOT_AUTHENTICATED, _BAD_TOKEN)
            return
        self._forget()
        self._who = who
        self._send(Frame(type="auth_success", data=Who(user_id=who.profile.object_id)))
        nexus.sockets.expiries.add(self, who.expires_at_us)
        self._unwatch = nexus.people.on_revoked(who, self.end)
        await self._listen(person(who.user_id))

    async def _listen(self, feed: str) -> None:
        nexus = self._nexus
        replay = Replay(
            feed, nexus.feeds, nexus.events, self._connection, self._tell, self._resume_from
        )
        self._replay = replay
        replay.start()
        try:
            await replay.catch_up(self._reload)
        except nexus.unavailable:
            self._connection.close(CloseCode.TRY_AGAIN_LATER, "storage is unavailable")

    def _forget(self) -> None:
        self._unwatch()
        self._unwatch = _nothing
        self._nexus.sockets.expiries.discard(self)
        if self._replay is not None:
            self._replay.stop()

    def _tell(self, fact: Fact, offset: int | None) -> None:
        """Facts that other surfaces tell are not told here."""
        if not isinstance(fact, TransactionMoved):
            return
        update = Update(transaction_id=fact.id, status=fact.status, timestamp=iso(fact.at_us))
        kind = "mpesa_update" if fact.mpesa else "transaction_update"
        self._send(Frame(type=kind, data=update, offset=UNSET if offset is None else offset))

    def _reload(self, newest: int) -> None:
        self._send(Frame(type="reload_required", data=Problem(message=_RELOAD), offset=newest))

    def _send(self, frame: Frame) -> None:
        self._connection.send_text(encode(frame))


def _nothing() -> None:
    """There is nothing to stop watching yet."""
