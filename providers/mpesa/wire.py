"""The vocabulary of Daraja, spelling mistakes included.

Requests are strict. Answers and callbacks are lax, because Daraja is: codes come as numbers or
as text, a list of one comes as an object, values are left out, unknown members appear. What may
be of several types is kept as raw JSON and read by `providers.mpesa.lax`.
"""

from typing import Final

from msgspec import UNSET, Raw, Struct, UnsetType, field

OAUTH_PATH: Final = "/oauth/v1/generate"
STK_PUSH_PATH: Final = "/mpesa/stkpush/v1/processrequest"
STK_QUERY_PATH: Final = "/mpesa/stkpushquery/v1/query"
B2C_PATH: Final = "/mpesa/b2c/v3/paymentrequest"
B2B_PATH: Final = "/mpesa/b2b/v1/paymentrequest"
STATUS_PATH: Final = "/mpesa/transactionstatus/v1/query"
REVERSAL_PATH: Final = "/mpesa/reversal/v1/request"
BALANCE_PATH: Final = "/mpesa/accountbalance/v1/query"
C2B_REGISTER_PATH: Final = "/mpesa/c2b/v2/registerurl"
C2B_SIMULATE_PATH: Final = "/mpesa/c2b/v2/simulate"
PULL_REGISTER_PATH: Final = "/pulltransactions/v1/register"
PULL_QUERY_PATH: Final = "/pulltransactions/v1/query"

_NOTHING: Final = Raw(b"null")


class Request(Struct, frozen=True, kw_only=True, rename="pascal", gc=False):
    """Base of everything we send."""


class StkPush(Request, frozen=True, kw_only=True):
    """Asks a handset for its PIN."""

    business_short_code: str
    password: str
    timestamp: str
    transaction_type: str
    amount: str
    party_a: str
    party_b: str
    phone_number: str
    call_back_url: str = field(name="CallBackURL")
    account_reference: str
    transaction_desc: str


class StkQuery(Request, frozen=True, kw_only=True):
    """Asks what became of a push."""

    business_short_code: str
    password: str
    timestamp: str
    checkout_request_id: str = field(name="CheckoutRequestID")


class Addressed(Request, frozen=True, kw_only=True):
    """Base of what is answered by callback."""

    queue_time_out_url: str = field(name="QueueTimeOutURL")
    result_url: str = field(name="ResultURL")
    remarks: str
    security_credential: str


class B2c(Addressed, frozen=True, kw_only=True):
    """Pays a customer."""

    originator_conversation_id: str = field(name="OriginatorConversationID")
    initiator_name: str
    command_id: str = field(name="CommandID")
    amount: str
    party_a: str
    party_b: str
    occasion: str = field(name="Occassion", default="")


class B2b(Addressed, frozen=True, kw_only=True):
    """Pays a paybill or till. The receiver's type is 4 for tills too."""

    initiator: str
    command_id: str = field(name="CommandID")
    sender_identifier_type: str = "4"
    receiver_identifier_type: str = field(name="RecieverIdentifierType", default="4")
    amount: str
    party_a: str
    party_b: str
    account_reference: str
    requester: str | UnsetType = UNSET


class StatusQuery(Addressed, frozen=True, kw_only=True):
    """Asks what became of a payment, by receipt or by conversation."""

    initiator: str
    command_id: str = field(name="CommandID", default="TransactionStatusQuery")
    transaction_id: str | UnsetType = field(name="TransactionID", default=UNSET)
    original_conversation_id: str | UnsetType = field(name="OriginalConversationID", default=UNSET)
    party_a: str
    identifier_type: str = "4"
    occasion: str = ""


class Reversal(Addressed, frozen=True, kw_only=True):
    """Asks for an incoming payment to be given back."""

    initiator: str
    command_id: str = field(name="CommandID", default="TransactionReversal")
    transaction_id: str = field(name="TransactionID")
    amount: str
    receiver_party: str
    receiver_identifier_type: str = field(name="RecieverIdentifierType", default="11")
    occasion: str = ""


class BalanceQuery(Addressed, frozen=True, kw_only=True):
    """Asks for the balances of our accounts."""

    initiator: str
    command_id: str = field(name="CommandID", default="AccountBalance")
    party_a: str
    identifier_type: str = "4"


class C2bRegister(Request, frozen=True, kw_only=True):
    """Says where unasked payments are announced."""

    short_code: str
    response_type: str
    confirmation_url: str = field(name="ConfirmationURL")
    validation_url: str = field(name="ValidationURL")


class PullRegister(Request, frozen=True, kw_only=True):
    """Switches pull reconciliation on, once per short code."""

    short_code: str
    request_type: str = "Pull"
    nominated_number: str
    call_back_url: str = field(name="CallBackURL")


class PullQuery(Request, frozen=True, kw_only=True):
    """Asks what was paid to us; times are East Africa Time."""

    short_code: str
    start_date: str
    end_date: str
    off_set_value: str


class Token(Struct, frozen=True):
    """OAuth answer; `expires_in` is a number or text."""

    access_token: str
    expires_in: Raw = _NOTHING


class Reply(Struct, frozen=True, kw_only=True, rename="pascal"):
    """Any answer to any call: the acknowledgement's members and the error envelope's."""

    response_code: Raw = _NOTHING
    response_description: str = ""
    customer_message: str = ""
    merchant_request_id: str = field(name="MerchantRequestID", default="")
    checkout_request_id: str = field(name="CheckoutRequestID", default="")
    conversation_id: str = field(name="ConversationID", default="")
    originator_conversation_id: str = field(name="OriginatorConversationID", default="")
    result_code: Raw = _NOTHING
    result_desc: str = ""
    # Pull registration, spaced in what is seen and joined in what is documented
    response_status: Raw = _NOTHING
    response_status_spaced: Raw = field(name="Response Status", default=_NOTHING)
    request_id: str = field(name="requestId", default="")
    error_code: str = field(name="errorCode", default="")
    error_message: str = field(name="errorMessage", default="")


class Item(Struct, frozen=True):
    """One member of a push's metadata."""

    name: str = field(name="Name")
    value: Raw = field(name="Value", default=_NOTHING)


class Metadata(Struct, frozen=True):
    """What a paid push carries; Daraja leaves it out otherwise."""

    items: list[Item] | Item = field(name="Item", default_factory=list)


class StkCallback(Struct, frozen=True, kw_only=True, rename="pascal"):
    """What became of a push."""

    merchant_request_id: str = field(name="MerchantRequestID", default="")
    checkout_request_id: str = field(name="CheckoutRequestID")
    result_code: Raw
    result_desc: str = ""
    callback_metadata: Metadata | None = None


class StkBody(Struct, frozen=True):
    """Inner envelope."""

    callback: StkCallback = field(name="stkCallback")


class StkEnvelope(Struct, frozen=True):
    """Body posted to a push's callback URL."""

    body: StkBody = field(name="Body")


class Pair(Struct, frozen=True):
    """One result parameter."""

    key: str = field(name="Key")
    value: Raw = field(name="Value", default=_NOTHING)


class Parameters(Struct, frozen=True):
    """Result parameters: a list, or one object where there is one."""

    pairs: list[Pair] | Pair = field(name="ResultParameter", default_factory=list)


class Result(Struct, frozen=True, kw_only=True, rename="pascal"):
    """What became of anything asynchronous."""

    result_code: Raw
    result_desc: str = ""
    originator_conversation_id: str = field(name="OriginatorConversationID", default="")
    conversation_id: str = field(name="ConversationID", default="")
    transaction_id: str | None = field(name="TransactionID", default=None)
    result_parameters: Parameters | list[Pair] | None = None


class ResultEnvelope(Struct, frozen=True):
    """Body posted to a ResultURL or QueueTimeOutURL."""

    result: Result = field(name="Result")


class C2bNotice(Struct, frozen=True, kw_only=True, rename="pascal"):
    """A payment made unasked: validation and confirmation have the same shape."""

    trans_id: str = field(name="TransID")
    trans_time: Raw = _NOTHING
    trans_amount: Raw
    business_short_code: Raw
    bill_ref_number: str | None = None
    msisdn: Raw = field(name="MSISDN", default=_NOTHING)
    first_name: str | None = None
    middle_name: str | None = None
    last_name: str | None = None


class PulledPayment(Struct, frozen=True, kw_only=True):
    """A row of pull reconciliation; lower case, unlike the rest of Daraja."""

    transaction_id: str = field(name="transactionId")
    date: str = field(name="trxDate", default="")
    msisdn: Raw = _NOTHING
    sender: str | None = None
    bill_reference: str | None = field(name="billreference", default=None)
    amount: Raw


class PullReply(Struct, frozen=True, kw_only=True, rename="pascal"):
    """Answer of pull reconciliation: a list in a list; 1001 says that there is nothing."""

    response_code: Raw = _NOTHING
    response_message: str = ""
    response: Raw = _NOTHING


class Acknowledgement(Request, frozen=True, kw_only=True):
    """What Daraja wants to hear after a callback; C2B refusals name C2B00011 … C2B00016."""

    result_code: int | str = 0
    result_desc: str = "Accepted"
