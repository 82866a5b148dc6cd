"""Open sockets by hash: several may share one (MPWS-C04), and each ends with its token."""

from typing import Protocol

import trio

from actors.clock import Clock
from protocols.expiry import Expiries


class Socket(Protocol):
    """One open socket. `user_id` is None on an anonymous one."""

    @property
    def user_id(self) -> int | None: ...

    def end(self) -> None:
        """Whoever opened it may not listen any more."""


class OpenSockets:
    """Made by app.py with the surface, which runs `run`; tells sockets when they must end."""

    def __init__(self, clock: Clock) -> None:
        self._by_hash: dict[str, set[Socket]] = {}
        self._expiries = Expiries(clock)

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """End sockets with their tokens, until cancelled."""
        await self._expiries.run(task_status=task_status)

    def add(self, hash_: str, socket: Socket, expires_at_us: int | None) -> None:
        """An open socket of `hash_`; its token's end on the application clock, if it has one."""
        self._by_hash.setdefault(hash_, set()).add(socket)
        if expires_at_us is not None:
            self._expiries.add(socket, expires_at_us)

    def discard(self, hash_: str, socket: Socket) -> None:
        """Forget a closed socket, and the hash with its last one (MPWS-051)."""
        sockets = self._by_hash.get(hash_, set())
        sockets.discard(socket)
        if not sockets:
            self._by_hash.pop(hash_, None)
        self._expiries.discard(socket)

    def count(self, hash_: str) -> int:
        """How many sockets of `hash_` are open."""
        return len(self._by_hash.get(hash_, ()))

    def bound(self, hash_: str, owner: int) -> None:
        """The hash has become somebody's: whoever listens without being them must not."""
        for socket in list(self._by_hash.get(hash_, ())):
            if socket.user_id != owner:
                socket.end()
