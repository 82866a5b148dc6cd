"""After a start: the accounts that moved last, brought into memory before anybody asks for them.

A cold account costs its first transfer a query, at the price of two other transfers. One `WarmUp`,
started by app.py, works while clients leave it the time; it ends when everybody is there, memory is
full or the database is away. What it did not bring is recovered when it is asked for.
"""

import time
from typing import Final, Protocol

import structlog
import trio

from actors.account import Account, Accounts
from actors.identity_store import StoreUnavailable

log = structlog.get_logger(__name__)

PORTION: Final = 500  # accounts a query: some milliseconds during which nobody else is served
_BUSY: Final = 0.2  # of a core used by others: from then on clients are served before anything else
_PAUSE_IDLE, _PAUSE_BUSY = 0.25, 25.0  # times what the portion took


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
        began = trio.current_time()
        try:
            since_us = await self._store.moved_since(self._accounts.limit)
            await self._bring(since_us)
        except StoreUnavailable as error:
            log.warning("warm-up ended early", error=str(error))
        seconds = round(trio.current_time() - began, 1)
        log.info("warmed up", accounts=len(self._accounts.resident), seconds=seconds)

    async def _bring(self, since_us: int) -> None:
        after_id = 0
        while True:
            began = trio.current_time()
            portion = await self._store.latest(since_us, after_id, PORTION)
            if not self._accounts.adopt(portion) or len(portion) < PORTION:
                return
            after_id = portion[-1].id
            await _pause(trio.current_time() - began)


async def _pause(took_s: float) -> None:
    """After a portion that took so long; many times that while others have work."""
    used, began = time.process_time(), trio.current_time()
    await trio.sleep(took_s * _PAUSE_IDLE)
    if time.process_time() - used > _BUSY * (trio.current_time() - began):
        await trio.sleep(took_s * _PAUSE_BUSY)
