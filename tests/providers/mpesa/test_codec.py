"""Request bodies and answers, member by member, against the facts of Daraja."""

from base64 import b64decode, b64encode
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from actors.rails import (
    Cause,
    IncomingPayment,
    Paid,
    Pending,
    PushAccepted,
    Refused,
    Registered,
    TransferAccepted,
    Unknown,
)
from providers.mpesa import codec, replies
from providers.mpesa.settings import Settings

NOW_US = 1_576_740_075_000_000  # 2019-12-19 07:21:15 UTC, 10:21:15 in Nairobi
URLS = {"result_url": "https://a.example/r", "timeout_url": "https://a.example/t"}
SETTINGS = Settings(
    base_url="http://127.0.0.1:1",
    consumer_key="key",
    consumer_secret="secret",
    passkey="pass",
    initiator="testapi",
    initiator_password="word",
    certificate_pem=b"",
    collect_shortcode="174379",
    payout_shortcode="600992",
)


def read(body: bytes) -> dict[str, Any]:
    return msgspec.json.decode(body)


def push(**changes: Any) -> dict[str, Any]:
    intent = {
        "phone": "254708374149",
        "amount_kes": 1,
        "reference": "DEP-KES-20191219-001",
        "description": "Payment description",
        "callback_url": "https://a.example/cb",
    }
    settings = changes.pop("settings", SETTINGS)
    return read(codec.stk_push(settings, NOW_US, **(intent | changes)))


def test_a_push_has_every_member_and_nairobi_time() -> None:
    assert push() == {
        "BusinessShortCode": "174379",
        "Password": b64encode(b"174379pass20191219102115").decode(),
        "Timestamp": "20191219102115",
        "TransactionType": "CustomerPayBillOnline",
        "Amount": "1",
        "PartyA": "254708374149",
        "PartyB": "174379",
        "PhoneNumber": "254708374149",
        "CallBackURL": "https://a.example/cb",
        "AccountReference": "DEP-KES-2019",
        "TransactionDesc": "Payment descr",
    }


def test_a_push_to_a_till_names_the_till() -> None:
    body = push(settings=replace(SETTINGS, till="123456"))
    assert body["TransactionType"] == "CustomerBuyGoodsOnline"
    assert (body["PartyB"], body["BusinessShortCode"]) == ("123456", "174379")


@pytest.mark.parametrize("text", ["", "   ", "é", "\x00\n"])
def test_texts_are_plain_ascii_and_never_empty(text: str) -> None:
    body = push(reference=text, description=text)
    assert (body["AccountReference"], body["TransactionDesc"]) == ("Payment", "Payment")


@pytest.mark.parametrize("amount", [0, -1])
def test_less_than_a_shilling_is_our_own_mistake(amount: int) -> None:
    with pytest.raises(ValueError, match="whole shillings"):
        push(amount_kes=amount)


def test_a_payout_uses_the_payment_id_and_daraja_spelling() -> None:
    body = codec.b2c(
        SETTINGS,
        "SEALED",
        payment_id="AG_1",
        phone="254705912645",
        amount_kes=10,
        remarks="x",
        **URLS,
    )
    assert read(body) == {
        "OriginatorConversationID": "AG_1",
        "InitiatorName": "testapi",
        "SecurityCredential": "SEALED",
        "CommandID": "BusinessPayment",
        "Amount": "10",
        "PartyA": "600992",
        "PartyB": "254705912645",
        "Remarks": "Payment",
        "QueueTimeOutURL": "https://a.example/t",
        "ResultURL": "https://a.example/r",
        "Occassion": "",
    }


@pytest.mark.parametrize(
    ("to_till", "command"), [(False, "BusinessPayBill"), (True, "BusinessBuyGoods")]
)
def test_a_bill_and_a_till_are_both_receivers_of_type_4(to_till: bool, command: str) -> None:
    body = codec.b2b(
        SETTINGS,
        "SEALED",
        to_till=to_till,
        number="000000",
        account="353353",
        amount_kes=239,
        remarks="Bill",
        requester=None,
        **URLS,
    )
    assert read(body) == {
        "Initiator": "testapi",
        "SecurityCredential": "SEALED",
        "CommandID": command,
        "SenderIdentifierType": "4",
        "RecieverIdentifierType": "4",
        "Amount": "239",
        "PartyA": "600992",
        "PartyB": "000000",
        "AccountReference": "353353",
        "Remarks": "Bill",
        "QueueTimeOutURL": "https://a.example/t",
        "ResultURL": "https://a.example/r",
    }


def test_a_status_request_names_only_what_it_asks_by() -> None:
    by_receipt = read(codec.status_query(SETTINGS, "S", receipt="R1", originator="", **URLS))
    by_id = read(codec.status_query(SETTINGS, "S", receipt="", originator="AG_1", **URLS))
    assert (by_receipt["TransactionID"], by_receipt["PartyA"]) == ("R1", "174379")
    assert "OriginalConversationID" not in by_receipt
    assert (by_id["OriginalConversationID"], by_id["PartyA"]) == ("AG_1", "600992")
    assert "TransactionID" not in by_id
    with pytest.raises(ValueError, match="receipt or an originator"):
        codec.status_query(SETTINGS, "S", receipt="", originator="", **URLS)


def test_a_reversal_goes_to_our_short_code_as_type_11() -> None:
    body = read(
        codec.reversal(SETTINGS, "S", receipt="R1", amount_kes=200, remarks="Refund", **URLS)
    )
    assert body["CommandID"] == "TransactionReversal"
    assert (body["ReceiverParty"], body["RecieverIdentifierType"]) == ("174379", "11")
    assert (body["TransactionID"], body["Amount"]) == ("R1", "200")


def test_balance_registration_and_pull_bodies() -> None:
    balance = read(codec.balance(SETTINGS, "S", **URLS))
    assert (balance["CommandID"], balance["PartyA"]) == ("AccountBalance", "600992")
    register = codec.c2b_register(
        SETTINGS, confirmation_url="https://c", validation_url="https://v", accept_when_silent=False
    )
    assert read(register) == {
        "ShortCode": "174379",
        "ResponseType": "Cancelled",
        "ConfirmationURL": "https://c",
        "ValidationURL": "https://v",
    }
    pull = codec.pull_query(SETTINGS, from_us=NOW_US, to_us=NOW_US + 1_000_000, offset=100)
    assert read(pull) == {
        "ShortCode": "174379",
        "StartDate": "2019-12-19 10:21:15",
        "EndDate": "2019-12-19 10:21:16",
        "OffSetValue": "100",
    }


def test_basic_auth_is_key_and_secret() -> None:
    scheme, credentials = codec.basic_auth(SETTINGS).split(" ")
    assert (scheme, b64decode(credentials)) == ("Basic", b"key:secret")


def test_no_secret_is_in_the_repr_of_the_settings() -> None:
    shown = repr(SETTINGS)
    assert not any(word in shown for word in ("secret", "pass'", "'word'"))


@pytest.mark.parametrize(
    ("body", "life"),
    [
        (b'{"access_token":"t","expires_in":3599}', 3599),
        (b'{"access_token":"t","expires_in":"3599"}', 3599),
        (b'{"access_token":"t","expires_in":" 60 "}', 60),
        (b'{"access_token":"t"}', 3599),
        (b'{"access_token":"t","expires_in":"soon"}', 3599),
        (b'{"access_token":"t","expires_in":0}', 1),
        (b'{"access_token":"t","expires_in":1e9}', 3599),
        (b'{"access_token":"t","expires_in":99999999999999999999}', 86_400),
    ],
)
def test_a_token_lives_as_long_as_it_says_in_either_type(body: bytes, life: int) -> None:
    assert replies.token(200, body) == ("t", life)


@pytest.mark.parametrize(
    ("status", "body", "cause"),
    [
        (400, b'{"errorCode":"400.008.01","errorMessage":"Invalid auth"}', Cause.CREDENTIALS),
        (401, b"", Cause.CREDENTIALS),
        (500, b'{"errorCode":"500.001.1001","errorMessage":"oops"}', Cause.NOT_SENT),
        (200, b"{}", Cause.NOT_SENT),
        (200, b"<html>", Cause.NOT_SENT),
    ],
)
def test_no_token_means_that_nothing_was_sent(status: int, body: bytes, cause: Cause) -> None:
    refused = replies.token(status, body)
    assert isinstance(refused, Refused)
    assert refused.cause is cause


def test_an_accepted_push() -> None:
    body = b"""{"MerchantRequestID":"m","CheckoutRequestID":"ws_CO_1","ResponseCode":"0",
    "ResponseDescription":"d","CustomerMessage":"c"}"""
    assert replies.push(200, body) == PushAccepted(checkout="ws_CO_1", merchant="m", message="c")


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (200, b'{"ResponseCode":"0"}', Unknown),
        (200, b"", Unknown),
        (200, b"[]", Unknown),
        (200, b'{"ResponseCode":"1","ResponseDescription":"no"}', Refused),
        (200, b'{"errorCode":"400.002.02","errorMessage":"Bad Request"}', Refused),
        (500, b'{"errorCode":"500.001.1001","errorMessage":"oops"}', Unknown),
        (503, b"Service Unavailable", Unknown),
        (403, b"<html>", Refused),
    ],
)
def test_a_push_that_was_not_plainly_accepted(status: int, body: bytes, kind: type) -> None:
    assert isinstance(replies.push(status, body), kind)


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (200, b'{"ResponseCode":"0","CheckoutRequestID":"ws","ResultCode":"0"}', Paid),
        (200, b'{"ResponseCode":"0","CheckoutRequestID":"ws","ResultCode":0}', Paid),
        (200, b'{"ResponseCode":"0","CheckoutRequestID":"ws","ResultCode":"1032"}', Refused),
        (200, b'{"ResponseCode":"0","CheckoutRequestID":"ws","ResultCode":"4999"}', Pending),
        (200, b'{"ResponseCode":"0","CheckoutRequestID":"other","ResultCode":"0"}', Unknown),
        (200, b'{"ResponseCode":"0"}', Unknown),
        (
            500,
            b'{"requestId":"1","errorCode":"500.001.1001",'
            b'"errorMessage":"The transaction is being processed"}',
            Pending,
        ),
        (400, b'{"errorCode":"400.002.02","errorMessage":"Invalid CheckoutRequestID"}', Unknown),
        (404, b'{"errorCode":"404.001.03","errorMessage":"Invalid Access Token"}', Unknown),
        (502, b"", Unknown),
    ],
)
def test_a_query_proves_only_what_a_result_code_says(status: int, body: bytes, kind: type) -> None:
    assert isinstance(replies.push_query(status, body, "ws"), kind)


DUPLICATE = b'{"errorCode":"500.002.1001","errorMessage":"Duplicate OriginatorConversationID."}'
DUPLICATE_200 = b'{"ResponseCode":"1","ResponseDescription":"Duplicate OriginatorConversationID."}'


@pytest.mark.parametrize(("status", "body"), [(500, DUPLICATE), (200, DUPLICATE_200)])
def test_a_duplicate_of_our_own_id_was_accepted_before(status: int, body: bytes) -> None:
    accepted = TransferAccepted(originator="AG_1", conversation=None, duplicate=True)
    assert replies.transfer(status, body, "AG_1") == accepted
    assert not isinstance(replies.transfer(status, body), TransferAccepted)


def test_a_transfer_is_accepted_under_our_id_or_theirs() -> None:
    body = b"""{"ConversationID":"AG_9","OriginatorConversationID":"o-1","ResponseCode":"0",
    "ResponseDescription":"Accept the service request successfully."}"""
    theirs = TransferAccepted(originator="o-1", conversation="AG_9")
    ours = TransferAccepted(originator="AG_1", conversation="AG_9")
    assert (replies.transfer(200, body), replies.transfer(200, body, "AG_1")) == (theirs, ours)


def test_an_acceptance_without_conversation_is_unknown() -> None:
    assert isinstance(replies.transfer(200, b'{"ResponseCode":"0"}', "AG_1"), Unknown)


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (200, b'{"ResponseCode":"0","ResponseDescription":"Success"}', Registered),
        (200, b'{"Response Status":"1000"}', Registered),
        (200, b'{"ResponseStatus":"1001","ResponseDescription":"already"}', Registered),
        (500, b'{"errorCode":"500.003.1001","errorMessage":"Internal Server Error"}', Unknown),
        (400, b'{"errorCode":"400.002.02","errorMessage":"Invalid"}', Refused),
        (200, b"", Unknown),
    ],
)
def test_registrations(status: int, body: bytes, kind: type) -> None:
    assert isinstance(replies.registration(status, body), kind)


ROW = (
    b'{"transactionId":"yzlyrEsRG1","trxDate":"2020-08-05T10:13:00Z","msisdn":722000000,'
    b'"sender":"UAT2","transactiontype":"c2b-pay-bill-debit","billreference":"37207636392",'
    b'"amount":"168.00","organizationname":"Test"}'
)


@pytest.mark.parametrize("response", [b"[[%s]]" % ROW, b"[%s]" % ROW])
def test_pulled_payments_are_a_list_within_a_list(response: bytes) -> None:
    body = b'{"ResponseRefID":"r","ResponseCode":"1000","Response":%s}' % response
    payment = IncomingPayment(
        receipt="yzlyrEsRG1",
        amount_units=168 * 10**8,
        shortcode="174379",
        reference="37207636392",
        phone="722000000",
        payer_name="UAT2",
        paid_at="2020-08-05T10:13:00Z",
    )
    assert replies.pulled(200, body, "174379") == (payment,)


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (200, b'{"ResponseCode":"1001","Response":"[[]]"}', ()),
        (200, b'{"ResponseCode":"1000","Response":[[{"transactionId":"x"}]]}', Unknown),
        (200, b'{"ResponseCode":"1000","Response":[[{"transactionId":"","amount":1}]]}', Unknown),
        (200, b'{"ResponseCode":"77"}', Unknown),
        (500, b"", Unknown),
        (400, b'{"errorCode":"400.002.02"}', Refused),
    ],
)
def test_a_pull_without_readable_rows(status: int, body: bytes, expected: object) -> None:
    pulled = replies.pulled(status, body, "174379")
    assert pulled == expected or isinstance(pulled, expected)  # type: ignore[arg-type]
