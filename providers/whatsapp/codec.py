"""WhatsApp template messages: intent to request, answer to outcome. Pure.

A business may start a conversation only with an approved template, so codes and notices each
have one. A code template wants its code twice: in the body and in the copy-code button.
"""

from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote

import msgspec

from actors.messenger import Again, Outcome, Refused, Sent
from providers.delivery import Answer, Post, e164, refused, unreadable
from providers.whatsapp.wire import (
    Accepted,
    BodyComponent,
    ButtonComponent,
    Failed,
    Language,
    Template,
    TemplateMessage,
    TextParameter,
)

NAME: Final = "whatsapp"
LIVE_URL: Final = "https://graph.facebook.com"
API_VERSION: Final = "v25.0"
_LONGEST_CODE: Final = 15
_LONGEST_TEXT: Final = 1_024
# Throttled by application, account, number or pair, or their service is down: they answer most
# of these with 400.
_LATER: Final = frozenset({2, 4, 80007, 130429, 131016, 131048, 131056})
_accepted: Final = msgspec.json.Decoder(Accepted)
_failed: Final = msgspec.json.Decoder(Failed)


@dataclass(frozen=True, slots=True)
class Settings:
    """A business number and its approved templates; the notice template has one {{1}}."""

    phone_number_id: str
    access_token: str = field(repr=False)
    code_template: str = "otp_code"
    notice_template: str = "notice"
    language: str = "en_US"
    base_url: str = LIVE_URL


def path(phone_number_id: str) -> str:
    """Where a business number's messages are created."""
    return f"/{API_VERSION}/{quote(phone_number_id, safe='')}/messages"


def encode(settings: Settings, to: str, text: str, code: str | None) -> Post | Refused:
    """The request that sends `code` by the code template, or else `text` by the notice one."""
    phone = e164(to)
    if phone is None:
        return Refused("not a phone number")
    if code is not None and not 0 < len(code) <= _LONGEST_CODE:
        return Refused(f"{NAME}: a code has 1 to {_LONGEST_CODE} characters")
    language = Language(code=settings.language)
    if code is None:
        template = Template(
            name=settings.notice_template, language=language, components=[_body(_one_line(text))]
        )
    else:
        button = ButtonComponent(parameters=[TextParameter(text=code)])
        template = Template(
            name=settings.code_template, language=language, components=[_body(code), button]
        )
    return Post(
        settings.base_url + path(settings.phone_number_id),
        {
            "Authorization": f"Bearer {settings.access_token}",
            "Content-Type": "application/json",
        },
        msgspec.json.encode(TemplateMessage(to=phone.removeprefix("+"), template=template)),
    )


def _body(text: str) -> BodyComponent:
    return BodyComponent(parameters=[TextParameter(text=text)])


def _one_line(text: str) -> str:
    """Parameters may hold no line breaks, tabs or runs of spaces."""
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST_TEXT else f"{line[: _LONGEST_TEXT - 1]}…"


def decode(answer: Answer) -> Outcome:
    """What the answer says about the message."""
    try:
        if answer.status >= 400:
            code = _failed.decode(answer.body).error.code
            if code in _LATER:
                return Refused(f"{NAME} {code}", Again.LATER)
            return refused(NAME, code, answer.status)
        messages = _accepted.decode(answer.body).messages
    except msgspec.MsgspecError:
        return unreadable(NAME, answer.status)
    return Sent(messages[0].id) if messages else unreadable(NAME, answer.status)
