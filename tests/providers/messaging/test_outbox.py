"""The sandbox's mailbag."""

import pytest

from providers.sandbox.outbox import Outbox, code_in


def test_rows_come_newest_first_and_the_oldest_are_forgotten() -> None:
    outbox = Outbox(lambda: 0, capacity=2)
    for text in ("one", "two", "three"):
        outbox.record("email", "a@b.co", text)
    assert [row.text for row in outbox.messages()] == ["three", "two"]


@pytest.mark.parametrize("asked", ["+254712345678", "254712345678", " 254712345678"])
@pytest.mark.parametrize("sent_to", ["+254712345678", "254712345678"])
def test_phones_match_with_or_without_the_plus(asked: str, sent_to: str) -> None:
    outbox = Outbox(lambda: 0)
    outbox.record("sms", sent_to, "x")
    outbox.record("sms", "254700000000", "y")
    assert [row.text for row in outbox.messages(asked)] == ["x"]


def test_mail_addresses_match_without_case() -> None:
    outbox = Outbox(lambda: 0)
    outbox.record("email", "Test@Example.com", "x")
    assert len(outbox.messages("tEST@example.COM")) == 1
    assert outbox.messages("other@example.com") == []


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Your verification code is 123456.", "123456"),
        ("123456 is your code", "123456"),
        ("OTP: 000042\nIt expires in 5 minutes.", "000042"),
        ("You were paid 100000 KES", None),
        ("Your code for 250000.50 NGN is 654321", "654321"),
        ("Your code for +254712345678 was sent", None),
        ("No number here, but a code", None),
    ],
)
def test_the_code_is_found_in_texts_that_speak_of_one(text: str, code: str | None) -> None:
    assert code_in(text) == code
