"""The actor of one key in a registry: recovered, served, and recovered again."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import structlog
import trio

from actors.runtime.failures import Failure
from actors.runtime.mailbox import Mailbox

K = TypeVar("K")
K_contra = TypeVar("K_contra", contravariant=True)
M = TypeVar("M")

log = structlog.get_logger(__name__)


class KeyedActor(Protocol[K_contra, M]):
    """Serves the mailbox of one key: recovers its state, reports started, then serves.

    Recovery may only wait for storage, which has time limits of its own: a permit is held
    meanwhile, so waiting for another actor of the same registry could wait for ever. Returning
    before reporting started says that there is nothing under this key.
    """

    async def __call__(
        self, key: K_contra, mailbox: Mailbox[M], /, *, task_status: trio.TaskStatus[None]
    ) -> None: ...


@dataclass(frozen=True, slots=True)
class Kind(Generic[K, M]):
    """What the actors of one registry share."""

    name: str
    actor: KeyedActor[K, M]
    capacity: int  # messages in each mailbox
    resident: bool  # whether a failed recovery is retried without being asked to
    permits: trio.Semaphore  # one is held by each recovery
    delay_s: Callable[[int], float]  # seconds before recovery attempt number n
    on_end: Callable[["Keyed[K, M]", Exception | None], None]


class _Permit:
    """The task_status of one incarnation: gives its recovery permit back once, when it starts."""

    __slots__ = ("_outer", "_permits", "started_yet")

    def __init__(self, permits: trio.Semaphore, outer: trio.TaskStatus[None]) -> None:
        self._permits = permits
        self._outer = outer
        self.started_yet = False

    def started(self, value: None = None) -> None:
        if not self.started_yet:
            self.started_yet = True
            self._permits.release()
            self._outer.started()


class Keyed(Generic[K, M]):
    """One key's mailbox and the life of its actor, one incarnation after the other.

    Made by the registry for a first message; it ends when an incarnation has ended and nothing
    is queued. The supervisor runs its bound methods: partials in their place would cost every
    idle actor half a kilobyte and the garbage collector six objects.
    """

    __slots__ = ("_kind", "_taken_before", "key", "mailbox", "tick")

    def __init__(self, kind: Kind[K, M], key: K) -> None:
        self._kind = kind
        self._taken_before = 0
        self.key = key
        self.mailbox: Mailbox[M] = Mailbox(kind.capacity)
        self.tick = 0  # of the registry's sweeper, when it was last written to

    @property
    def name(self) -> str:
        """Of its child, for logs and metrics."""
        return f"{self._kind.name} {self.key!r}"

    @property
    def quarantined(self) -> bool:
        """Whether its key is refused since it crashed too often."""
        return self.mailbox.closed is Failure.QUARANTINED

    @property
    def wants_another(self) -> bool:
        """Whether an incarnation that has ended left messages for the next.

        Not when it took nothing itself: it would only be followed by its like, for ever.
        """
        return len(self.mailbox) > 0 and self.mailbox.taken > self._taken_before

    async def run(self, *, task_status: trio.TaskStatus[None]) -> None:
        """One incarnation, and its recovery as often as it takes a resident."""
        attempt = 0
        while not await self._recover_and_serve(task_status):
            attempt += 1
            await trio.sleep(self._kind.delay_s(attempt))

    def ended(self, fault: Exception | None) -> None:
        """Its child has ended, by a fault past the intensity or as it should."""
        self._kind.on_end(self, fault)

    async def _recover_and_serve(self, task_status: trio.TaskStatus[None]) -> bool:
        """Whether the incarnation is over; False when its recovery is to be tried again."""
        kind = self._kind
        self._taken_before = self.mailbox.taken
        self.mailbox.stay()
        await kind.permits.acquire()
        permit = _Permit(kind.permits, task_status)
        try:
            await kind.actor(self.key, self.mailbox, task_status=permit)
        except Exception as error:
            if permit.started_yet:
                raise  # a crash, which is for the supervisor to deal with
            log.warning("recovery failed", actor=self.name, exc_info=error)
            self.mailbox.answer_all(Failure.UNAVAILABLE)
            return not kind.resident
        finally:
            if not permit.started_yet:
                kind.permits.release()
        if not permit.started_yet:
            self.mailbox.answer_all(Failure.ABSENT)
        return True
