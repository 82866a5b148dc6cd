"""Twilio SMS: intent to request, answer to outcome. Pure."""

from base64 import b64encode
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote, urlencode

import msgspec

from actors.messenger import Outcome, Refused, Sent
from providers.delivery import Answer, Post, e164, refused, unreadable
from providers.twilio.wire import Failure, Message

NAME: Final = "twilio"
LIVE_URL: Final = "https://api.twilio.com"
_SERVICE_PREFIX: Final = "MG"  # of a messaging service's sid
_NOT_SENT: Final = frozenset({"failed", "undelivered", "canceled"})
_message: Final = msgspec.json.Decoder(Message)
_failure: Final = msgspec.json.Decoder(Failure)


@dataclass(frozen=True, slots=True)
class Settings:
    """An account; `sender` is a phone number, an alphanumeric id or a messaging service's sid."""

    account_sid: str
    auth_token: str = field(repr=False)
    sender: str
    base_url: str = LIVE_URL


def path(account_sid: str) -> str:
    """Where an account's messages are created."""
    return f"/2010-04-01/Accounts/{quote(account_sid, safe='')}/Messages.json"


def encode(settings: Settings, to: str, text: str) -> Post | Refused:
    """The request that sends `text` to one phone."""
    phone = e164(to)
    if phone is None:
        return Refused("not a phone number")
    by_service = settings.sender.startswith(_SERVICE_PREFIX)
    form = {
        "To": phone,
        "MessagingServiceSid" if by_service else "From": settings.sender,
        "Body": text,
    }
    login = b64encode(f"{settings.account_sid}:{settings.auth_token}".encode()).decode("ascii")
    return Post(
        settings.base_url + path(settings.account_sid),
        {
            "Authorization": f"Basic {login}",
            "Accept": "application/json",
            "Content-Type": "application/x-www-form-urlencoded",
        },
        urlencode(form).encode("ascii"),
    )


def decode(answer: Answer) -> Outcome:
    """What the answer says about the message."""
    try:
        if answer.status >= 400:
            return refused(NAME, _failure.decode(answer.body).code, answer.status)
        message = _message.decode(answer.body)
    except msgspec.MsgspecError:
        return unreadable(NAME, answer.status)
    if message.status in _NOT_SENT:
        return Refused(f"{NAME} {message.error_code or message.status}")
    return Sent(message.sid)
