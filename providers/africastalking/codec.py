"""Africa's Talking SMS: intent to request, answer to outcome. Pure."""

from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlencode

import msgspec

from actors.messenger import Again, Outcome, Refused, Sent
from providers.africastalking.wire import SmsAnswer
from providers.delivery import Answer, Post, e164, unreadable

NAME: Final = "africastalking"
LIVE_URL: Final = "https://api.africastalking.com"
PATH: Final = "/version1/messaging"
_ACCEPTED: Final = range(100, 103)  # processed, sent, queued
_THEIR_TROUBLE: Final = range(500, 600)  # internal, gateway error, rejected by gateway
_LONGEST_REASON: Final = 60
_decoder: Final = msgspec.json.Decoder(SmsAnswer)


@dataclass(frozen=True, slots=True)
class Settings:
    """An account; `sender` is a registered short code or name, None for the shared one."""

    username: str
    api_key: str = field(repr=False)
    sender: str | None = None
    base_url: str = LIVE_URL


def encode(settings: Settings, to: str, text: str) -> Post | Refused:
    """The request that sends `text` to one phone."""
    phone = e164(to)
    if phone is None:
        return Refused("not a phone number")
    form = {"username": settings.username, "to": phone, "message": text}
    if settings.sender is not None:
        form["from"] = settings.sender
    return Post(
        settings.base_url + PATH,
        {
            "apiKey": settings.api_key,
            "Accept": "application/json",
            "Content-Type": "application/x-www-form-urlencoded",
        },
        urlencode(form).encode("ascii"),
    )


def decode(answer: Answer) -> Outcome:
    """What the answer says about the one recipient of `encode`."""
    try:
        data = _decoder.decode(answer.body).SMSMessageData
    except msgspec.MsgspecError:
        return unreadable(NAME, answer.status)
    if not data.Recipients:
        return Refused(f"{NAME} {data.Message[:_LONGEST_REASON]}")
    recipient = data.Recipients[0]
    if recipient.statusCode in _ACCEPTED:
        return Sent(recipient.messageId)
    again = Again.LATER if recipient.statusCode in _THEIR_TROUBLE else Again.NEVER
    return Refused(f"{NAME} {recipient.statusCode}", again)
