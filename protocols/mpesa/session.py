"""One client socket: messages to handlers, one reply each and in order, updates as they come."""

from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus

import structlog
from msgspec import UNSET
from websockets.frames import CloseCode

from actors.connection import Connection
from actors.people import Authenticated
from domain.events import Fact
from domain.hashes import masked
from protocols.mpesa import codec, events
from protocols.mpesa.admission import Caller
from protocols.mpesa.errors import Code, Refused, internal, unavailable
from protocols.mpesa.service import Mpesa
from protocols.mpesa.wire import ErrorPayload, Message
from protocols.replay import Replay

log = structlog.get_logger(__name__)

EXPIRED = 4401  # close code of a token that has expired or was revoked (X-C26)

Handler = Callable[[Mpesa, Caller, bytes], Awaitable[Message]]
"""Answers one message; raises Refused."""


class Session:
    """Implements actors.connection.Session for one socket of a hash.

    `who` is None on an anonymous socket, which ends when its hash becomes somebody's. There is
    no welcome message: a client may send before anything else happens (MPWS-059).
    """

    def __init__(
        self,
        mpesa: Mpesa,
        connection: Connection,
        caller: Caller,
        who: Authenticated | None,
        feed: str,
        handlers: Mapping[str, Handler],
        resume_from: int | None,
    ) -> None:
        self._mpesa = mpesa
        self._connection = connection
        self._caller = caller
        self._who = who
        self._handlers = handlers
        self._unwatch: Callable[[], None] = _nothing
        self._replay = Replay(
            feed, mpesa.feeds, mpesa.events, connection, self._update, resume_from
        )

    @property
    def user_id(self) -> int | None:
        """Whose socket it is."""
        return self._caller.user_id

    def end(self) -> None:
        """The token has died, or the hash is somebody else's now."""
        self._connection.close(EXPIRED, "token expired" if self._who else "unauthorized")

    async def opened(self) -> None:
        """Listen; a resuming client is told first what it missed (X-C28)."""
        mpesa, who, hash_ = self._mpesa, self._who, self._caller.hash
        mpesa.sockets.add(hash_, self, who.expires_at_us if who is not None else None)
        if who is not None:
            self._unwatch = mpesa.people.on_revoked(who, self.end)
        elif mpesa.hashes.known_owner(hash_) is not None:  # since it was admitted
            self.end()
            return
        log.debug("mpesa.opened", hash=masked(hash_), user_id=self.user_id)
        self._replay.start()
        try:
            await self._replay.catch_up(self._reload)
        except mpesa.unavailable:
            self._connection.close(CloseCode.TRY_AGAIN_LATER, "storage is unavailable")

    async def text(self, data: bytes) -> None:
        """Answer one message."""
        if self._has_expired():
            self.end()
            return
        kind: str | None = None
        try:
            request = codec.read_message(data)
            kind = codec.shown_kind(request.kind)
            handler = self._handlers.get(request.kind)
            if handler is None:
                raise Refused(Code.INVALID_KIND, "no such kind on this endpoint")
            reply = codec.encode(await handler(self._mpesa, self._caller, request.payload))
        except Refused as refused:
            reply = _error(kind, refused)
        except self._mpesa.unavailable:
            reply = _error(kind, unavailable())
        except Exception:
            log.exception("mpesa.failed", kind=kind, hash=masked(self._caller.hash))
            reply = _error(kind, internal())
        self._connection.send_text(reply)

    async def binary(self, data: bytes) -> None:
        """The same JSON, however it is framed."""
        await self.text(data)

    def closed(self) -> None:
        """Forget the socket."""
        self._unwatch()
        self._replay.stop()
        self._mpesa.sockets.discard(self._caller.hash, self)

    def _has_expired(self) -> bool:
        who = self._who
        return who is not None and self._mpesa.clock.now_us() >= who.expires_at_us

    def _update(self, fact: Fact, offset: int | None) -> None:
        frame = events.frame(fact, offset)
        if frame is not None:
            self._connection.send_text(frame)

    def _reload(self, offset: int) -> None:
        self._connection.send_text(events.reload_required(offset))


def _error(kind: str | None, refused: Refused) -> bytes:
    """An error never closes the connection (MPWS-C02)."""
    code = refused.code
    if refused.status is HTTPStatus.UNPROCESSABLE_ENTITY:  # MPWS-C02 has one word for both
        code = Code.DUPLICATE
    payload = ErrorPayload(
        request=kind,
        code=code,
        message=refused.message,
        field=UNSET if refused.field is None else refused.field,
    )
    return codec.encode(Message(kind="error", payload=payload))


def _nothing() -> None:
    """There is nothing to stop watching yet."""
