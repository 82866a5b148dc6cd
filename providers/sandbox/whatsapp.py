"""WhatsApp Cloud API of the sandbox: template messages of one business number."""

from hmac import compare_digest
from typing import Final

import msgspec

from providers.sandbox.fault import FaultKind
from providers.sandbox.message_api import MessageApi
from providers.sandbox.server import HttpReply, HttpRequest
from providers.whatsapp.codec import path
from providers.whatsapp.wire import BodyComponent, ButtonComponent, Template, TemplateMessage

PHONE_NUMBER_ID: Final = "100000000000001"
ACCESS_TOKEN: Final = "sandbox-whatsapp"  # noqa: S105 - opens nothing outside of this process
CODE_TEMPLATE: Final = "otp_code"
# The approved templates, in the one language they are approved in.
_TEMPLATES: Final = {
    CODE_TEMPLATE: "{} is your verification code. For your security, do not share this code.",
    "notice": "{}",
}
_LANGUAGE: Final = "en_US"
_LONGEST_CODE: Final = 15
_decoder: Final = msgspec.json.Decoder(TemplateMessage)


class _Rejected(Exception):
    """Meta's error answer: HTTP status, code and message."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class WhatsAppServer(MessageApi):
    """Takes messages into the outbox, with the template filled in."""

    def answer(self, request: HttpRequest, played: FaultKind | None) -> HttpReply:
        """One request."""
        if request.method != "POST" or request.path != path(PHONE_NUMBER_ID):
            return HttpReply(404)
        try:
            message, parameter = _checked(request)
            if played == "error":
                raise _Rejected(500, 131000, "Something went wrong")
        except _Rejected as rejected:
            return _error(rejected)
        text = _TEMPLATES[message.template.name].format(parameter)
        code = parameter if message.template.name == CODE_TEMPLATE else None
        self._outbox.record("whatsapp", message.to, text, code=code)
        accepted = {
            "messaging_product": "whatsapp",
            "contacts": [{"input": message.to, "wa_id": message.to}],
            "messages": [{"id": f"wamid.{self._new_id()}"}],
        }
        return HttpReply(200, msgspec.json.encode(accepted))


def _checked(request: HttpRequest) -> tuple[TemplateMessage, str]:
    """The message and its one parameter, if credentials, template and parameters fit."""
    authorization = request.headers.get("authorization", "")
    if not compare_digest(authorization.encode(), f"Bearer {ACCESS_TOKEN}".encode()):
        raise _Rejected(401, 190, "Invalid OAuth access token")
    try:
        message = _decoder.decode(request.body)
    except msgspec.MsgspecError as error:
        raise _Rejected(400, 100, f"Invalid parameter: {error}") from error
    if not message.to.isdigit():
        raise _Rejected(400, 131009, "Parameter value is not valid")
    template = message.template
    if template.name not in _TEMPLATES or template.language.code != _LANGUAGE:
        raise _Rejected(404, 132001, "Template name does not exist in the translation")
    return message, _parameter(template)


def _parameter(template: Template) -> str:
    bodies = [c.parameters for c in template.components if isinstance(c, BodyComponent)]
    buttons = [c.parameters for c in template.components if isinstance(c, ButtonComponent)]
    is_code = template.name == CODE_TEMPLATE
    if [len(parameters) for parameters in bodies] != [1] or len(buttons) != int(is_code):
        raise _Rejected(400, 132000, "Number of parameters does not match the expected number")
    text = bodies[0][0].text
    if is_code and (buttons[0] != bodies[0] or len(text) > _LONGEST_CODE):
        raise _Rejected(400, 132018, "The code must be the same in body and button")
    if "\n" in text or "\t" in text:
        raise _Rejected(400, 132018, "Parameters cannot have new-line or tab characters")
    return text


def _error(rejected: _Rejected) -> HttpReply:
    error = {"message": str(rejected), "type": "OAuthException", "code": rejected.code}
    return HttpReply(rejected.status, msgspec.json.encode({"error": error}))
