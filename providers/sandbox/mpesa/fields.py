"""Request bodies as Daraja checks them: member by member, the first bad one is named."""

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

import msgspec

Check = Callable[[str], bool]

_PHONE: Final = re.compile(r"254[17]\d{8}", re.ASCII)
_SHORTCODE: Final = re.compile(r"\d{4,9}", re.ASCII)
_TIMESTAMP: Final = re.compile(r"\d{14}", re.ASCII)
_URL: Final = re.compile(r"https?://[^\s/]+(/\S*)?")
_LARGEST_AMOUNT: Final = 250_000


def phone(value: str) -> bool:
    """A Kenyan mobile number with country code."""
    return _PHONE.fullmatch(value) is not None


def shortcode(value: str) -> bool:
    """A paybill, till or store number."""
    return _SHORTCODE.fullmatch(value) is not None


def timestamp(value: str) -> bool:
    """YYYYMMDDHHmmss."""
    return _TIMESTAMP.fullmatch(value) is not None


def moment(value: str) -> bool:
    """YYYY-MM-DD HH:MM:SS."""
    try:
        datetime.strptime(value, "%Y-%m-%d %H:%M:%S")
    except ValueError:
        return False
    return True


def url(value: str) -> bool:
    """An absolute address; the sandbox calls plain HTTP too."""
    return _URL.fullmatch(value) is not None


def amount(value: str) -> bool:
    """Whole shillings within M-Pesa's limits."""
    return value.isdecimal() and len(value) < 9 and 1 <= int(value) <= _LARGEST_AMOUNT


def text(shortest: int, longest: int) -> Check:
    """Text of such a length."""
    return lambda value: shortest <= len(value) <= longest


def one_of(*allowed: str) -> Check:
    """One of these words."""
    return lambda value: value in allowed


def read(body: bytes, checks: Mapping[str, Check]) -> dict[str, str] | str:
    """Every member as text, or the name of the first that is missing or bad. Members that are
    not checked are passed on if they are text or numbers."""
    try:
        given: dict[str, Any] = msgspec.json.decode(body, type=dict[str, Any])
    except (ValueError, RecursionError):
        return "Request"
    members = {name: str(value) for name, value in given.items() if isinstance(value, str | int)}
    for name, check in checks.items():
        if name not in members or not check(members[name]):
            return name
    return members
