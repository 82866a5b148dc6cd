"""Which members each call must have, in the order Daraja names them when they are bad."""

from collections.abc import Mapping
from typing import Final

from providers.sandbox.mpesa import fields

Checks = Mapping[str, fields.Check]

_ADDRESSED: Final[Checks] = {
    "SecurityCredential": fields.text(1, 1_000),
    "Remarks": fields.text(2, 100),
    "QueueTimeOutURL": fields.url,
    "ResultURL": fields.url,
}
STK: Final[Checks] = {
    "BusinessShortCode": fields.shortcode,
    "Password": fields.text(1, 400),
    "Timestamp": fields.timestamp,
    "TransactionType": fields.one_of("CustomerPayBillOnline", "CustomerBuyGoodsOnline"),
    "Amount": fields.amount,
    "PartyA": fields.phone,
    "PartyB": fields.shortcode,
    "PhoneNumber": fields.phone,
    "CallBackURL": fields.url,
    "AccountReference": fields.text(1, 12),
    "TransactionDesc": fields.text(1, 13),
}
STK_QUERY: Final[Checks] = {
    "BusinessShortCode": fields.shortcode,
    "Password": fields.text(1, 400),
    "Timestamp": fields.timestamp,
    "CheckoutRequestID": fields.text(1, 100),
}
B2C: Final[Checks] = {
    "OriginatorConversationID": fields.text(1, 100),
    "InitiatorName": fields.text(1, 100),
    "CommandID": fields.one_of("BusinessPayment", "SalaryPayment", "PromotionPayment"),
    "Amount": fields.amount,
    "PartyA": fields.shortcode,
    "PartyB": fields.phone,
    **_ADDRESSED,
}
B2B: Final[Checks] = {
    "Initiator": fields.text(1, 100),
    "CommandID": fields.one_of("BusinessPayBill", "BusinessBuyGoods"),
    "SenderIdentifierType": fields.one_of("4"),
    "RecieverIdentifierType": fields.one_of("4"),
    "Amount": fields.amount,
    "PartyA": fields.shortcode,
    "PartyB": fields.shortcode,
    "AccountReference": fields.text(1, 13),
    **_ADDRESSED,
}
STATUS: Final[Checks] = {
    "Initiator": fields.text(1, 100),
    "CommandID": fields.one_of("TransactionStatusQuery"),
    "PartyA": fields.shortcode,
    "IdentifierType": fields.one_of("4"),
    **_ADDRESSED,
}
REVERSAL: Final[Checks] = {
    "Initiator": fields.text(1, 100),
    "CommandID": fields.one_of("TransactionReversal"),
    "TransactionID": fields.text(1, 20),
    "Amount": fields.amount,
    "ReceiverParty": fields.shortcode,
    "RecieverIdentifierType": fields.one_of("11"),
    **_ADDRESSED,
}
BALANCE: Final[Checks] = {
    "Initiator": fields.text(1, 100),
    "CommandID": fields.one_of("AccountBalance"),
    "PartyA": fields.shortcode,
    "IdentifierType": fields.one_of("4"),
    **_ADDRESSED,
}
REGISTER: Final[Checks] = {
    "ShortCode": fields.shortcode,
    "ResponseType": fields.one_of("Completed", "Cancelled"),
    "ConfirmationURL": fields.url,
    "ValidationURL": fields.url,
}
SIMULATE: Final[Checks] = {
    "ShortCode": fields.shortcode,
    "CommandID": fields.one_of("CustomerPayBillOnline", "CustomerBuyGoodsOnline"),
    "Amount": fields.amount,
    "Msisdn": fields.phone,
}
PULL_REGISTER: Final[Checks] = {
    "ShortCode": fields.shortcode,
    "RequestType": fields.one_of("Pull"),
    "NominatedNumber": fields.phone,
    "CallBackURL": fields.url,
}
PULL: Final[Checks] = {
    "ShortCode": fields.shortcode,
    "StartDate": fields.moment,
    "EndDate": fields.moment,
    "OffSetValue": str.isdecimal,
}
