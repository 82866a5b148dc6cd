"""Whose a hash of the M-Pesa surface is: nobody's, until somebody uses it with their token."""

from collections.abc import Callable
from typing import Final, Protocol

from actors.clock import Clock

# Answers kept in memory; the oldest goes first. A binding is for ever, so none gets stale.
REMEMBERED: Final = 20_000


class HashStore(Protocol):
    """Bindings at rest; implemented by storage.mpesa."""

    async def owner(self, hash_: str) -> int | None:
        """Whose it is, None when it is bound to nobody."""
        ...

    async def bind(self, hash_: str, user_id: int, at_us: int) -> int:
        """Bind it to `user_id` unless it is bound; whose it is then."""
        ...


class Hashes:
    """Bindings in front of storage. One instance; `on_bound` is told of every new binding."""

    def __init__(self, store: HashStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._owners: dict[str, int | None] = {}
        self.on_bound: Callable[[str, int], None] = _nobody_told

    def known_owner(self, hash_: str) -> int | None:
        """Whose it is as far as memory says; never waits."""
        return self._owners.get(hash_)

    async def owner(self, hash_: str) -> int | None:
        """Whose it is. Raises what storage raises."""
        if hash_ not in self._owners:
            found = await self._store.owner(hash_)
            # Bound by somebody else meanwhile: what they wrote is newer than what was read.
            self._owners.setdefault(hash_, found)
            self._forget()
        return self._owners.get(hash_)

    async def claim(self, hash_: str, user_id: int) -> int:
        """Whose it is, `user_id` from now on if it was nobody's (MPWS-C03)."""
        owner = await self.owner(hash_)
        if owner is not None:
            return owner
        owner = await self._store.bind(hash_, user_id, self._clock.now_us())
        is_new = self._owners.get(hash_) is None
        self._owners[hash_] = owner
        self._forget()
        if is_new:
            self.on_bound(hash_, owner)
        return owner

    def _forget(self) -> None:
        while len(self._owners) > REMEMBERED:
            del self._owners[next(iter(self._owners))]


def _nobody_told(_hash: str, _owner: int) -> None:
    """There are no sockets yet."""
