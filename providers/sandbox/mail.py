"""A submission server whose every mailbox is the outbox: SMTP over loopback.

aiosmtpd speaks asyncio, so it has an event loop in one thread, which ends before `serve` does.
"""

import asyncio
import hmac
import logging
from collections.abc import Callable
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default as default_policy
from functools import partial
from ssl import SSLContext
from typing import Any, Final, cast

import structlog
import trio
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from providers.sandbox.fault import Fault
from providers.sandbox.message_api import SLOW_SECONDS
from providers.sandbox.outbox import Outbox

log = structlog.get_logger(__name__)

USERNAME: Final = "daftari"
PASSWORD: Final = "sandbox-mail"  # noqa: S105 - opens nothing outside of this process
_LARGEST_MESSAGE_BYTES: Final = 1024 * 1024
# What was accepted last takes three turns of the loop until it is a transport we know of; a
# server closed in between would leak it.
_TURNS_TO_KNOW: Final = 5
_DOWN: Final = b"421 4.3.2 Service not available\r\n"
_ACCEPTED: Final = "250 2.0.0 Message accepted"
_FAILED: Final = "554 5.3.0 Transaction failed"
_CONFUSED: Final = "451 4.3.0 Local error in processing"
_NEEDS_LOGIN: Final = "530 5.7.0 Authentication required"


class MailServer:
    """Takes mail from whoever logs in with the sandbox's credentials."""

    def __init__(
        self,
        outbox: Outbox,
        fault: Fault,
        *,
        tls: SSLContext | None = None,
        slow_seconds: float = SLOW_SECONDS,
    ) -> None:
        """With `tls`, STARTTLS is offered and AUTH only after it."""
        self._outbox = outbox
        self._fault = fault
        self._tls = tls
        self._slow_seconds = slow_seconds

    async def serve(self, *, task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve until cancelled; `task_status.started(port)` once connections are accepted."""
        # It logs every command with its addresses, which the sandbox's log need not hold, and
        # warns of an attribute of its own at every login.
        logging.getLogger("mail.log").setLevel(logging.ERROR)
        loop_thread = _LoopThread(self._connection)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.to_thread.run_sync, loop_thread.run)
            try:
                task_status.started(await loop_thread.port())
                await trio.sleep_forever()
            finally:
                loop_thread.stop()

    def _connection(self, open_transports: set[asyncio.Transport]) -> asyncio.Protocol:
        """Called by the loop for each connection."""
        if self._fault.take("down"):
            return _Closed()
        smtp = _Session(
            open_transports,
            self,
            data_size_limit=_LARGEST_MESSAGE_BYTES,
            enable_SMTPUTF8=True,
            tls_context=self._tls,
            require_starttls=self._tls is not None,
            auth_require_tls=self._tls is not None,
            authenticator=_authenticate,
            hostname="localhost",
            ident="sandbox mail",
        )
        return cast(asyncio.Protocol, smtp)

    async def handle_MAIL(
        self,
        server: SMTP,
        session: Session,
        envelope: Envelope,
        address: str,
        mail_options: list[str],
    ) -> str:
        """Refuse whoever has not logged in."""
        if not session.authenticated:
            return _NEEDS_LOGIN
        envelope.mail_from = address
        envelope.mail_options.extend(mail_options)
        return "250 2.1.0 Sender ok"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        """Put the message into the outbox, once for each recipient."""
        played = self._fault.take("error", "slow")
        if played == "error":
            return _FAILED
        if played == "slow":
            await asyncio.sleep(self._slow_seconds)
        content = envelope.content
        message = message_from_bytes(
            content if isinstance(content, bytes) else b"", policy=default_policy
        )
        text, subject = _text_of(message), str(message["Subject"] or "") or None
        for recipient in envelope.rcpt_tos:
            self._outbox.record("email", recipient, text, subject=subject)
        return _ACCEPTED

    async def handle_exception(self, error: Exception) -> str:
        """A client that breaks off, in the middle of TLS for one, is its own affair."""
        log.warning("sandbox.mail_session_failed", error=type(error).__name__)
        return _CONFUSED


def _text_of(message: EmailMessage) -> str:
    body = message.get_body(preferencelist=("plain",))
    return "\n".join(str(body.get_content()).splitlines()) if body is not None else ""


def _authenticate(
    server: SMTP, session: Session, envelope: Envelope, mechanism: str, login: LoginPassword
) -> AuthResult:
    known = hmac.compare_digest(login.login, USERNAME.encode())
    known &= hmac.compare_digest(login.password, PASSWORD.encode())
    return AuthResult(success=known, handled=False, auth_data=None)


class _Session(SMTP):
    """One connection, known to whoever has to end them all."""

    def __init__(self, open_transports: set[asyncio.Transport], *args: Any, **kwargs: Any) -> None:
        self._open_transports = open_transports
        self._accepted: asyncio.Transport | None = None
        super().__init__(*args, **kwargs)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called again when TLS has started, with a transport over the accepted one."""
        if self._accepted is None:
            self._accepted = cast(asyncio.Transport, transport)
            self._open_transports.add(self._accepted)
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        """The end, by whichever side."""
        if self._accepted is not None:
            self._open_transports.discard(self._accepted)
        super().connection_lost(error)


class _Closed(asyncio.Protocol):
    """How a server that is down for the moment greets."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        writer = cast(asyncio.WriteTransport, transport)
        writer.write(_DOWN)
        writer.close()


class _LoopThread:
    """An asyncio server in a thread, started and stopped from Trio."""

    def __init__(self, factory: Callable[[set[asyncio.Transport]], asyncio.Protocol]) -> None:
        self._factory = factory
        self._trio_token = trio.lowlevel.current_trio_token()
        self._started = trio.Event()
        self._port = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None
        self._stop_asked = False

    async def port(self) -> int:
        """Once the server accepts connections."""
        await self._started.wait()
        return self._port

    def run(self) -> None:
        """The thread: returns after stop(), with every task of the loop finished."""
        asyncio.run(self._serve())

    def stop(self) -> None:
        """From Trio, once or more, at any time."""
        self._stop_asked = True
        if self._loop is not None and self._stopping is not None:
            self._loop.call_soon_threadsafe(self._stopping.set)

    async def _serve(self) -> None:
        loop = asyncio.get_running_loop()
        stopping = asyncio.Event()
        transports: set[asyncio.Transport] = set()
        server = await loop.create_server(partial(self._factory, transports), "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        self._trio_token.run_sync_soon(partial(self._report, loop, stopping, port))
        try:
            await stopping.wait()
        finally:
            for listener in server.sockets:
                loop.remove_reader(listener.fileno())
            for _ in range(_TURNS_TO_KNOW):
                await asyncio.sleep(0)
            server.close()
            for transport in tuple(transports):
                transport.abort()
            while transports:
                await asyncio.sleep(0)

    def _report(self, loop: asyncio.AbstractEventLoop, stopping: asyncio.Event, port: int) -> None:
        """In Trio's thread, so that a stop asked before the loop ran is not lost."""
        self._loop, self._stopping, self._port = loop, stopping, port
        self._started.set()
        if self._stop_asked:
            self.stop()
