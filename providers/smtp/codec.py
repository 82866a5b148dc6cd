"""Mail submission: what is sent, and what a reply or a silence proves. Pure.

The commands and their order come from smtpproto's protocol object; it is fed whole replies one
at a time, so that this module, which knows the phase, judges their codes first.
"""

import re
from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime
from enum import Enum
from ipaddress import ip_address
from typing import Final

from smtpproto.protocol import SMTPClientProtocol, SMTPException

from actors.messenger import Again, Outcome, Refused, Unknown
from providers.smtp.wire import Phase, Reply, SubmissionEnded

NAME: Final = "smtp"
# What no mail server is sent, so that a header or a command cannot be smuggled in an address.
_ATOM: Final = r"[^\s@<>()\[\],;:\"\\\x00-\x1f\x7f]+"
_ADDRESS: Final = re.compile(f"{_ATOM}@{_ATOM}")
_LONGEST_ADDRESS: Final = 254
_LONGEST_REPLY_BYTES: Final = 64 * 1024
_LAST_LINE: Final = re.compile(rb"^(\d{3})(?: [^\r\n]*)?\r?\n", re.MULTILINE)

Command = Callable[[], None]


class Security(Enum):
    """How the connection is protected."""

    AUTO = "auto"  # STARTTLS required, except on loopback, where it is used if offered
    STARTTLS = "starttls"  # required
    TLS = "tls"  # from the first byte (port 465)
    PLAIN = "plain"  # never; passwords go in clear


@dataclass(frozen=True, slots=True)
class Settings:
    """A submission server; `sender` is the From address, `sender_name` shown beside it."""

    host: str
    port: int
    sender: str
    sender_name: str = ""
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    security: Security = Security.AUTO
    greeting: str = "localhost"  # how we introduce ourselves in EHLO

    @property
    def requires_tls(self) -> bool:
        """Whether anything beyond EHLO may be said in clear."""
        if self.security is Security.AUTO:
            return not _is_loopback(self.host)
        return self.security is Security.STARTTLS

    @property
    def refuses_tls(self) -> bool:
        """Whether an offered STARTTLS is left alone."""
        return self.security is Security.PLAIN


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def compose(
    settings: Settings, to: str, subject: str | None, text: str, *, nonce: str, now_us: int
) -> EmailMessage | Refused:
    """The message; `nonce` makes its Message-ID unique."""
    if len(to) > _LONGEST_ADDRESS or not _ADDRESS.fullmatch(to):
        return Refused("not an e-mail address")
    message = EmailMessage()
    user, _, domain = settings.sender.rpartition("@")
    message["From"] = Address(settings.sender_name, user, domain)
    message["To"] = Address("", *to.rsplit("@", 1))
    message["Subject"] = " ".join((subject or "").split())
    message["Date"] = format_datetime(datetime.fromtimestamp(now_us // 1_000_000, UTC))
    message["Message-ID"] = f"<{nonce}@{domain}>"
    # Nobody's holiday notice should answer a code (RFC 3834).
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(text)
    return message


def before_tls(protocol: SMTPClientProtocol, settings: Settings) -> Iterator[Command]:
    """The commands up to the point where the connection is to be protected, if it is."""
    yield lambda: protocol.send_greeting(settings.greeting)
    if starts_tls(protocol, settings):
        yield protocol.start_tls


def starts_tls(protocol: SMTPClientProtocol, settings: Settings) -> bool:
    """After EHLO: whether to go on under TLS; SubmissionEnded where that must be but cannot."""
    if settings.security is Security.TLS or settings.refuses_tls:
        return False
    offered = "STARTTLS" in protocol.extensions
    if settings.requires_tls and not offered:
        raise SubmissionEnded(Refused(f"{NAME}: the server offers no STARTTLS"))
    return offered


def login(protocol: SMTPClientProtocol, settings: Settings) -> Iterator[Command]:
    """The commands of AUTH PLAIN, or LOGIN where that is all there is."""
    if settings.username is None or settings.password is None:
        return
    user, password = settings.username, settings.password
    if "PLAIN" in protocol.auth_mechanisms:
        yield lambda: protocol.authenticate("PLAIN", _base64(f"\0{user}\0{password}"))
    elif "LOGIN" in protocol.auth_mechanisms:
        yield lambda: protocol.authenticate("LOGIN")
        yield lambda: protocol.send_authentication_data(_base64(user))
        yield lambda: protocol.send_authentication_data(_base64(password))
    else:
        raise SubmissionEnded(Refused(f"{NAME}: the server offers no AUTH PLAIN or LOGIN"))


def envelope(protocol: SMTPClientProtocol, settings: Settings, to: str) -> Iterator[Command]:
    """The commands from MAIL to DATA."""
    utf8 = not (to.isascii() and settings.sender.isascii())
    yield lambda: protocol.mail(settings.sender, smtputf8=utf8)
    yield lambda: protocol.recipient(to)
    yield protocol.start_data


def _base64(text: str) -> str:
    return b64encode(text.encode()).decode("ascii")


class ReplyReader:
    """Cuts received bytes into whole replies."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    @property
    def is_empty(self) -> bool:
        """Nothing beyond the replies taken: must be so when TLS starts, or somebody on the way
        has put words into the protected conversation.
        """
        return not self._buffer

    def feed(self, received: bytes) -> None:
        """Take bytes in; SMTPException if this is getting too long for a reply."""
        self._buffer += received
        if len(self._buffer) > _LONGEST_REPLY_BYTES:
            raise SMTPException("reply too long")

    def take(self) -> Reply | None:
        """The next whole reply, if it is there."""
        last = _LAST_LINE.search(self._buffer)
        if last is None:
            return None
        # The match looks into the buffer, so it is read before the buffer moves.
        code, end = int(last.group(1)), last.end()
        raw = bytes(self._buffer[:end])
        del self._buffer[:end]
        return Reply(code, raw)


def judge(reply: Reply, phase: Phase) -> None:
    """SubmissionEnded if the reply ends the submission.

    4xx is the server's passing trouble, 5xx is final; a verdict on the message itself is as
    good as one before it.
    """
    if reply.code >= 400:
        again = Again.LATER if reply.code < 500 else Again.NEVER
        raise SubmissionEnded(Refused(f"{NAME} {reply.code}", again))
    if phase is Phase.DELIVERING and not 200 <= reply.code < 300:
        raise SubmissionEnded(Unknown(f"{NAME} {reply.code}"))


def advance(protocol: SMTPClientProtocol, reply: Reply, phase: Phase) -> None:
    """Judge the reply and let the protocol take it in."""
    judge(reply, phase)
    try:
        protocol.feed_bytes(_plain_reply(reply.raw))
    except SMTPException as error:
        raise SubmissionEnded(violation(phase, error)) from error


def _plain_reply(raw: bytes) -> bytes:
    """The reply as the protocol object reads it: ASCII, CRLF, and a separator after the code.

    The text is the server's own, may be in any encoding, and may be left out.
    """
    lines = raw.decode("ascii", "replace").replace("\ufffd", "?").splitlines()
    return "".join(f"{line:<4}\r\n" for line in lines).encode("ascii")


def violation(phase: Phase, error: SMTPException) -> Outcome:
    """What a breach of the protocol, by them or in what we were asked to send, amounts to."""
    if phase is Phase.DELIVERING:
        return Unknown(f"{NAME}: {type(error).__name__}")
    return Refused(f"{NAME}: {type(error).__name__}")


def silence(phase: Phase, reason: str, again: Again) -> Outcome:
    """What it proves that the connection failed, closed or fell silent in this phase."""
    if phase is Phase.DELIVERING:
        return Unknown(f"{NAME}: {reason}")
    return Refused(f"{NAME}: {phase.value}: {reason}", again)
