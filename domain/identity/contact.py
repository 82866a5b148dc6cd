"""E-mail addresses and phone numbers: one canonical form each, and how much of it is shown."""

import re
from typing import Final

import phonenumbers

DEFAULT_REGION: Final = "KE"  # a phone without a country code (07…) is Kenyan
_LONGEST_PHONE: Final = 32  # characters looked at, punctuation included
_PHONE: Final = re.compile(r"\+?[0-9][0-9 ()./-]{3,}")
# ASCII only: case-folding beyond it merges mailboxes that are not the same (ß and ss).
_LOCAL: Final = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_LABEL: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?")


def normalise_email(text: str) -> str | None:
    """The address in lower case, the form that is unique (X-C03); None when it is not one.

    Syntax of NXPY-C07 and AMKT-C45: a dot-atom of at most 64 characters, a domain of at least
    two labels, 254 characters in all.
    """
    text = text.strip()
    local, at, domain = text.rpartition("@")
    if not at or len(text) > 254 or len(local) > 64 or not _LOCAL.fullmatch(local):
        return None
    labels = domain.split(".")
    if len(labels) < 2 or not all(_LABEL.fullmatch(label) for label in labels):
        return None
    return text.lower()


def normalise_phone(text: str, region: str = DEFAULT_REGION) -> str | None:
    """E.164 with its plus ("+254712345890"); None when no such number can exist.

    Accepts what the documents write: +2547…, 2547…, 002547… and the national 07….
    """
    text = text.strip()
    if len(text) > _LONGEST_PHONE or not text.isascii() or not _PHONE.fullmatch(text):
        return None
    if text.startswith("00"):
        text = "+" + text[2:]
    elif not text.startswith(("+", "0")):
        text = "+" + text
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_possible_number(number):
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def mask_tail(phone: str) -> str:
    """`***` and the last 4 digits: verification and agents (CASH-C13)."""
    return "***" + phone[-4:]


def mask_middle(phone: str) -> str:
    """First 6 digits, `***`, last 3: deposits and withdrawals (CASH-C13).

    A number so short that this would show all of it shows its last 3 digits only.
    """
    digits = phone.removeprefix("+")
    return f"{digits[:6] if len(digits) > 9 else ''}***{digits[-3:]}"


def mask_email(email: str) -> str:
    """First 2 characters, `***` and the domain (CASH-047): "ab***@example.com"."""
    local, _, domain = email.rpartition("@")
    return f"{local[:2]}***@{domain}"
