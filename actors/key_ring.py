"""Where live bots find a user's exchange keys; implemented by whoever stores them, encrypted."""

from typing import Protocol

from actors.exchanges import Keys


class KeyRing(Protocol):
    """Keys that passed their test (AMKT-C13)."""

    async def keys(self, user_id: int, platform: str) -> Keys | None:
        """The user's keys at a platform, None when there are none; raises what storage raises."""
        ...
