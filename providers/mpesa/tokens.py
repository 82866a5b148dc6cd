"""The access token of one Daraja app: at most one refresh at a time, shared by all who wait.

A new token invalidates the one before it, so two refreshers would keep logging each other out.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

import structlog
import trio

from actors.rails import Cause, Refused

log = structlog.get_logger(__name__)

# (token, life in seconds), or why there is none
Fetch = Callable[[], Awaitable[tuple[str, int] | Refused]]

_EARLY_SECONDS: Final = 60.0  # a token about to end is not worth a failed call
_EARLY_SHARE: Final = 0.1  # of a short-lived one
_ATTEMPTS: Final = 3


@dataclass(eq=False, slots=True)
class _Refresh:
    """One refresh under way; `result` stays None if whoever ran it was cancelled."""

    done: trio.Event = field(default_factory=trio.Event)
    result: str | Refused | None = None


class Tokens:
    """Gives out the current token. Its life is Daraja's time, so it is real time here."""

    def __init__(self, fetch: Fetch, retry_seconds: float) -> None:
        self._fetch = fetch
        self._retry_seconds = retry_seconds
        self._token: str | None = None
        self._use_until = 0.0
        self._refresh: _Refresh | None = None

    async def get(self) -> str | Refused:
        """A token that should be good, refreshed if needed; Refused if none is to be had."""
        while True:
            if self._token is not None and trio.current_time() < self._use_until:
                return self._token
            refresh = self._refresh
            if refresh is None:
                return await self._lead()
            await refresh.done.wait()
            if refresh.result is not None:
                return refresh.result

    def reject(self, token: str) -> None:
        """Daraja turned `token` away. One that was replaced meanwhile changes nothing."""
        if token == self._token:
            self._token = None

    async def _lead(self) -> str | Refused:
        refresh = self._refresh = _Refresh()
        try:
            refresh.result = await self._fetch_patiently()
            return refresh.result
        finally:  # cancelled: the waiters find no result, and one of them leads
            self._refresh = None
            refresh.done.set()

    async def _fetch_patiently(self) -> str | Refused:
        """Asking for a token moves no money, so it may be asked again; not on our own errors."""
        for attempt in range(1, _ATTEMPTS + 1):
            fetched = await self._fetch()
            if not isinstance(fetched, Refused):
                return self._keep(*fetched)
            log.warning("mpesa.no_token", code=fetched.code, message=fetched.message)
            refused = fetched
            if refused.cause is not Cause.NOT_SENT or attempt == _ATTEMPTS:
                break
            await trio.sleep(self._retry_seconds * attempt)
        return refused

    def _keep(self, token: str, life_seconds: int) -> str:
        early = min(_EARLY_SECONDS, life_seconds * _EARLY_SHARE)
        self._token = token
        self._use_until = trio.current_time() + life_seconds - early
        return token
