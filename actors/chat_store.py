"""What the assistant keeps: conversations, and proposals until their token is shown."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import msgspec

from domain.assistant.intents import Proposal


class Message(msgspec.Struct, frozen=True):
    """One line of a conversation; `role` user or assistant."""

    role: str
    content: str
    at_us: int


class Taken(NamedTuple):
    """A proposal that was waiting, and until when."""

    proposal: Proposal
    expires_us: int


class ChatStore(Protocol):
    """Conversations and proposals; implemented by storage.chat."""

    async def add(self, user_id: int, messages: Sequence[Message]) -> None:
        """Append to a conversation; of a very long one the oldest are forgotten."""
        ...

    async def last(self, user_id: int, limit: int) -> Sequence[Message]:
        """The newest `limit`, oldest first."""
        ...

    async def clear(self, user_id: int) -> None:
        """Forget the conversation and what waits for a confirmation."""
        ...

    async def propose(
        self, user_id: int, token_hash: bytes, proposal: Proposal, expires_us: int
    ) -> None:
        """Keep a proposal until it is taken."""
        ...

    async def take(self, user_id: int, token_hash: bytes) -> Taken | None:
        """The person's proposal with this token, which is gone by that; None: there is none."""
        ...
