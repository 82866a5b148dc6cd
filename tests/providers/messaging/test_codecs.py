"""Each message provider's codec against payloads as the providers write them."""

from urllib.parse import parse_qs

import msgspec
import pytest

from actors.messenger import Again, Outcome, Refused, Sent, Unknown
from providers.africastalking import codec as africastalking
from providers.delivery import Answer, Post, e164
from providers.twilio import codec as twilio
from providers.whatsapp import codec as whatsapp

AT = africastalking.Settings("shop", "key-1", "DAFTARI")
TWILIO = twilio.Settings("AC1", "token-1", "+15005550006")
WHATSAPP = whatsapp.Settings("106540352242922", "token-2")


def form_of(post: Post) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(post.body.decode()).items()}


def sent(request: Post | Refused) -> Post:
    assert isinstance(request, Post)
    return request


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("254712345678", "+254712345678"),
        ("+254712345678", "+254712345678"),
        ("0712", None),
        ("+2547123456789012", None),
        ("25471234567x", None),
        ("٢٥٤٧١٢٣٤٥٦٧٨", None),
        ("", None),
    ],
)
def test_phones_are_sent_in_e164(given: str, expected: str | None) -> None:
    assert e164(given) == expected


def test_africas_talking_is_asked_with_its_header_and_form() -> None:
    post = sent(africastalking.encode(AT, "254712345678", "Kodi: 123456 & zaidi"))
    assert post.url == "https://api.africastalking.com/version1/messaging"
    assert post.headers["apiKey"] == "key-1"
    assert post.headers["Accept"] == "application/json"
    assert form_of(post) == {
        "username": "shop",
        "to": "+254712345678",
        "message": "Kodi: 123456 & zaidi",
        "from": "DAFTARI",
    }


def _at(status_code: int, message_id: str = "None") -> bytes:
    return (
        b'{"SMSMessageData":{"Message":"Sent to 1/1 Total Cost: KES 0.8000","Recipients":['
        b'{"statusCode":%d,"number":"+254711XXXYYY","status":"Success","cost":"KES 0.8000",'
        b'"messageId":"%s"}]}}' % (status_code, message_id.encode())
    )


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (201, _at(101, "ATXid_1"), Sent("ATXid_1")),
        (201, _at(102, "ATXid_2"), Sent("ATXid_2")),
        (201, _at(403), Refused("africastalking 403")),
        (201, _at(405), Refused("africastalking 405")),
        (201, _at(501), Refused("africastalking 501", Again.LATER)),
        (
            201,
            b'{"SMSMessageData":{"Message":"InvalidSenderId","Recipients":[]}}',
            Refused("africastalking InvalidSenderId"),
        ),
        (401, b"The supplied authentication is invalid", Refused("africastalking http 401")),
        (503, b"<html>", Refused("africastalking http 503", Again.LATER)),
        (504, b"<html>", Unknown("africastalking http 504")),
        (201, b"", Unknown("africastalking http 201")),
    ],
)
def test_africas_talking_answers_become_outcomes(
    status: int, body: bytes, expected: Outcome
) -> None:
    assert africastalking.decode(Answer(status, body)) == expected


def test_twilio_is_asked_with_basic_authentication_and_its_form() -> None:
    post = sent(twilio.encode(TWILIO, "+254712345678", "Hi"))
    assert post.url == "https://api.twilio.com/2010-04-01/Accounts/AC1/Messages.json"
    assert post.headers["Authorization"] == "Basic QUMxOnRva2VuLTE="
    assert form_of(post) == {"To": "+254712345678", "From": "+15005550006", "Body": "Hi"}


def test_twilio_is_asked_through_a_messaging_service_where_there_is_one() -> None:
    settings = twilio.Settings("AC1", "token-1", "MG9752274e9e519418a7406176694466fa")
    form = form_of(sent(twilio.encode(settings, "+254712345678", "Hi")))
    assert form["MessagingServiceSid"] == "MG9752274e9e519418a7406176694466fa"
    assert "From" not in form


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (201, b'{"sid":"SM1","status":"queued","error_code":null,"price":null}', Sent("SM1")),
        (201, b'{"sid":"SM1","status":"failed","error_code":30007}', Refused("twilio 30007")),
        (
            400,
            b'{"code":21211,"message":"Invalid \'To\' Phone Number","more_info":"u","status":400}',
            Refused("twilio 21211"),
        ),
        (429, b'{"code":20429,"message":"x","status":429}', Refused("twilio 20429", Again.LATER)),
        (500, b'{"code":20500,"message":"x","status":500}', Refused("twilio 20500", Again.LATER)),
        (500, b"upstream error", Unknown("twilio http 500")),
        (200, b"[]", Unknown("twilio http 200")),
    ],
)
def test_twilio_answers_become_outcomes(status: int, body: bytes, expected: Outcome) -> None:
    assert twilio.decode(Answer(status, body)) == expected


def test_a_whatsapp_code_stands_in_the_body_and_in_the_button() -> None:
    post = sent(whatsapp.encode(WHATSAPP, "+254712345678", "Your code is 123456", "123456"))
    assert post.url == "https://graph.facebook.com/v25.0/106540352242922/messages"
    assert post.headers["Authorization"] == "Bearer token-2"
    code = [{"type": "text", "text": "123456"}]
    assert msgspec.json.decode(post.body) == {
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        "to": "254712345678",
        "type": "template",
        "template": {
            "name": "otp_code",
            "language": {"code": "en_US"},
            "components": [
                {"type": "body", "parameters": code},
                {"type": "button", "sub_type": "url", "index": "0", "parameters": code},
            ],
        },
    }


def test_a_whatsapp_notice_is_one_line_of_bounded_length() -> None:
    post = sent(whatsapp.encode(WHATSAPP, "254712345678", "Paid\n\n5 USD\t  " + "x" * 2000, None))
    template = msgspec.json.decode(post.body)["template"]
    text = template["components"][0]["parameters"][0]["text"]
    assert template["name"] == "notice"
    assert text.startswith("Paid 5 USD xxx")
    assert len(text) == 1024


def test_a_whatsapp_code_longer_than_the_template_takes_is_refused() -> None:
    assert isinstance(whatsapp.encode(WHATSAPP, "254712345678", "x", "1" * 16), Refused)


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (
            200,
            b'{"messaging_product":"whatsapp","contacts":[{"input":"1","wa_id":"1"}],'
            b'"messages":[{"id":"wamid.HBg","message_status":"accepted"}]}',
            Sent("wamid.HBg"),
        ),
        (
            401,
            b'{"error":{"message":"Error validating access token","type":"OAuthException",'
            b'"code":190,"fbtrace_id":"A"}}',
            Refused("whatsapp 190"),
        ),
        (400, b'{"error":{"code":130429,"message":"x"}}', Refused("whatsapp 130429", Again.LATER)),
        (500, b'{"error":{"code":131000,"message":"x"}}', Refused("whatsapp 131000", Again.LATER)),
        (200, b'{"messages":[]}', Unknown("whatsapp http 200")),
        (502, b"<html>", Unknown("whatsapp http 502")),
    ],
)
def test_whatsapp_answers_become_outcomes(status: int, body: bytes, expected: Outcome) -> None:
    assert whatsapp.decode(Answer(status, body)) == expected


def test_no_provider_is_asked_for_what_is_not_a_phone_number() -> None:
    refusal = Refused("not a phone number")
    assert africastalking.encode(AT, "nobody@example.com", "x") == refusal
    assert twilio.encode(TWILIO, "nobody@example.com", "x") == refusal
    assert whatsapp.encode(WHATSAPP, "nobody@example.com", "x", None) == refusal


def test_no_credential_and_no_text_is_in_a_repr() -> None:
    shown = repr((AT, TWILIO, WHATSAPP, africastalking.encode(AT, "254712345678", "918273")))
    for secret in ("key-1", "token-1", "token-2", "918273", "254712345678"):
        assert secret not in shown
