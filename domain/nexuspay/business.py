"""Business accounts (document 002, "Business Account"; NXPY-C34..C36)."""

from typing import Final

import msgspec

_PREFIX: Final = "NEXUS"
_LONGEST: Final = 15  # digits of a merchant number


class Business(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A person's business; `number` 0 while its upgrade waits for the code. Times in µs."""

    id: str
    user_id: int
    name: str
    owner_name: str
    location: str
    type: str
    phone: str
    created_us: int
    number: int = 0
    address: str = ""
    completed_us: int = 0

    @property
    def is_complete(self) -> bool:
        """Whether it may be paid."""
        return self.number != 0

    @property
    def merchant_id(self) -> str:
        """NEXUS and at least three digits: what payers call it (NXPY-C35)."""
        return merchant_code(self.number)


def merchant_code(number: int) -> str:
    """1 → "NEXUS001"."""
    return f"{_PREFIX}{number:03d}"


def merchant_number(code: str) -> int | None:
    """The number in a merchant code, None when it is not one of ours."""
    digits = code.removeprefix(_PREFIX)
    if digits == code or not digits.isascii() or not digits.isdigit() or len(digits) > _LONGEST:
        return None
    number = int(digits)
    return number if merchant_code(number) == code else None
