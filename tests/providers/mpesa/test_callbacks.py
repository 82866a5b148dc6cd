"""Callback bodies as Daraja has sent and documented them, and what they prove."""

from pathlib import Path

import msgspec
import pytest

from actors.rails import (
    BalanceResult,
    Cause,
    FloatBalance,
    IncomingPayment,
    Malformed,
    NotFound,
    Paid,
    Pending,
    PushResult,
    Refused,
    Reversed,
    StatusResult,
    TransferResult,
    Unknown,
)
from providers.mpesa.callbacks import (
    read_incoming,
    read_push,
    read_result,
    read_status,
    read_timeout,
)

RECORDED = Path(__file__).parent / "recorded"
UNITS = 10**8


def recorded(name: str) -> bytes:
    return (RECORDED / f"{name}.json").read_bytes()


def test_a_paid_push_carries_receipt_amount_phone_and_time_and_a_balance_without_value() -> None:
    assert read_push(recorded("stk_paid")) == PushResult(
        checkout="ws_CO_191220191020363925",
        merchant="29115-34620561-1",
        outcome=Paid(
            receipt="NLJ7RT61SV",
            amount_units=UNITS,
            phone="254708374149",
            completed_at="20191219102115",
            message="The service request is processed successfully.",
        ),
    )


def test_the_callback_of_the_deposit_flow_is_read_without_balance_or_date() -> None:
    """FC-15, step 3."""
    body = b"""{"Body":{"stkCallback":{"MerchantRequestID":"29115-1","CheckoutRequestID":"ws_CO_1",
    "ResultCode":0,"ResultDesc":"The service request is processed successfully.",
    "CallbackMetadata":{"Item":[{"Name":"Amount","Value":1000},
    {"Name":"MpesaReceiptNumber","Value":"TF34AMNCAC"},
    {"Name":"PhoneNumber","Value":254712345890}]}}}}"""
    result = read_push(body)
    assert isinstance(result, PushResult)
    assert isinstance(result.outcome, Paid)
    assert (result.outcome.receipt, result.outcome.amount_units) == ("TF34AMNCAC", 1000 * UNITS)


def test_a_cancelled_push_has_no_metadata() -> None:
    result = read_push(recorded("stk_cancelled"))
    assert isinstance(result, PushResult)
    assert result.outcome == Refused(
        cause=Cause.CANCELLED, code="1032", message="Request cancelled by user."
    )


@pytest.mark.parametrize(
    "metadata",
    [
        b"",
        b',"CallbackMetadata":{"Item":[{"Name":"Amount","Value":1}]}',
        b',"CallbackMetadata":{"Item":[{"Name":"MpesaReceiptNumber","Value":"X"}]}',
        b',"CallbackMetadata":{"Item":[{"Name":"MpesaReceiptNumber","Value":"X"},'
        b'{"Name":"Amount","Value":NaN}]}',
        b',"CallbackMetadata":{"Item":[{"Name":"MpesaReceiptNumber","Value":"X"},'
        b'{"Name":"Amount","Value":true}]}',
        b',"CallbackMetadata":{"Item":[{"Name":"MpesaReceiptNumber","Value":"X"},'
        b'{"Name":"Amount","Value":1e400}]}',
        b',"CallbackMetadata":{"Item":[{"Name":"MpesaReceiptNumber","Value":"X"},'
        b'{"Name":"Amount","Value":-5}]}',
    ],
)
def test_a_success_without_receipt_or_a_positive_amount_is_malformed(metadata: bytes) -> None:
    body = b'{"Body":{"stkCallback":{"CheckoutRequestID":"ws","ResultCode":0%s}}}' % metadata
    assert isinstance(read_push(body), Malformed)


@pytest.mark.parametrize("code", [b"0", b'"0"', b'" 0 "'])
def test_a_code_is_a_number_or_text_and_one_item_may_come_alone(code: bytes) -> None:
    body = b"""{"Result":{"ResultCode":%s,"OriginatorConversationID":"o","ConversationID":"c",
    "TransactionID":"R1","ResultParameters":{"ResultParameter":{"Key":"Amount","Value":"7.50"}}}}"""
    result = read_result(body % code)
    assert isinstance(result, TransferResult)
    assert isinstance(result.outcome, Paid)
    assert result.outcome.amount_units == 750_000_000


def test_a_paid_payout_names_its_receipt_and_receiver() -> None:
    assert read_result(recorded("b2c_paid")) == TransferResult(
        originator="53e3-4aa8-9fe0-8fb5e4092cdd3405976",
        conversation="AG_20240706_20106e9209f64bebd05b",
        outcome=Paid(
            receipt="SG632NMUAB",
            amount_units=10 * UNITS,
            phone="254705912645",
            completed_at="06.07.2024 22:48:52",
            message="The service request is processed successfully.",
        ),
    )


def test_a_payout_with_a_bad_initiator_needs_an_operator() -> None:
    """FC-12: result code 2001 fails a withdrawal."""
    result = read_result(recorded("b2c_bad_initiator"))
    assert isinstance(result, TransferResult)
    assert isinstance(result.outcome, Refused)
    assert (result.outcome.cause, result.outcome.needs_operator) == (Cause.CREDENTIALS, True)


def test_a_paid_bill_comes_in_text_with_a_list_of_references() -> None:
    result = read_result(recorded("b2b_paid"))
    assert isinstance(result, TransferResult)
    assert isinstance(result.outcome, Paid)
    assert result.outcome.receipt == "QKA81LK5CY"
    assert result.outcome.amount_units == 190 * UNITS
    assert result.outcome.phone == "000000"


def test_a_failed_bill_comes_with_one_object_where_a_list_belongs() -> None:
    result = read_result(recorded("b2b_failed"))
    assert isinstance(result, TransferResult)
    assert isinstance(result.outcome, Refused)
    assert result.outcome.cause is Cause.FLOAT_SHORT


def test_a_refused_reversal_keeps_its_alphanumeric_code() -> None:
    result = read_result(recorded("reversal_invalid"))
    assert isinstance(result, TransferResult)
    assert isinstance(result.outcome, Refused)
    assert (result.outcome.cause, result.outcome.code) == (Cause.INVALID_ORIGINAL, "R000002")


@pytest.mark.parametrize("read", [read_result, read_status])
def test_a_status_result_is_evidence_about_another_payment(read) -> None:
    assert read(recorded("status_completed")) == StatusResult(
        originator="10816-694520-2",
        conversation="AG_20170727_000059c52529a8e080bd",
        outcome=Paid(
            receipt="LGR919G2AV",
            amount_units=10 * UNITS,
            completed_at="20170727101415",
            message="Completed",
        ),
        original_originator="19455-773836-1",
        original_conversation="AG_20170727_00004492b1b6d0078fbe",
        debit_party="600134",
        credit_party="254708374149",
    )


def test_a_status_request_about_an_unknown_payment_is_not_found_and_never_a_failure() -> None:
    result = read_status(recorded("status_not_found"))
    assert isinstance(result, StatusResult)
    assert isinstance(result.outcome, NotFound)


@pytest.mark.parametrize("name", ["b2c_bad_initiator", "b2b_failed", "balance_locked"])
def test_a_failed_status_request_says_nothing_about_the_payment(name: str) -> None:
    result = read_status(recorded(name))
    assert isinstance(result, StatusResult)
    assert isinstance(result.outcome, Unknown)


@pytest.mark.parametrize(
    ("status", "reason", "expected"),
    [
        ("Pending", "", Pending),
        ("Authorized", "", Pending),
        ("Failed", "", Refused),
        ("Declined", "", Refused),
        ("Cancelled", "", Refused),
        ("Expired", "", Refused),
        ("Reversed", "", Reversed),
        ("Something new", "", Unknown),
    ],
)
def test_every_transaction_status_has_one_meaning(status: str, reason: str, expected: type) -> None:
    result = read_status(_status_body(status, reason))
    assert isinstance(result, StatusResult)
    assert isinstance(result.outcome, expected)


def test_a_reason_that_leads_with_a_result_code_is_told_by_it() -> None:
    result = read_status(_status_body("Failed", "1037 DS timeout"))
    assert isinstance(result, StatusResult)
    assert result.outcome == Refused(cause=Cause.UNREACHABLE, code="1037", message="DS timeout")


def test_a_completed_status_without_receipt_is_malformed() -> None:
    assert isinstance(read_status(_status_body("Completed", "")), Malformed)


def test_a_queue_timeout_is_unknown_whatever_it_says() -> None:
    for name in ("b2c_bad_initiator", "b2c_paid"):
        result = read_timeout(recorded(name))
        assert isinstance(result, TransferResult)
        assert isinstance(result.outcome, Unknown)


def test_balances_may_be_negative() -> None:
    result = read_result(recorded("balance"))
    assert isinstance(result, BalanceResult)
    assert result.balances == (
        FloatBalance(account="Working Account", currency="KES", available_units=48099950000000),
        FloatBalance(account="Charges Paid Account", currency="KES", available_units=-1980 * UNITS),
    )


def test_a_locked_initiator_is_told_with_parameters() -> None:
    result = read_result(recorded("balance_locked"))
    assert isinstance(result, TransferResult)
    assert isinstance(result.outcome, Refused)
    assert result.outcome.cause is Cause.CREDENTIALS


def test_an_unasked_payment_is_read_with_its_masked_phone() -> None:
    assert read_incoming(recorded("c2b")) == IncomingPayment(
        receipt="RKTQDM7W6S",
        amount_units=10 * UNITS,
        shortcode="600638",
        reference="invoice008",
        phone="2547 ***** 126",
        payer_name="John Doe",
        paid_at="20191122063845",
    )


def _status_body(status: str, reason: str) -> bytes:
    members = [
        {"Key": "TransactionStatus", "Value": status},
        {"Key": "TransactionReason", "Value": reason},
    ]
    result = {
        "ResultCode": 0,
        "OriginatorConversationID": "o",
        "ConversationID": "c",
        "ResultParameters": {"ResultParameter": members},
    }
    return msgspec.json.encode({"Result": result})
