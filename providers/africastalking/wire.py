"""Africa's Talking bulk SMS, version1/messaging: what it answers. Names are theirs."""

import msgspec


class Recipient(msgspec.Struct, frozen=True, kw_only=True):
    """The fate of the message for one number; `statusCode` 100 to 102 means accepted."""

    statusCode: int
    number: str = ""
    status: str = ""
    messageId: str = ""


class SmsMessageData(msgspec.Struct, frozen=True, kw_only=True):
    """`Message` explains why there are no recipients ("InvalidSenderId")."""

    Message: str = ""
    Recipients: list[Recipient] = []


class SmsAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The whole answer, HTTP 201."""

    SMSMessageData: SmsMessageData
