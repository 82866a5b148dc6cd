"""SMS providers of the sandbox: Africa's Talking and Twilio, side by side on one port."""

from base64 import b64decode
from hmac import compare_digest
from typing import Final
from urllib.parse import parse_qs

import msgspec

from providers.delivery import e164
from providers.sandbox.fault import FaultKind
from providers.sandbox.message_api import MessageApi
from providers.sandbox.server import HttpReply, HttpRequest

AT_USERNAME: Final = "sandbox"
AT_API_KEY: Final = "atsk_sandbox"
TWILIO_SID: Final = "AC00000000000000000000000000000000"
TWILIO_TOKEN: Final = "sandbox-twilio"  # noqa: S105 - opens nothing outside of this process

_AT_PATH: Final = "/version1/messaging"
_TWILIO_PATH: Final = f"/2010-04-01/Accounts/{TWILIO_SID}/Messages.json"
_LONGEST_TWILIO_BODY: Final = 1_600


class SmsServer(MessageApi):
    """Takes messages into the outbox; checks credentials and fields as the originals do."""

    def answer(self, request: HttpRequest, played: FaultKind | None) -> HttpReply:
        """One request to either provider."""
        form = {
            name: values[-1]
            for name, values in parse_qs(request.body.decode(errors="replace")).items()
        }
        match request.method, request.path:
            case "POST", path if path == _AT_PATH:
                return self._africastalking(request, form, played)
            case "POST", path if path == _TWILIO_PATH:
                return self._twilio(request, form, played)
            case _:
                return HttpReply(404)

    def _africastalking(
        self, request: HttpRequest, form: dict[str, str], played: FaultKind | None
    ) -> HttpReply:
        key = request.headers.get("apikey", "")
        known = form.get("username") == AT_USERNAME and compare_digest(
            key.encode(), AT_API_KEY.encode()
        )
        if not known:
            return HttpReply(401, b"The supplied authentication is invalid", "text/plain")
        for name in ("to", "message"):
            if name not in form:
                text = f"Request is missing required form field '{name}'"
                return HttpReply(400, text.encode(), "text/plain")
        phone = form["to"]
        if not phone.startswith("+") or e164(phone) is None:
            return _at_reply(phone, 403, "InvalidPhoneNumber", "None")
        if played == "error":
            return _at_reply(phone, 500, "InternalServerError", "None")
        self._outbox.record("sms", phone, form["message"])
        return _at_reply(phone, 101, "Success", f"ATXid_{self._new_id()}")

    def _twilio(
        self, request: HttpRequest, form: dict[str, str], played: FaultKind | None
    ) -> HttpReply:
        if not _basic(request, TWILIO_SID, TWILIO_TOKEN):
            return _twilio_error(401, 20003, "Authenticate")
        phone, body = form.get("To", ""), form.get("Body", "")
        if not phone.startswith("+") or e164(phone) is None:
            return _twilio_error(400, 21211, f"Invalid 'To' Phone Number: {phone}")
        if "From" not in form and "MessagingServiceSid" not in form:
            return _twilio_error(400, 21603, "A 'From' phone number is required")
        if not body:
            return _twilio_error(400, 21602, "Message body is required")
        if len(body) > _LONGEST_TWILIO_BODY:
            return _twilio_error(400, 21617, "The concatenated message body is too long")
        if played == "error":
            return _twilio_error(500, 20500, "Internal Server Error")
        self._outbox.record("sms", phone, body)
        sent = {
            "sid": f"SM{self._new_id()}",
            "account_sid": TWILIO_SID,
            "to": phone,
            "from": form.get("From"),
            "body": body,
            "status": "queued",
            "error_code": None,
        }
        return HttpReply(201, msgspec.json.encode(sent))


def _at_reply(phone: str, code: int, status: str, message_id: str) -> HttpReply:
    sent = int(message_id != "None")
    recipient = {
        "statusCode": code,
        "number": phone,
        "status": status,
        "cost": "KES 0.8000" if sent else "0",
        "messageId": message_id,
    }
    data = {
        "Message": f"Sent to {sent}/1 Total Cost: {recipient['cost']}",
        "Recipients": [recipient],
    }
    return HttpReply(201, msgspec.json.encode({"SMSMessageData": data}))


def _twilio_error(status: int, code: int, message: str) -> HttpReply:
    more = f"https://www.twilio.com/docs/errors/{code}"
    body = {"code": code, "message": message, "more_info": more, "status": status}
    return HttpReply(status, msgspec.json.encode(body))


def _basic(request: HttpRequest, user: str, password: str) -> bool:
    scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
    try:
        given = b64decode(credentials, validate=True)
    except ValueError:
        return False
    return scheme == "Basic" and compare_digest(given, f"{user}:{password}".encode())
