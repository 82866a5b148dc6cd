"""One socket of document 004: pings are answered, and its person's bots are told of.

With `?resume_from=OFFSET` what was missed comes first, and every event carries its offset.
"""

from collections.abc import Callable
from typing import Final

import msgspec
from msgspec import UNSET
from websockets.frames import CloseCode

from actors.connection import Connection
from actors.people import Authenticated
from domain.events import BotAlert, BotUpdated, Fact, TradeExecuted, person
from protocols.amarktai.codec import encode, iso
from protocols.amarktai.hooks import Hooks
from protocols.amarktai.render import bot_update, trade_executed
from protocols.amarktai.service import Amarktai
from protocols.amarktai.spoken import ASKED, TOLD
from protocols.amarktai.wire import bots as wire
from protocols.amarktai.wire.base import FollowQuery
from protocols.described import Guard
from protocols.http import Request, Response
from protocols.replay import Replay, resume_offset
from protocols.sockets import Admission, SocketLimits, SocketRoute

TOKEN_ENDED: Final = 4401  # X-C26
_RELOAD: Final = "events after this offset are not kept"
_LIMITS: Final = SocketLimits(max_message=16 * 1024)
_decode: Final = msgspec.json.Decoder(wire.Incoming).decode


def socket_route(amarktai: Amarktai, hooks: Hooks) -> SocketRoute:
    """The socket at /api/ws; 401 before the upgrade without a good token."""

    async def admit(request: Request) -> Admission:
        who = await hooks.identify(request, in_query=True)
        if isinstance(who, Response):
            return who
        resume_from = resume_offset(request.query.get("resume_from"))
        return lambda connection: Session(amarktai, connection, who, resume_from)

    return SocketRoute(
        "/api/ws",
        admit,
        _LIMITS,
        summary="Bots, trades and alerts as they happen",
        guard=Guard.TOKEN,
        query=FollowQuery,
        receives=ASKED,
        sends=TOLD,
    )


class Session:
    """Implements actors.connection.Session and protocols.expiry.Expiring."""

    def __init__(
        self,
        amarktai: Amarktai,
        connection: Connection,
        who: Authenticated,
        resume_from: int | None,
    ) -> None:
        self._amarktai = amarktai
        self._connection = connection
        self._who = who
        self._unwatch: Callable[[], None] = _nothing
        self._replay = Replay(
            person(who.user_id),
            amarktai.feeds,
            amarktai.events,
            connection,
            self._tell,
            resume_from,
        )

    async def opened(self) -> None:
        """Listen from now on; first to what was missed."""
        self._amarktai.expiries.add(self, self._who.expires_at_us)
        self._unwatch = self._amarktai.people.on_revoked(self._who, self.end)
        self._replay.start()
        try:
            await self._replay.catch_up(self._reload)
        except self._amarktai.unavailable:
            self._connection.close(CloseCode.TRY_AGAIN_LATER, "storage is unavailable")

    async def text(self, data: bytes) -> None:
        """`ping`; nothing else is known (AMKT-C36)."""
        try:
            message = _decode(data)
        except (msgspec.DecodeError, RecursionError):
            self._send(wire.Problem(message="Invalid message format"))
            return
        if message.type == "ping":
            self._send(wire.Pong(timestamp=iso(self._amarktai.clock.now_us())))
        else:
            self._send(wire.Problem(message="Unknown message type"))

    async def binary(self, data: bytes) -> None:
        """Nothing binary is documented."""
        self._send(wire.Problem(message="Invalid message format"))

    def closed(self) -> None:
        """Forget the socket."""
        self._unwatch()
        self._amarktai.expiries.discard(self)
        self._replay.stop()

    def end(self) -> None:
        """The token has expired or was revoked."""
        self._connection.close(TOKEN_ENDED, "token expired")

    def _tell(self, fact: Fact, offset: int | None) -> None:
        """Facts that other surfaces tell are not told here."""
        at = UNSET if offset is None else offset
        match fact:
            case BotUpdated(bot=bot):
                self._send(bot_update(bot, at))
            case TradeExecuted(trade=trade):
                self._send(trade_executed(trade, at))
            case BotAlert(bot_id=bot_id, level=level, message=message):
                alert = wire.Alert(
                    level=level.value, message=message, bot_id=bot_id or UNSET, offset=at
                )
                self._send(alert)

    def _reload(self, newest: int) -> None:
        self._send(wire.ReloadRequired(message=_RELOAD, offset=newest))

    def _send(self, message: object) -> None:
        self._connection.send_text(encode(message))


def _nothing() -> None:
    """There is nothing to stop watching yet."""
