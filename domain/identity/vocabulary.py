"""The closed sets the identity base speaks in: surfaces, purposes, methods, refusals."""

from enum import Enum, StrEnum

import msgspec


class Surface(StrEnum):
    """The five APIs (contract.md); each has its own policies (X-C19, X-C20)."""

    CASHIER = "cashier"
    MPESA = "mpesa"
    NEXUSPAY = "nexuspay"
    WALLET = "wallet"
    AMARKTAI = "amarktai"


class Purpose(StrEnum):
    """What a code or a verification token is good for; nothing is good for two of them."""

    WITHDRAWAL = "withdrawal"
    TRANSFER = "transfer"
    SENSITIVE_OPERATION = "sensitive_operation"
    WALLET_FUNDING = "wallet_funding"
    WALLET_DEDUCTION = "wallet_deduction"
    REGISTRATION_EMAIL = "registration_email"
    REGISTRATION_PHONE = "registration_phone"
    LOGIN = "login"
    PASSWORD_RESET = "password_reset"  # noqa: S105
    BUSINESS_UPGRADE = "business_upgrade"


class Channel(StrEnum):
    """How a code travels."""

    SMS = "sms"
    EMAIL = "email"
    WHATSAPP = "whatsapp"


class Method(StrEnum):
    """How a person proves to be there (CASH-027)."""

    AUTO = "auto"
    TOTP = "totp"
    SMS = "otp_sms"
    EMAIL = "otp_email"
    WHATSAPP = "otp_whatsapp"

    @classmethod
    def parse(cls, text: str | None) -> "Method | None":
        """The method a cashier client named, None when there is none (CASH-C05)."""
        if text is None or text in ("", "auto or empty"):
            return cls.AUTO
        return cls(text) if text in cls._value2member_map_ else None


METHOD_OF = {
    Channel.SMS: Method.SMS,
    Channel.EMAIL: Method.EMAIL,
    Channel.WHATSAPP: Method.WHATSAPP,
}
CHANNEL_OF = {method: channel for channel, method in METHOD_OF.items()}


class Reason(Enum):
    """Why something is refused. A reply, not a failure; the surface has its text.

    Where several hold, the first in this order is the answer.
    """

    UNKNOWN_USER = "unknown user"
    LOCKED = "locked after too many failures"
    TOTP_NOT_ENABLED = "TOTP is not enabled"
    TOTP_ALREADY_ENABLED = "TOTP is already enabled"
    TOTP_NOT_STARTED = "TOTP enrolment was not started"
    NO_METHOD = "no verification method available"
    NO_PHONE = "phone number not available"
    NO_EMAIL = "email not available"
    TOO_MANY_REQUESTS = "too many requests"
    NO_CODE = "no code is pending"
    CODE_EXPIRED = "the code has expired"
    WRONG_CODE = "wrong code"
    WRONG_PASSWORD = "wrong e-mail or password"  # noqa: S105
    INVALID_TOKEN = "invalid or expired verification token"  # noqa: S105
    ID_TAKEN = "the user id is in use"
    EMAIL_TAKEN = "the e-mail belongs to somebody"
    PHONE_TAKEN = "the phone belongs to somebody"
    AGENT_TAKEN = "the agent id belongs to somebody"
    DELIVERY_FAILED = "the code could not be sent"
    OVERLOADED = "overloaded"
    UNAVAILABLE = "storage is unavailable"


class Refused(msgspec.Struct, frozen=True, gc=False):
    """A refusal with what a client may be told about trying again.

    `attempts_left`: tries of the same code that are left. `retry_at_us`: application time from
    which a retry can succeed, 0 when waiting changes nothing.
    """

    reason: Reason
    attempts_left: int = 0
    retry_at_us: int = 0
