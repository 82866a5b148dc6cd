"""After a start: the accounts that moved last, brought into memory before anybody asks for them.

A cold account costs its first transfer a query, at the price of two other transfers. One `WarmUp`,
started by app.py; it ends when everybody is there, memory is full or the database is away, and what
it did not bring is recovered when it is asked for.
"""

from collections.abc import Sequence
from typing import Final, Protocol

import structlog
import trio

from actors.account import Account, Accounts
from actors.identity_store import StoreUnavailable

log = structlog.get_logger(__name__)

PORTION: Final = 250  # accounts a query: some milliseconds during which nobody else is served
_SHARE: Final = 1 / 3  # of the time, at most: clients are served meanwhile


class LatestAccounts(Protocol):
    """Reads accounts by when they moved; implemented by storage.accounts."""

    async def moved_since(self, count: int) -> int:
        """Since when (microseconds) the `count` accounts that moved last have moved; 0 when there
        are no more than those. Raises StoreUnavailable."""
        ...

    async def latest(self, since_us: int, after_id: int, count: int) -> list[Account]:
        """The next `count` accounts by id of those that moved since then. Raises
        StoreUnavailable."""
        ...


class WarmUp:
    """See the module."""

    def __init__(self, store: LatestAccounts, accounts: Accounts) -> None:
        self._store = store
        self._accounts = accounts

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Bring them, a portion at a time, and end."""
        task_status.started()
        try:
            since_us = await self._store.moved_since(self._accounts.limit)
            portion: Sequence[Account] = ()
            while True:
                began = trio.current_time()
                portion = await self._store.latest(
                    since_us, portion[-1].id if portion else 0, PORTION
                )
                if not self._accounts.adopt(portion) or len(portion) < PORTION:
                    break
                await trio.sleep((trio.current_time() - began) * (1 / _SHARE - 1))
        except StoreUnavailable as error:
            log.warning("warm-up ended early", error=str(error))
        log.info("warmed up", accounts=len(self._accounts.resident))
