"""Mail submission: what is written, what is read, and when TLS is required."""

from dataclasses import replace
from email.message import EmailMessage

import pytest

from actors.messenger import Refused
from providers.smtp import codec
from providers.smtp.codec import ReplyReader, Security, Settings
from providers.smtp.wire import Reply

NOW_US = 1_706_400_000_000_000
SETTINGS = Settings(
    "127.0.0.1", 0, "no-reply@daftari.example", "Daftari", "user", "secret-password"
)


def composed(**change: str) -> EmailMessage | Refused:
    given = {"to": "user@example.com", "subject": "Your code", "text": "Code: 123456"} | change
    return codec.compose(
        SETTINGS, given["to"], given["subject"], given["text"], nonce="n1", now_us=NOW_US
    )


def test_a_message_has_the_headers_of_an_automatic_one() -> None:
    message = composed()
    assert isinstance(message, EmailMessage)
    assert message["From"] == "Daftari <no-reply@daftari.example>"
    assert message["To"] == "user@example.com"
    assert message["Subject"] == "Your code"
    assert message["Message-ID"] == "<n1@daftari.example>"
    assert message["Date"] == "Sun, 28 Jan 2024 00:00:00 +0000"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message.get_content() == "Code: 123456\n"


@pytest.mark.parametrize(
    "address",
    [
        "",
        "user",
        "@example.com",
        "user@",
        "a@b@c",
        "a b@example.com",
        "a@example.com>\r\nRCPT TO:<b@example.com",
        "a@example.com\nBcc: b@example.com",
        "a,b@example.com",
        "x" * 250 + "@example.com",
    ],
)
def test_an_address_that_could_smuggle_anything_is_refused(address: str) -> None:
    assert composed(to=address) == Refused("not an e-mail address")


def test_a_subject_cannot_add_headers() -> None:
    message = composed(subject="Paid\r\nBcc: b@example.com")
    assert isinstance(message, EmailMessage)
    assert message["Bcc"] is None
    assert message["Subject"] == "Paid Bcc: b@example.com"


def test_replies_are_cut_whole_out_of_any_pieces() -> None:
    wire = b"220 hello\r\n250-one\r\n250-SIZE 10\r\n250 two\r\n354\r\n"
    reader, replies = ReplyReader(), []
    for byte in wire:
        reader.feed(bytes([byte]))
        while (reply := reader.take()) is not None:
            replies.append(reply)
    assert [reply.code for reply in replies] == [220, 250, 354]
    assert b"".join(reply.raw for reply in replies) == wire
    assert reader.is_empty


def test_tls_is_required_everywhere_but_on_loopback() -> None:
    assert replace(SETTINGS, host="smtp.example.com").requires_tls
    assert not SETTINGS.requires_tls
    assert not replace(SETTINGS, host="localhost").requires_tls
    assert not replace(SETTINGS, host="::1").requires_tls
    assert replace(SETTINGS, security=Security.STARTTLS).requires_tls
    assert not replace(SETTINGS, host="smtp.example.com", security=Security.PLAIN).requires_tls


def test_the_password_is_in_no_repr() -> None:
    assert "secret-password" not in repr(SETTINGS)
    assert "123456" not in repr(Reply(250, b"250 123456\r\n"))
