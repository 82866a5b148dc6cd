"""WhatsApp Cloud API template messages, both directions. Names are theirs."""

from typing import Literal

import msgspec


class TextParameter(msgspec.Struct, frozen=True, kw_only=True):
    """What fills one {{n}} of a template."""

    type: Literal["text"] = "text"
    text: str


class BodyComponent(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="body"):
    """The parameters of the template's body."""

    parameters: list[TextParameter]


class ButtonComponent(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="button"):
    """The parameter of a button; a code template's copy-code button is of sub-type url."""

    sub_type: Literal["url"] = "url"
    index: str = "0"
    parameters: list[TextParameter]


class Language(msgspec.Struct, frozen=True, kw_only=True):
    """The translation of the template, for example "en_US"."""

    code: str


class Template(msgspec.Struct, frozen=True, kw_only=True):
    """An approved template, filled in."""

    name: str
    language: Language
    components: list[BodyComponent | ButtonComponent]


class TemplateMessage(msgspec.Struct, frozen=True, kw_only=True):
    """The request; `to` is a phone number in digits."""

    messaging_product: Literal["whatsapp"] = "whatsapp"
    recipient_type: Literal["individual"] = "individual"
    to: str
    type: Literal["template"] = "template"
    template: Template


class MessageId(msgspec.Struct, frozen=True, kw_only=True):
    """An accepted message, "wamid.…"."""

    id: str


class Accepted(msgspec.Struct, frozen=True, kw_only=True):
    """HTTP 200."""

    messages: list[MessageId]


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """What went wrong; `code` is Meta's number (131026: undeliverable)."""

    code: int
    message: str = ""


class Failed(msgspec.Struct, frozen=True, kw_only=True):
    """HTTP 4xx or 5xx."""

    error: Failure
