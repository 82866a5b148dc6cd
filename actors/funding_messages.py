"""What a funding desk understands and answers."""

from collections.abc import Callable
from enum import Enum

import msgspec

from actors.reviews import NotRuled, Ruled, Ruling
from actors.runtime.ask import Asks
from domain.funding import Funding
from domain.identity import Purpose
from domain.ledger import Ticket


class Trouble(Enum):
    """Why a funding request does not succeed, in order of precedence (WOTP-C14)."""

    LOCKED = "too many wrong codes"
    DAILY_LIMIT = "daily limit exceeded"
    NOT_FOUND = "no such funding is pending"
    EXPIRED = "the code has expired"
    NOT_SENT = "the code could not be sent"
    DECLINED = "the funding source declined"
    UNAVAILABLE = "temporarily unavailable"


class Opened(msgspec.Struct, frozen=True, gc=False):
    """A funding waits for its code. `sent` is False when the mail server did not say so."""

    funding: Funding
    expires_in_s: int
    sent: bool


class Resent(msgspec.Struct, frozen=True, gc=False):
    """A new code has taken the place of the one before."""

    expires_in_s: int


class WrongCode(msgspec.Struct, frozen=True, gc=False):
    """Not the code that was sent."""

    attempts_left: int


class Credited(msgspec.Struct, frozen=True, gc=False):
    """The money is in the wallet; `balance` in units and `sequence` are the wallet's after it."""

    funding: Funding
    balance: int
    sequence: int


class InReview(msgspec.Struct, frozen=True, gc=False):
    """The code was right, an operator decides; the wallet is as it was (WOTP-C05)."""

    funding: Funding
    balance: int
    sequence: int


Proved = Credited | InReview
ProveAnswer = Credited | InReview | WrongCode | Trouble
Render = Callable[[Proved], bytes]
"""What a repeat of the request is answered, made before the commit that makes it true."""


class Address(msgspec.Struct, frozen=True, gc=False):
    """Where a code goes, and how that relates to the person.

    `other`: not the registered address as far as it is proved (X-C02, WOTP-C03). `registered` is
    to be told when the code goes elsewhere, "" when there is none.
    """

    to: str
    other: bool
    registered: str


class Open(Asks[Opened | Trouble], msgspec.Struct, frozen=True):
    """Begin a funding of `amount` units."""

    amount: int
    address: Address


class Resend(Asks[Resent | Trouble], msgspec.Struct, frozen=True):
    """Make and send a new code."""

    purpose: Purpose
    address: Address


class Prove(Asks[ProveAnswer], msgspec.Struct, frozen=True):
    """A code somebody typed for `reference`."""

    reference: str
    code: str
    ticket: Ticket | None
    render: Render | None

    def __repr__(self) -> str:
        return f"Prove({self.reference})"


class Rule(Asks[Ruled | NotRuled], msgspec.Struct, frozen=True):
    """An operator's decision."""

    reference: str
    ruling: Ruling


class Settle(Asks[None], msgspec.Struct, frozen=True):
    """Credit what was cleared and could not be credited then."""


Message = Open | Resend | Prove | Rule | Settle
