"""Mail submission: the client against the sandbox's server and hostile ones."""

import ssl
import sys
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from ipaddress import ip_address

import pytest
import trio
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from actors.messenger import Again, Messenger, Refused, Sent, Unknown
from providers.sandbox import mail as sandbox_mail
from providers.sandbox.fault import Fault
from providers.sandbox.mail import MailServer
from providers.sandbox.outbox import Outbox
from providers.smtp.client import Mail, Timeouts
from providers.smtp.codec import Security, Settings

NOW_US = 1_706_400_000_000_000
SETTINGS = Settings(
    "127.0.0.1",
    0,
    "no-reply@daftari.example",
    "Daftari",
    sandbox_mail.USERNAME,
    sandbox_mail.PASSWORD,
)
QUICK = Timeouts(reply=0.5)


def client(
    settings: Settings, tls: ssl.SSLContext | None = None, timeouts: Timeouts | None = None
) -> Mail:
    return Mail(
        settings, now_us=lambda: NOW_US, nonce=lambda: "nonce", ssl_context=tls, timeouts=timeouts
    )


async def send(channel: Mail, to: str = "user@example.com", text: str = "Your code is 123456"):
    return await channel.deliver(to, text, subject="Your code", code="123456")


@asynccontextmanager
async def mail_server(
    fault: Fault | None = None, tls: ssl.SSLContext | None = None
) -> AsyncIterator[tuple[Settings, Outbox]]:
    outbox = Outbox(lambda: NOW_US)
    server = MailServer(outbox, fault or Fault(lambda: NOW_US), tls=tls, slow_seconds=3)
    async with trio.open_nursery() as nursery:
        port = await nursery.start(lambda task_status: server.serve(task_status=task_status))
        yield replace(SETTINGS, port=port), outbox
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def scripted_server(*replies: bytes) -> AsyncIterator[tuple[Settings, list[bytes]]]:
    """Says the first reply, then one more for each thing it is told, then hangs up."""
    heard: list[bytes] = []

    async def talk(stream: trio.SocketStream) -> None:
        async with stream:
            for reply in replies:
                await stream.send_all(reply)
                heard.append(bytes(await stream.receive_some()))

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(trio.serve_tcp, talk, 0, host="127.0.0.1"))
        port = listeners[0].socket.getsockname()[1]
        yield replace(SETTINGS, port=port, username=None, security=Security.PLAIN), heard
        nursery.cancel_scope.cancel()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """(server context, client context that trusts it and nothing else)."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sandbox mail")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + signed.public_bytes(serialization.Encoding.PEM)
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(path)
    return server, ssl.create_default_context(
        cadata=signed.public_bytes(serialization.Encoding.PEM).decode()
    )


async def test_a_mail_reaches_the_outbox_with_subject_and_code() -> None:
    async with mail_server() as (settings, outbox):
        text = "Your code is 123456\n.\n.. dots and ünïcode ₿ survive"
        assert await send(client(settings), text=text) == Sent("<nonce@daftari.example>")
        (row,) = outbox.messages("USER@example.com")
        assert (row.channel, row.to, row.subject) == ("email", "user@example.com", "Your code")
        assert row.text == text
        assert row.code == "123456"


async def test_an_address_beyond_ascii_is_delivered_where_the_server_can() -> None:
    async with mail_server() as (settings, outbox):
        assert isinstance(await send(client(settings), to="jürgen@example.com"), Sent)
        assert outbox.messages("jürgen@example.com")


async def test_the_server_takes_mail_only_from_who_logged_in() -> None:
    async with mail_server() as (settings, outbox):
        assert await send(client(replace(settings, password="wrong"))) == Refused("smtp 535")
        assert await send(client(replace(settings, username=None))) == Refused("smtp 530")
        assert outbox.messages() == []


async def test_a_server_that_is_down_was_sent_nothing() -> None:
    """FW-07: the wallet says "Failed to generate OTP"."""
    fault = Fault(lambda: NOW_US)
    async with mail_server(fault) as (settings, outbox):
        fault.set("down", times=1)
        assert await send(client(settings)) == Refused("smtp 421", Again.LATER)
        assert isinstance(await send(client(settings)), Sent)
        assert len(outbox.messages()) == 1


async def test_a_server_that_fails_the_message_sent_nothing() -> None:
    fault = Fault(lambda: NOW_US)
    async with mail_server(fault) as (settings, outbox):
        fault.set("error", times=1)
        assert await send(client(settings)) == Refused("smtp 554")
        assert outbox.messages() == []


async def test_silence_after_the_message_leaves_it_unknown() -> None:
    fault = Fault(lambda: NOW_US)
    async with mail_server(fault) as (settings, _):
        fault.set("slow", times=1)
        assert await send(client(settings, timeouts=QUICK)) == Unknown("smtp: timeout")


async def test_nobody_listening_means_nothing_was_sent() -> None:
    outcome = await send(client(replace(SETTINGS, port=1)))
    assert outcome == Refused("smtp: connecting: closed", Again.NOW)


async def test_starttls_protects_login_and_message(certificate) -> None:
    server_tls, client_tls = certificate
    async with mail_server(tls=server_tls) as (settings, outbox):
        secure = replace(settings, security=Security.STARTTLS)
        assert isinstance(await send(client(secure, client_tls)), Sent)
        assert len(outbox.messages()) == 1


async def test_a_certificate_that_is_not_trusted_ends_the_submission(certificate) -> None:
    server_tls, _ = certificate
    async with mail_server(tls=server_tls) as (settings, outbox):
        secure = replace(settings, security=Security.STARTTLS)
        assert await send(client(secure)) == Refused("smtp: talking: TLS failed", Again.NEVER)
        assert outbox.messages() == []


async def test_without_starttls_nothing_is_said_to_a_server_that_must_offer_it() -> None:
    async with scripted_server(b"220 hi\r\n", b"250-me\r\n250 AUTH PLAIN\r\n") as (settings, heard):
        stripped = replace(
            settings, security=Security.STARTTLS, username="u", password="secret-password"
        )
        outcome = await send(client(stripped))
        assert outcome == Refused("smtp: the server offers no STARTTLS")
        assert b"AUTH" not in b"".join(heard)


async def test_words_put_in_before_tls_begins_end_the_submission(certificate) -> None:
    injected = b"220 go ahead\r\n250 injected\r\n"
    async with scripted_server(b"220 hi\r\n", b"250 STARTTLS\r\n", injected) as (settings, _):
        # A one-line EHLO reply offers nothing; the second line of a longer one does.
        outcome = await send(client(replace(settings, security=Security.STARTTLS)))
        assert outcome == Refused("smtp: the server offers no STARTTLS")
    greeting = b"250-me\r\n250 STARTTLS\r\n"
    async with scripted_server(b"220 hi\r\n", greeting, injected) as (settings, _):
        outcome = await send(client(replace(settings, security=Security.STARTTLS)))
        assert outcome == Refused("smtp: words before TLS")


async def test_login_is_done_step_by_step_where_plain_is_not_offered() -> None:
    replies = (
        b"220 hi\r\n",
        b"250-me\r\n250 AUTH LOGIN\r\n",
        b"334 VXNlcm5hbWU6\r\n",
        b"334 UGFzc3dvcmQ6\r\n",
        b"235 in\r\n",
        b"250 sender\r\n",
        b"250 recipient\r\n",
        b"354 go\r\n",
        b"250 taken\r\n",
        b"221 bye\r\n",
    )
    async with scripted_server(*replies) as (settings, heard):
        named = replace(settings, username="user", password="word")
        assert isinstance(await send(client(named)), Sent)
        assert heard[1:4] == [b"AUTH LOGIN\r\n", b"dXNlcg==\r\n", b"d29yZA==\r\n"]


HELLO = (b"220 hi\r\n", b"250 me\r\n")
ENVELOPE = (b"250 ok\r\n", b"250 ok\r\n", b"354 go\r\n")


@pytest.mark.parametrize(
    ("replies", "expected"),
    [
        ((b"554 no\r\n",), Refused("smtp 554")),
        ((*HELLO, b"250 ok\r\n", b"550 no such user\r\n"), Refused("smtp 550")),
        ((*HELLO, b"250 ok\r\n", b"450 greylisted\r\n"), Refused("smtp 450", Again.LATER)),
        ((*HELLO, b"421 bye\r\n"), Refused("smtp 421", Again.LATER)),
        ((*HELLO, *ENVELOPE, b"552 too big\r\n"), Refused("smtp 552")),
        ((*HELLO, *ENVELOPE, b"451 later\r\n"), Refused("smtp 451", Again.LATER)),
        ((*HELLO, *ENVELOPE, b"250\r\n", b"221 bye\r\n"), Sent("<nonce@daftari.example>")),
        ((*HELLO, *ENVELOPE, b"250 \xc3\xbc\r\n"), Sent("<nonce@daftari.example>")),
        (HELLO, Refused("smtp: talking: closed", Again.NOW)),
        ((*HELLO, *ENVELOPE), Unknown("smtp: closed")),
        ((*HELLO, *ENVELOPE, b"354 what\r\n"), Unknown("smtp 354")),
        ((b"x" * 70_000,), Refused("smtp: SMTPException")),
        ((b"220 hi\r\n", b"220 me again\r\n"), Refused("smtp: SMTPProtocolViolation")),
    ],
)
async def test_every_way_a_server_can_end_it_has_its_outcome(
    replies: tuple[bytes, ...], expected: object
) -> None:
    async with scripted_server(*replies) as (settings, _):
        with trio.fail_after(5):
            assert await send(client(settings)) == expected


@pytest.mark.parametrize(
    ("replies", "expected"),
    [
        ((b"hello?\r\n",), Refused("smtp: talking: timeout", Again.LATER)),
        # Nothing is said to our QUIT: what was accepted is.
        ((*HELLO, *ENVELOPE, b"250\r\n", b""), Sent("<nonce@daftari.example>")),
    ],
)
async def test_every_silence_has_its_outcome(replies: tuple[bytes, ...], expected: object) -> None:
    async with scripted_server(*replies) as (settings, _):
        assert await send(client(settings, timeouts=QUICK)) == expected


async def test_the_simulator_leaves_no_thread_behind() -> None:
    def loops() -> list[Callable[[], None] | str]:
        return [t.name for t in threading.enumerate() if "Trio thread" in t.name and _busy(t)]

    async with mail_server() as (settings, _):
        await send(client(settings))
        idle = await trio.open_tcp_stream("127.0.0.1", settings.port)
    async with idle:
        with pytest.raises(OSError, match="all attempts to connect"):
            await trio.open_tcp_stream("127.0.0.1", settings.port)
    assert loops() == []


def _busy(thread: threading.Thread) -> bool:
    """Trio keeps idle worker threads; one that runs an event loop still has it in its stack."""
    frame = sys._current_frames().get(thread.ident or 0)
    while frame is not None:
        if frame.f_code.co_name == "run_forever":
            return True
        frame = frame.f_back
    return False


async def test_neither_side_of_a_submission_logs_the_code_or_the_password(caplog) -> None:
    """WOTP-C23: whatever the log level is."""
    caplog.set_level("DEBUG")
    async with mail_server() as (settings, outbox):
        await send(client(settings), text="Your code is 918273")
        assert outbox.messages()[0].code == "918273"
    assert "918273" not in caplog.text
    assert sandbox_mail.PASSWORD not in caplog.text


async def test_many_people_get_their_codes_at_once_and_each_their_own() -> None:
    async with mail_server() as (settings, outbox):
        messenger = Messenger({"email": client(settings)})

        async def one(number: int) -> None:
            code = f"{number:06d}"
            to = f"user{number}@example.com"
            assert isinstance(await messenger.send("email", to, f"Your code is {code}"), Sent)

        async with trio.open_nursery() as nursery:
            for number in range(60):
                nursery.start_soon(one, number)
        for number in range(60):
            (row,) = outbox.messages(f"user{number}@example.com")
            assert row.code == f"{number:06d}"


async def test_one_message_meets_a_fault_that_is_played_once() -> None:
    """FW-07: a fault played `times: 1` fails one message whole, retries included."""
    fault = Fault(lambda: NOW_US)
    async with mail_server(fault) as (settings, _):
        messenger = Messenger({"email": client(settings)})
        fault.set("down", times=1)
        assert isinstance(await messenger.send("email", "user@example.com", "x"), Refused)
        assert isinstance(await messenger.send("email", "user@example.com", "x"), Sent)
