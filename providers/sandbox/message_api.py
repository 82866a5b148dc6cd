"""What the simulated HTTP providers of messages have in common: an outbox, and faults to play."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Final

import trio

from providers.sandbox.fault import Fault, FaultKind
from providers.sandbox.outbox import Outbox
from providers.sandbox.server import HttpReply, HttpRequest, serve_http

SLOW_SECONDS: Final = 20.0  # beyond the messenger's deadline
_DOWN: Final = HttpReply(503, b"Service Unavailable", "text/plain")


class MessageApi(ABC):
    """Serves one provider, or several side by side on one port."""

    def __init__(
        self,
        outbox: Outbox,
        fault: Fault,
        new_id: Callable[[], str],
        *,
        slow_seconds: float = SLOW_SECONDS,
    ) -> None:
        """`new_id` gives 32 hex digits."""
        self._outbox = outbox
        self._fault = fault
        self._new_id = new_id
        self._slow_seconds = slow_seconds

    async def serve(self, *, task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve until cancelled; `task_status.started(port)`."""
        await serve_http(self.handle, task_status=task_status)

    async def handle(self, request: HttpRequest) -> HttpReply:
        """One request."""
        played = self._fault.take("down", "slow", "error")
        if played == "down":
            return _DOWN
        if played == "slow":
            await trio.sleep(self._slow_seconds)
        return self.answer(request, played)

    @abstractmethod
    def answer(self, request: HttpRequest, played: FaultKind | None) -> HttpReply:
        """What the original answers; the provider's own error when "error" is played."""
