"""What the people's actors need from storage; implemented by storage.users and storage.codes.

Every method raises `StoreUnavailable` while the database is away. After a write that means the
outcome may be unknown: whoever wrote reads again before relying on what it remembers.
"""

from collections.abc import Sequence
from enum import Enum
from typing import Any, Protocol

from domain.identity import Agent, Person, Profile, Reason, TokenConsumed, VerificationToken
from domain.identity.proofs import ProofChange, Proofs


class StoreUnavailable(Exception):
    """The database did not answer; a write may or may not have happened."""


class StaleWrite(Exception):
    """Somebody else wrote this person's row since it was read."""


class Lookup(Enum):
    """What a person can be found by."""

    EMAIL = "email"  # case-folded; verified or not, it is one person's (X-C03)
    PHONE = "phone"  # verified ones only (X-C02)
    AGENT_ID = "agent_id"
    OBJECT_ID = "object_id"
    WALLET_ADDRESS = "wallet_address"  # without case


class UserOrder(Enum):
    """What a list of people can be sorted by."""

    CREATED = "created"
    LAST_LOGIN = "last login"
    EMAIL = "email"
    PHONE = "phone"
    FIRST_NAME = "first name"
    ROLE = "role"


class UserStore(Protocol):
    """People and agents."""

    async def profiles(self, user_ids: Sequence[int]) -> list[Profile]:
        """Those of `user_ids` that exist, deleted ones included."""
        ...

    async def present(self, user_ids: Sequence[int]) -> list[int]:
        """Those of `user_ids` that exist and are not deleted."""
        ...

    async def find(self, by: Lookup, value: str) -> int | None:
        """The user id `value` belongs to."""
        ...

    async def page(
        self, order: UserOrder, descending: bool, limit: int, offset: int
    ) -> tuple[list[Profile], int]:
        """One page of everybody who is not deleted, and how many there are."""
        ...

    async def person(self, user_id: int) -> Person | None:
        """The person with secrets."""
        ...

    async def new_id(self) -> int:
        """An id nobody has had."""
        ...

    async def insert(self, person: Person) -> Reason | None:
        """Create the person; EMAIL_TAKEN or PHONE_TAKEN when somebody has them."""
        ...

    async def save(self, person: Person) -> Reason | None:
        """Write the row whose revision is one less; raises StaleWrite when there is none."""
        ...

    async def save_agent(self, agent: Agent) -> Reason | None:
        """Create or replace the agent profile of `agent.user_id`."""
        ...


class ProofStore(Protocol):
    """Codes, attempts and verification tokens."""

    async def load(self, user_id: int, now_us: int) -> Proofs:
        """What is still good for anything at `now_us`."""
        ...

    async def save(self, user_id: int, change: ProofChange, also: Sequence[Any] = ()) -> None:
        """Write the step, and the row changes in `also`, in one transaction; raises StaleWrite
        when one of those finds no row."""
        ...

    async def burn(self, consumed: TokenConsumed) -> None:
        """Spend a token on nothing."""
        ...

    async def purge(self, now_us: int) -> None:
        """Forget codes and tokens that expired long ago."""
        ...

    async def unspent(self, user_id: int, token_hash: bytes) -> VerificationToken | None:
        """This person's token, expired or not, unless it was spent."""
        ...
