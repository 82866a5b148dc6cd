"""One cashier socket: requests strictly in order, events as they are committed.

The connection delivers the next message when `text` has returned, so replies keep the order of
requests (CASH-C03); events are sent in between. Nothing here waits for the socket.
"""

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from time import monotonic
from typing import Final, Literal

import structlog
from msgspec import UNSET, Raw
from websockets.frames import CloseCode

from actors.batch import Command, Result
from actors.connection import Connection
from actors.people import Authenticated
from actors.session import Prompt
from domain.events import Fact, person
from domain.ledger import AccountKey, wallet
from protocols.cashier import codec, events
from protocols.cashier.calls import Call, Draft, Missing, Saved
from protocols.cashier.dispatch import DRAFTS, HANDLERS, Drafter, Handler
from protocols.cashier.errors import Problem, Refused, unknown_type
from protocols.cashier.keyed import fingerprint, key_of, once
from protocols.cashier.service import Cashier
from protocols.cashier.wire.base import Envelope, Failure, Reply, Success, Wire
from protocols.replay import Replay

log = structlog.get_logger(__name__)

EXPIRED: Final = 4401  # close code of a token that has expired or was revoked (X-C26)
_RELOAD: Final = "events after this offset are not kept"


class Session:
    """Implements actors.connection.Session and protocols.expiry.Expiring for one person's socket.

    `resume_from`: the offset the client has seen, None for a client that knows nothing of
    offsets. It is closed when its token expires or is revoked.
    """

    def __init__(
        self, cashier: Cashier, connection: Connection, who: Authenticated, resume_from: int | None
    ) -> None:
        self._cashier = cashier
        self._connection = connection
        self._who = who
        self._user_id = who.user_id
        self._unwatch: Callable[[], None] = _nothing
        self._replay = Replay(
            person(who.user_id),
            cashier.feeds,
            cashier.events,
            connection,
            self._send_event,
            resume_from,
        )
        self._bucket = _Bucket(cashier.settings.messages_per_second)
        self._has_wallet = False
        self._awaited = 0  # by a parked request
        self._parked: _Asked | None = None  # the request that awaits something

    def end(self) -> None:
        """The token has expired or was revoked."""
        self._connection.close(EXPIRED, "token expired")

    async def opened(self) -> None:
        """`connected` first, then what a resuming client missed (CASH-005, X-C28)."""
        cashier = self._cashier
        cashier.sessions.add(self, self._who.expires_at_us)
        self._unwatch = cashier.people.on_revoked(self._who, self.end)
        self._replay.start()
        try:
            self._greet(await self._replay.newest())
            await self._replay.catch_up(self._reload)
        except cashier.unavailable:
            self._connection.close(CloseCode.TRY_AGAIN_LATER, "storage is unavailable")
            return
        with suppress(*cashier.unavailable):  # the first request tries again
            await self._open_wallet()
            self._connection.prompt = self._prompt

    async def text(self, data: bytes) -> None:
        """Answer one request."""
        if self._cashier.clock.now_us() >= self._who.expires_at_us:
            self.end()
            return
        envelope = codec.decode_envelope(data)
        if not self._bucket.take(monotonic()):
            self._reply(Failure(message=Problem.TOO_MANY_REQUESTS), envelope)
        elif envelope is None:
            self._reply(Failure(message=Problem.INVALID_FORMAT), None)
        else:
            self._reply(await self._answer(envelope), envelope)

    async def binary(self, data: bytes) -> None:
        """Refused; the socket lives (CASH-C64)."""
        self._reply(Failure(message=Problem.INVALID_FORMAT), None)

    def closed(self) -> None:
        """Forget the socket."""
        self._unwatch()
        self._replay.stop()
        self._cashier.sessions.discard(self)

    # Requests

    def _prompt(self, data: bytes) -> Prompt:
        """Begin a request that needs nothing but what is in memory, and its commit.

        Like `text`, check by check; whatever is out of the ordinary is declined and left to it.
        """
        cashier = self._cashier
        asked = self._parked or _asked(data)
        if asked is None or cashier.clock.now_us() >= self._who.expires_at_us:
            return Prompt.DECLINED
        envelope, drafter, request = asked
        try:
            draft = drafter(cashier, Call(self._user_id), request)
        except Refused:
            return Prompt.DECLINED
        if isinstance(draft, Missing):
            return self._park(asked, draft.user_id, [draft.account])
        if draft is None or not self._bucket.take(monotonic()):
            return Prompt.DECLINED
        accepted = cashier.ledger.submit(draft.intent)
        if isinstance(accepted, Command):
            accepted.heard = partial(self._recorded, envelope, draft)
            return Prompt.BEGUN
        self._bucket.give_back()
        if accepted is not None:
            return Prompt.DECLINED
        wanted = [key for p in draft.intent.postings for key in (p.source, p.destination)]
        return self._park(asked, None, wanted)

    def _park(self, asked: "_Asked", user_id: int | None, accounts: list[AccountKey]) -> Prompt:
        """Have these brought into memory, and the request offered again, once."""
        if self._parked is not None:
            return Prompt.DECLINED
        cashier, awaited = self._cashier, 0
        for account in accounts:
            awaited += cashier.ledger.accounts.expect(account, self._arrived)
        if user_id is not None and not awaited:  # else their account tells that they are there
            awaited += cashier.people.expect(user_id, self._arrived)
        if not awaited:
            return Prompt.DECLINED
        self._awaited, self._parked = awaited, asked
        return Prompt.PARKED

    def _arrived(self) -> None:
        self._awaited -= 1
        if not self._awaited:
            self._connection.offer_again()
            self._parked = None

    def _recorded(self, envelope: Envelope, draft: Draft, result: Result) -> None:
        """The journal is done with a prompt request: answer it with the next write."""
        self._connection.render_later(partial(self._conclude, envelope, draft, result))

    def _conclude(self, envelope: Envelope, draft: Draft, result: Result) -> None:
        body: Success | Failure
        try:
            body = draft.outcome(result)
        except Exception as error:
            body = self._failure(error, envelope.type)
        self._reply(body, envelope)
        self._connection.answered()

    async def _answer(self, envelope: Envelope) -> Success | Failure | Saved:
        """The body of the reply; whatever goes wrong, there is one (CASH-018)."""
        handler = HANDLERS.get(envelope.type)
        if handler is None:
            return Failure(message=unknown_type(envelope.type))
        request = codec.decode_data(envelope.type, envelope.data)
        if request is None:
            return Failure(message=Problem.INVALID_DATA)
        try:
            if not self._has_wallet:
                await self._open_wallet()
            return await self._carry_out(handler, envelope.type, request)
        except Exception as error:
            return self._failure(error, envelope.type)

    def _failure(self, error: Exception, kind: str) -> Failure:
        """What a request of type `kind` that ended so is answered."""
        if isinstance(error, Refused):
            return Failure(message=error.text)
        if isinstance(error, self._cashier.unavailable):
            return Failure(message=Problem.UNAVAILABLE)
        log.error("request failed", type=kind, user_id=self._user_id, exc_info=error)
        return Failure(message=Problem.INTERNAL)

    async def _carry_out(self, handler: Handler, kind: str, request: Wire) -> Success | Saved:
        cashier, user_id = self._cashier, self._user_id
        key = key_of(request)
        if key is None:
            return await handler(cashier, Call(user_id), request)

        async def handle(call: Call) -> Success:
            return await handler(cashier, call, request)

        return await once(cashier.idempotency, user_id, key, fingerprint(kind, request), handle)

    async def _open_wallet(self) -> None:
        """A person's first cashier connection opens their USD account (CASH-C16)."""
        key = wallet(self._user_id, "USD")
        if self._cashier.ledger.accounts.peek(key) is None:
            await self._cashier.ledger.accounts.open(key)
        self._has_wallet = True

    def _reply(self, body: Success | Failure | Saved, envelope: Envelope | None) -> None:
        """Send one reply; a saved one is sent as it was, at today's time."""
        request_id = UNSET if envelope is None else envelope.request_id
        kind: Literal["success", "error"]
        data: Success | Failure | Raw
        if isinstance(body, Success):
            kind, data = "success", body
        elif isinstance(body, Failure):
            kind, data = "error", body
        else:
            kind, data = body.type, body.data
        now_s = self._cashier.clock.now_s()
        reply = Reply(type=kind, data=data, timestamp=now_s, request_id=request_id)
        self._connection.send_text(codec.encode(reply))

    # Events

    def _greet(self, offset: int | None) -> None:
        now_s = self._cashier.clock.now_s()
        self._connection.send_text(events.connected(self._user_id, now_s, offset))

    def _send_event(self, fact: Fact, offset: int | None) -> None:
        frame = events.frame(fact, self._cashier.clock.now_s(), offset)
        if frame is not None:
            self._connection.send_text(frame)

    def _reload(self, newest: int) -> None:
        now_s = self._cashier.clock.now_s()
        self._connection.send_text(events.reload_required(_RELOAD, now_s, newest))


# A request that may be answered without waiting, and what drafts it.
_Asked = tuple[Envelope, Drafter, Wire]


def _asked(data: bytes) -> _Asked | None:
    envelope = codec.decode_envelope(data)
    drafter = DRAFTS.get(envelope.type) if envelope is not None else None
    if envelope is None or drafter is None:
        return None
    request = codec.decode_data(envelope.type, envelope.data)
    if request is None or key_of(request) is not None:
        return None
    return envelope, drafter, request


class _Bucket:
    """As many messages as it holds at once, refilled by as many a second (X-C20); real time."""

    __slots__ = ("_at", "_left", "_size")

    def __init__(self, size: int) -> None:
        self._size = size
        self._left = float(size)
        self._at = 0.0

    def take(self, now: float) -> bool:
        """Whether one more message fits at `now` seconds."""
        self._left = min(float(self._size), self._left + (now - self._at) * self._size)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True

    def give_back(self) -> None:
        """The message just taken comes again."""
        self._left += 1


def _nothing() -> None:
    """There is nothing to stop watching yet."""
