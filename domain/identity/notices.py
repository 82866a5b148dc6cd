"""What a message with a code says."""

from typing import Final

from domain.identity.vocabulary import Purpose

SUBJECT: Final = "Your verification code"
_FOR: Final = {
    Purpose.WITHDRAWAL: "your withdrawal",
    Purpose.TRANSFER: "your transfer",
    Purpose.SENSITIVE_OPERATION: "this operation",
    Purpose.WALLET_FUNDING: "funding your wallet",
    Purpose.WALLET_DEDUCTION: "your wallet purchase",
    Purpose.REGISTRATION_EMAIL: "your registration",
    Purpose.REGISTRATION_PHONE: "your registration",
    Purpose.LOGIN: "your login",
    Purpose.PASSWORD_RESET: "your password reset",
    Purpose.BUSINESS_UPGRADE: "your business upgrade",
}


def code_text(code: str, purpose: Purpose, ttl_s: int) -> str:
    """One short paragraph that fits an SMS and names what the code is for."""
    return (
        f"{code} is the code for {_FOR[purpose]}. It expires in {ttl_s // 60} minutes. "
        "Do not share it with anyone."
    )
