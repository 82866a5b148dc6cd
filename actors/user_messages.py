"""What a person's actor understands. Private to actors.user and actors.people."""

from collections.abc import Callable
from typing import Any

import msgspec

from actors.runtime.ask import Asks
from domain.identity import (
    Agent,
    Channel,
    CodeSession,
    Method,
    Person,
    Profile,
    Purpose,
    Refused,
    Surface,
)
from domain.identity.person import Changed
from domain.identity.proofs import CodeStatus, Risk, TryAnswer
from domain.identity.windows import WindowPolicy


class TotpStep(msgspec.Struct, frozen=True, gc=False):
    """The person is to show a code of their authenticator app."""

    purpose: Purpose


class CodeReady:
    """A code that is stored and must now be sent to `to`; its text appears in no repr."""

    __slots__ = ("channel", "code", "expires_in_s", "purpose", "salt", "surface", "to")

    def __init__(self, session: CodeSession, code: str, to: str, expires_in_s: int) -> None:
        self.surface = session.surface
        self.purpose = session.purpose
        self.channel = session.channel
        self.salt = session.salt
        self.code = code
        self.to = to
        self.expires_in_s = expires_in_s


class ChooseMethod(Asks[TotpStep | CodeReady | Refused], msgspec.Struct, frozen=True):
    """Begin a verification by the person's own means (CASH-051..054)."""

    surface: Surface
    purpose: Purpose
    method: Method


class PrepareCode(Asks[CodeReady | Refused], msgspec.Struct, frozen=True):
    """Make a code for an address the surface chose."""

    surface: Surface
    purpose: Purpose
    channel: Channel
    to: str


class VoidCode(Asks[None], msgspec.Struct, frozen=True):
    """The code with this salt was not delivered."""

    surface: Surface
    purpose: Purpose
    salt: bytes


class TryCode(Asks[TryAnswer], msgspec.Struct, frozen=True):
    """A code somebody typed; a right one earns a token when `issue` is set. The row changes in
    `also` are written together with the use of a right one, so that it is never used for nothing.
    """

    surface: Surface
    purpose: Purpose
    code: str
    issue: bool
    also: tuple[Any, ...] = ()

    def __repr__(self) -> str:
        return f"TryCode({self.surface}, {self.purpose})"


class TryTotp(Asks[TryAnswer], msgspec.Struct, frozen=True):
    """An authenticator code; a right one earns a token for `purpose` if there is one."""

    code: str
    purpose: Purpose | None

    def __repr__(self) -> str:
        return f"TryTotp({self.purpose})"


class ReadCode(Asks[CodeStatus], msgspec.Struct, frozen=True):
    """How a code stands."""

    surface: Surface
    purpose: Purpose


class ReadRisk(Asks[Risk], msgspec.Struct, frozen=True):
    """What the last day looked like."""

    surface: Surface


class Mark(Asks[int | Refused], msgspec.Struct, frozen=True):
    """Count an attempt before it is made; answers its time, to take it back by."""

    name: str
    policy: WindowPolicy


class TakeBack(Asks[None], msgspec.Struct, frozen=True):
    """The attempt marked at `at_us` did not fail after all."""

    name: str
    at_us: int


class Create(Asks[Profile | Refused], msgspec.Struct, frozen=True):
    """The row comes into being."""

    person: Person


class Change(Asks[Profile | Refused], msgspec.Struct, frozen=True):
    """Apply a pure change to the person; what it returns is written even when it refuses."""

    change: Callable[[Person], Changed]


class SaveAgent(Asks[Profile | Refused], msgspec.Struct, frozen=True):
    """Create or replace the agent profile (CASH-C33)."""

    agent: Agent


Message = (
    ChooseMethod
    | PrepareCode
    | VoidCode
    | TryCode
    | TryTotp
    | ReadCode
    | ReadRisk
    | Mark
    | TakeBack
    | Create
    | Change
    | SaveAgent
)
