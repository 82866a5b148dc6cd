"""What payment actors are told."""

from collections.abc import Callable
from enum import Enum
from typing import Any

import msgspec

from actors.audit import AuditEntry
from actors.payment_evidence import Result
from actors.rails import Outcome
from actors.reviews import Ruling
from domain.chains.transfers import Deposit, Withdrawal
from domain.ledger import AccountKey, Recorded, Ticket
from domain.payments import Payment


class Overtaken(Enum):
    """A push's callback came before the provider's answer to the push (MPWS-C11)."""

    EARLY = "the push is not answered yet"


class Evidence(msgspec.Struct, frozen=True):
    """What the provider said of the money: a callback as it was read, or its bare outcome.

    Answered with the verdict once that is recorded, or with a Refusal: then try again; or with
    EARLY, once, where it has overtaken the answer to the call it is about.
    """

    result: Result | Outcome
    waited: bool = False


class Nudge(msgspec.Struct, frozen=True):
    """Something was said that proves nothing: ask the provider, though not over and over.
    `ended_too`: even about a payment that is over (reconciliation)."""

    ended_too: bool = False


class Called(msgspec.Struct, frozen=True):
    """The provider answered a call of ours."""

    step: str
    result: Any


class Cancel(msgspec.Struct, frozen=True):
    """The owner cancels; answered with the payment as it then is, or a Refusal."""


class Fulfil(msgspec.Struct, frozen=True):
    """The agent hands over: `agent` is the agent's account, `commission` in units, `changes` what
    is committed with it.

    Answered with (payment, Recorded) or a Refusal; the payment alone when it was not waiting.
    """

    agent: AccountKey
    commission: int = 0
    changes: tuple[Any, ...] = ()
    ticket: Ticket | None = None
    outcome: Callable[[Payment, Recorded], bytes] | None = None


class Rule(msgspec.Struct, frozen=True):
    """An operator has decided; answered with Ruled, NotRuled or a Refusal."""

    ruling: Ruling


class Again(msgspec.Struct, frozen=True):
    """An administrator lets what failed be tried once more; answered as Rule, but that a Refusal
    of its money is the answer too."""

    audit: AuditEntry


class OnChain(msgspec.Struct, frozen=True):
    """A fact of the chain rail: a confirmed deposit, answered with whether it was credited, or
    what became of a withdrawal, answered with its payment; a Refusal to be told again."""

    fact: Deposit | Withdrawal


Message = Again | Evidence | Nudge | Called | Cancel | Fulfil | OnChain | Rule
