"""Password hashing, off the event loop and a bounded number at a time.

Argon2id takes tens of milliseconds and 19 MiB each, so it runs in worker threads, `WORKERS` at
once; when too many wait already, more are refused rather than kept waiting. The threads are of
their own and give way to everybody else: a storm of logins must not delay transfers.
"""

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Final, TypeVar

import argon2
import trio

from domain.identity import Reason, Refused, passwords

WORKERS: Final = 2  # of the two cores; the event loop keeps its turn, argon2 releases the GIL
_NICENESS: Final = 15  # a thread of ordinary priority gets some thirty times its share
WAITING_LIMIT: Final = 64  # about two seconds of work
# OWASP's first choice for Argon2id: 19 MiB, two passes, one lane.
HASHER: Final = argon2.PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
# Stands in for whatever cannot be hashed, so that it takes as long as a wrong password.
_STAND_IN: Final = "no password at all"
_T = TypeVar("_T")


class Passwords:
    """Hashes and checks passwords."""

    def __init__(
        self,
        hasher: argon2.PasswordHasher = HASHER,
        workers: int = WORKERS,
        waiting: int = WAITING_LIMIT,
    ) -> None:
        self._hasher = hasher
        self._limiter = trio.CapacityLimiter(workers)
        self._threads = ThreadPoolExecutor(workers, "argon2", _give_way)
        self._waiting = waiting
        # Checked against when there is no such person, so that both answers take equally long.
        self._nobody = hasher.hash(_STAND_IN)

    async def hash(self, password: str) -> str | Refused:
        """The PHC string of an acceptable password; OVERLOADED when too many wait."""
        if self._is_full():
            return Refused(Reason.OVERLOADED)
        return await self._run(lambda: self._hasher.hash(password))

    async def verify(self, password_hash: str | None, password: str) -> bool | Refused:
        """Whether the password is right; False, as slowly, when there is no hash (NXPY-C09)."""
        if self._is_full():
            return Refused(Reason.OVERLOADED)
        right = await self._run(lambda: self._matches(password_hash or self._nobody, password))
        return right and password_hash is not None

    async def _run(self, work: Callable[[], _T]) -> _T:
        """In one of the threads; what has begun there is waited for, as it cannot be stopped."""
        token, done = trio.lowlevel.current_trio_token(), trio.Event()
        async with self._limiter:
            future = self._threads.submit(work)
            future.add_done_callback(lambda _: token.run_sync_soon(done.set))
            with trio.CancelScope(shield=True):
                await done.wait()
        return future.result()

    def _is_full(self) -> bool:
        return self._limiter.statistics().tasks_waiting >= self._waiting

    def _matches(self, password_hash: str, password: str) -> bool:
        if not passwords.acceptable(password):
            self._hasher.verify(self._nobody, _STAND_IN)
            return False
        try:
            return self._hasher.verify(password_hash, password)
        except argon2.exceptions.VerifyMismatchError:
            return False


def _give_way() -> None:
    """Lower this thread's priority, where the system has one for threads."""
    with suppress(AttributeError, OSError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)
