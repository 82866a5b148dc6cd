"""E-mail by SMTP submission: one connection for each message."""

import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email.message import EmailMessage
from typing import Final

import trio
from smtpproto.protocol import SMTPClientProtocol, SMTPException

from actors.messenger import Again, Outcome, Refused, Sent
from providers.smtp import codec
from providers.smtp.wire import Phase, Reply, SubmissionEnded
from providers.trust import authorities_here

_READ_BYTES: Final = 4_096


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds of real time; all of a submission also stays under the messenger's deadline."""

    connect: float = 5.0
    reply: float = 10.0
    farewell: float = 1.0


class Mail:
    """A messenger channel for one submission server."""

    def __init__(
        self,
        settings: codec.Settings,
        *,
        now_us: Callable[[], int],
        nonce: Callable[[], str],
        ssl_context: ssl.SSLContext | None = None,
        timeouts: Timeouts | None = None,
    ) -> None:
        """`nonce` gives unguessable text for Message-IDs; `ssl_context` verifies the server."""
        self._settings = settings
        self._now_us = now_us
        self._nonce = nonce
        self._ssl_context = ssl_context or authorities_here()
        self._timeouts = timeouts or Timeouts()

    async def deliver(
        self, to: str, text: str, *, subject: str | None, code: str | None
    ) -> Outcome:
        """Submit one message; the code is in the text."""
        message = codec.compose(
            self._settings, to, subject, text, nonce=self._nonce(), now_us=self._now_us()
        )
        if isinstance(message, Refused):
            return message
        submission = _Submission(self._settings, self._ssl_context, self._timeouts)
        try:
            return await submission.run(to, message)
        finally:
            await submission.close()


class _Submission:
    """One connection, from connecting to farewell."""

    def __init__(
        self, settings: codec.Settings, ssl_context: ssl.SSLContext, timeouts: Timeouts
    ) -> None:
        self._settings = settings
        self._ssl_context = ssl_context
        self._timeouts = timeouts
        self._protocol = SMTPClientProtocol()
        self._replies = codec.ReplyReader()
        self._phase = Phase.CONNECTING
        self._stream: trio.abc.Stream | None = None

    async def run(self, to: str, message: EmailMessage) -> Outcome:
        """The one place where the library's and the network's errors become outcomes."""
        try:
            await self._submit(to, message)
        except SubmissionEnded as ended:
            return ended.outcome
        except SMTPException as error:
            return codec.violation(self._phase, error)
        except trio.TooSlowError:
            return codec.silence(self._phase, "timeout", Again.LATER)
        except (OSError, trio.BrokenResourceError) as error:
            distrusted = isinstance(error.__cause__, ssl.SSLError)
            again = Again.NEVER if distrusted else Again.NOW
            return codec.silence(self._phase, "TLS failed" if distrusted else "closed", again)
        await self._say_farewell()
        return Sent(str(message["Message-ID"]))

    async def close(self) -> None:
        """Drop the connection; a peer that does not close in turn is not waited for."""
        if self._stream is not None:
            await trio.aclose_forcefully(self._stream)

    async def _submit(self, to: str, message: EmailMessage) -> None:
        stream = await self._connect()
        codec.advance(self._protocol, await self._reply(stream), self._phase)
        await self._say(stream, codec.before_tls(self._protocol, self._settings))
        if codec.starts_tls(self._protocol, self._settings):
            if not self._replies.is_empty:
                raise SubmissionEnded(Refused(f"{codec.NAME}: words before TLS"))
            stream = await self._protect(stream)
            await self._say(stream, iter([self._greet]))
        await self._say(stream, codec.login(self._protocol, self._settings))
        await self._say(stream, codec.envelope(self._protocol, self._settings, to))
        self._phase = Phase.DELIVERING
        await self._say(stream, iter([lambda: self._protocol.data(message)]))

    def _greet(self) -> None:
        self._protocol.send_greeting(self._settings.greeting)

    async def _connect(self) -> trio.abc.Stream:
        with trio.fail_after(self._timeouts.connect):
            stream = await trio.open_tcp_stream(self._settings.host, self._settings.port)
        self._stream = stream
        self._phase = Phase.TALKING
        if self._settings.security is codec.Security.TLS:
            return await self._protect(stream)
        return stream

    async def _protect(self, stream: trio.abc.Stream) -> trio.abc.Stream:
        protected = trio.SSLStream(stream, self._ssl_context, server_hostname=self._settings.host)
        self._stream = protected
        with trio.fail_after(self._timeouts.connect):
            await protected.do_handshake()
        return protected

    async def _say(self, stream: trio.abc.Stream, commands: Iterator[codec.Command]) -> None:
        """Each command, and its reply before the next one is even thought of."""
        for command in commands:
            command()
            with trio.fail_after(self._timeouts.reply):
                await stream.send_all(self._protocol.get_outgoing_data())
            codec.advance(self._protocol, await self._reply(stream), self._phase)

    async def _reply(self, stream: trio.abc.Stream) -> Reply:
        with trio.fail_after(self._timeouts.reply):
            while (reply := self._replies.take()) is None:
                received = await stream.receive_some(_READ_BYTES)
                if not received:
                    raise trio.BrokenResourceError("closed by the server")
                self._replies.feed(bytes(received))
        return reply

    async def _say_farewell(self) -> None:
        """QUIT, as a courtesy: the message is accepted already."""
        if self._stream is None:
            return
        self._protocol.quit()
        with trio.move_on_after(self._timeouts.farewell):
            try:
                await self._stream.send_all(self._protocol.get_outgoing_data())
                await self._reply(self._stream)
            except (trio.BrokenResourceError, trio.TooSlowError, SMTPException):
                return
