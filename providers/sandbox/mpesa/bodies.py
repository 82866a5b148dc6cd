"""What the simulated Safaricom says: callbacks and results, with the quirks of the real one."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from providers.mpesa.codec import EAST_AFRICA
from providers.sandbox.mpesa.book import Payment
from providers.sandbox.mpesa.ids import stamp
from providers.sandbox.mpesa.outcomes import Ending

OUR_NAME: Final = "DAFTARI"
CUSTOMER_NAME: Final = "TEST CUSTOMER"
BUSINESS_NAME: Final = "TEST BUSINESS"

Parameters = Iterable[tuple[str, Any]]


def stk_callback(payment: Payment, ending: Ending) -> bytes:
    """Numbers everywhere; Balance without a Value; no metadata unless it was paid."""
    callback: dict[str, Any] = {
        "MerchantRequestID": payment.merchant,
        "CheckoutRequestID": payment.checkout,
        "ResultCode": int(ending.code),
        "ResultDesc": ending.message,
    }
    if ending.paid:
        callback["CallbackMetadata"] = {
            "Item": [
                {"Name": "Amount", "Value": _money(payment.amount)},
                {"Name": "MpesaReceiptNumber", "Value": payment.receipt},
                {"Name": "Balance"},
                {"Name": "TransactionDate", "Value": int(stamp(payment.ended_at))},
                {"Name": "PhoneNumber", "Value": int(payment.who)},
            ]
        }
    return msgspec.json.encode({"Body": {"stkCallback": callback}})


def transfer_result(payment: Payment, ending: Ending, utility: int, working: int) -> bytes:
    """B2C: numbers and a list. B2B: text, and one object in place of the list on failure."""
    parameters: list[dict[str, Any]] | dict[str, Any] | None = None
    if ending.paid and payment.kind == "b2c":
        parameters = _listed(_b2c_members(payment, utility, working))
    elif ending.paid:
        parameters = _listed(_b2b_members(payment, working))
    elif payment.kind == "b2b":
        parameters = {"Key": "BillReferenceNumber", "Value": payment.reference}
    code = ending.code if payment.kind == "b2b" else int(ending.code)
    return result(
        code,
        ending.message,
        originator=payment.originator,
        conversation=payment.conversation,
        transaction=payment.receipt,
        parameters=parameters,
        timeout_url=payment.timeout_url,
    )


def timeout_notice(payment: Payment) -> bytes:
    """What a QueueTimeOutURL gets: nothing is known."""
    return result(
        1,
        "The request timed out in the queue.",
        originator=payment.originator,
        conversation=payment.conversation,
        transaction="",
        parameters=None,
        timeout_url=payment.timeout_url,
    )


def result(
    code: int | str,
    message: str,
    *,
    originator: str,
    conversation: str,
    transaction: str,
    parameters: list[dict[str, Any]] | dict[str, Any] | None,
    timeout_url: str,
) -> bytes:
    """Any asynchronous result; its ReferenceItem is an object, never a list."""
    body: dict[str, Any] = {
        "ResultType": 0,
        "ResultCode": code,
        "ResultDesc": message,
        "OriginatorConversationID": originator,
        "ConversationID": conversation,
        "TransactionID": transaction,
        "ReferenceData": {"ReferenceItem": {"Key": "QueueTimeoutURL", "Value": timeout_url}},
    }
    if parameters is not None:
        body["ResultParameters"] = {"ResultParameter": parameters}
    return msgspec.json.encode({"Result": body})


def status_members(payment: Payment) -> list[dict[str, Any]]:
    """What a status request is told about a payment; DebitPartyName twice, as it happens."""
    ours = f"{payment.shortcode} - {OUR_NAME}"
    name = BUSINESS_NAME if payment.kind == "b2b" else CUSTOMER_NAME
    theirs = f"{payment.who} - {name}"
    debit, credit = (theirs, ours) if payment.kind in ("stk", "c2b") else (ours, theirs)
    reason = f"{payment.code} {payment.message}" if payment.state == "failed" else None
    status = {"paid": "Completed", "failed": "Failed", "reversed": "Reversed"}
    members: list[tuple[str, Any]] = [
        ("DebitPartyName", debit),
        ("DebitPartyName", debit),
        ("CreditPartyName", credit),
        ("OriginatorConversationID", payment.originator or payment.checkout),
        ("ConversationID", payment.conversation),
        ("InitiatedTime", int(stamp(payment.created_at))),
        ("TransactionReason", reason),
        ("TransactionStatus", status.get(payment.state, "Pending")),
        ("Amount", _money(payment.amount)),
        ("ReceiptNo", payment.receipt or None),
    ]
    if payment.ended_at:
        members.append(("FinalisedTime", int(stamp(payment.ended_at))))
    return _listed(members)


def balance_members(utility: int, working: int, now: float) -> list[dict[str, Any]]:
    """Our accounts, each "name|currency|current|available|reserved|uncleared"."""
    accounts = (("Working Account", working), ("Utility Account", utility))
    text = "&".join(f"{name}|KES|{kes}.00|{kes}.00|0.00|0.00" for name, kes in accounts)
    return _listed([("AccountBalance", text), ("BOCompletedTime", int(stamp(now)))])


def reversal_members(payment: Payment, working: int, now: float) -> list[dict[str, Any]]:
    """What a reversal is told."""
    return _listed(
        [
            ("DebitAccountBalance", f"Working Account|KES|{working}.00|{working}.00|0.00|0.00"),
            ("Amount", payment.amount),
            ("TransCompletedTime", int(stamp(now))),
            ("OriginalTransactionID", payment.receipt),
            ("Charge", 0),
            ("CreditPartyPublicName", f"{payment.who} - {CUSTOMER_NAME}"),
            ("DebitPartyPublicName", f"{payment.shortcode} - {OUR_NAME}"),
        ]
    )


def c2b_notice(payment: Payment) -> bytes:
    """Validation and confirmation; the phone is masked, as in production."""
    notice = {
        "TransactionType": "Pay Bill",
        "TransID": payment.receipt,
        "TransTime": stamp(payment.created_at),
        "TransAmount": f"{payment.amount}.00",
        "BusinessShortCode": payment.shortcode,
        "BillRefNumber": payment.reference,
        "InvoiceNumber": "",
        "OrgAccountBalance": "",
        "ThirdPartyTransID": "",
        "MSISDN": f"{payment.who[:4]} ***** {payment.who[-3:]}",
        "FirstName": "TEST",
        "MiddleName": "",
        "LastName": "CUSTOMER",
    }
    return msgspec.json.encode(notice)


def pulled(payment: Payment) -> dict[str, Any]:
    """A row of pull reconciliation."""
    return {
        "transactionId": payment.receipt,
        "trxDate": datetime.fromtimestamp(payment.ended_at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "msisdn": int(payment.who),
        "sender": CUSTOMER_NAME,
        "transactiontype": "c2b-pay-bill-debit",
        "billreference": payment.reference,
        "amount": f"{payment.amount}.00",
        "organizationname": OUR_NAME,
    }


def _b2c_members(payment: Payment, utility: int, working: int) -> Parameters:
    done = datetime.fromtimestamp(payment.ended_at, EAST_AFRICA).strftime("%d.%m.%Y %H:%M:%S")
    return (
        ("TransactionAmount", payment.amount),
        ("TransactionReceipt", payment.receipt),
        ("ReceiverPartyPublicName", f"{payment.who} - {CUSTOMER_NAME}"),
        ("TransactionCompletedDateTime", done),
        ("B2CUtilityAccountAvailableFunds", _money(utility)),
        ("B2CWorkingAccountAvailableFunds", _money(working)),
        ("B2CRecipientIsRegisteredCustomer", "Y"),
        ("B2CChargesPaidAccountAvailableFunds", _money(0)),
    )


def _b2b_members(payment: Payment, working: int) -> Parameters:
    account = f"Working Account|KES|{working}.00|{working}.00|0.00|0.00"
    return (
        ("DebitAccountBalance", account),
        ("Amount", f"{payment.amount}.00"),
        ("DebitPartyAffectedAccountBalance", account),
        ("TransCompletedTime", stamp(payment.ended_at)),
        ("DebitPartyCharges", None),
        ("ReceiverPartyPublicName", f"{payment.who} - {BUSINESS_NAME}"),
        ("Currency", "KES"),
        ("InitiatorAccountCurrentBalance", account),
    )


def _listed(members: Parameters) -> list[dict[str, Any]]:
    """A member without a value has no Value at all."""
    return [
        {"Key": key} if value is None else {"Key": key, "Value": value} for key, value in members
    ]


def _money(kes: int) -> msgspec.Raw:
    return msgspec.Raw(f"{kes}.00".encode())
