"""Actors by key: started when somebody writes to them, passivated when nobody does."""

from collections.abc import Callable
from functools import partial
from typing import Final, Generic, TypeVar

import trio

from actors.runtime.ask import Envelope
from actors.runtime.child import ChildSpec
from actors.runtime.failures import Failure
from actors.runtime.keyed import Keyed, KeyedActor, Kind
from actors.runtime.restarts import Restart, RestartPolicy
from actors.runtime.supervisor import DEFAULT_RESTARTS, Supervisor, ignore

K = TypeVar("K")
M = TypeVar("M")

# Messages one actor may be behind with: seconds of work at human speed, and small enough that
# whoever floods one actor is refused before memory notices.
MAILBOX_CAPACITY: Final = 64
# Simultaneous recoveries: what the storage read pool serves at once without a queue of its own.
RECOVERIES: Final = 16
ACTORS_LIMIT: Final = 200_000  # at about 5 KB each, 1 GB
# An actor is looked at this many times in its idle time, so it is passivated at most a
# quarter late.
_TICKS_PER_IDLE: Final = 4
_SWEEP_BATCH: Final = 1_000  # entries looked at without letting others run, well under 1 ms


class Registry(Generic[K, M]):
    """The actors of one kind, one per key.

    Started by a supervisor that runs `run`, and ended with it: every actor's mailbox is closed,
    so that what is queued is answered STOPPED and actors end by themselves.

    - A message to a key without an actor starts one; it waits in the mailbox during recovery.
    - An actor that ends (idle for `idle_s` seconds, or of its own accord by `mailbox.leave()`)
      while messages are queued is recovered anew for them: none is lost.
    - `idle_s=None` makes the actors residents, for those with timers or work of their own: they
      are never passivated, and a failed recovery is retried with backoff until it succeeds,
      because an outage of storage must not put them out of action. Otherwise a failed recovery
      is only retried when the next message comes. Either way everybody who waits for it is
      answered UNAVAILABLE at once.
    - An actor that crashes is recovered after a backoff; past the intensity its key alone is
      quarantined until `release(key)`.
    """

    def __init__(
        self,
        name: str,
        actor: KeyedActor[K, M],
        *,
        jitter: Callable[[], float],
        idle_s: float | None = None,
        capacity: int = MAILBOX_CAPACITY,
        recoveries: int = RECOVERIES,
        limit: int = ACTORS_LIMIT,
        restarts: RestartPolicy = DEFAULT_RESTARTS,
        on_restart: Callable[[str], None] = ignore,
        on_quarantine: Callable[[str], None] = ignore,
    ) -> None:
        self._limit = limit
        self._kind = Kind(
            name,
            actor,
            capacity,
            resident=idle_s is None,
            permits=trio.Semaphore(recoveries),
            delay_s=lambda attempt: restarts.delay_s(attempt, jitter()),
            on_end=self._ended,
        )
        self._entries: dict[K, Keyed[K, M]] = {}
        self._tick = 0
        self._supervisor = Supervisor(
            name,
            [] if idle_s is None else [ChildSpec(f"{name} sweeper", partial(self._sweep, idle_s))],
            jitter=jitter,
            restarts=restarts,
            ordered=False,
            on_restart=on_restart,
            on_quarantine=on_quarantine,
        )

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def quarantined(self) -> list[K]:
        """Keys in quarantine."""
        return [e.key for e in self._entries.values() if e.quarantined]

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve until stopped or cancelled."""
        await self._supervisor.run(task_status=task_status)

    def stop(self) -> None:
        """Make run() end every actor and return. Never waits."""
        self._supervisor.stop()

    def ref(self, key: K) -> "Ref[K, M]":
        """The actor of `key`, whether it is in memory or not. Valid for ever."""
        return Ref(self, key)

    def post(self, key: K, envelope: Envelope[M]) -> Failure | None:
        """Queue an envelope for the actor of `key`, starting it if need be. Never waits."""
        entry = self._entry(key)
        if isinstance(entry, Failure):
            return entry
        entry.tick = self._tick
        return entry.mailbox.post(envelope)

    def start(self, key: K) -> Failure | None:
        """Start the actor of `key` without a message, unless it is in memory. Never waits."""
        entry = self._entry(key)
        return entry if isinstance(entry, Failure) else entry.mailbox.closed

    async def stop_actor(self, key: K) -> None:
        """End the actor of `key`, answering what is queued STOPPED; then messages start it anew."""
        entry = self._entries.get(key)
        if entry is None or entry.quarantined:
            return
        entry.mailbox.close()
        await self._supervisor.stop_child(entry.name)

    def release(self, key: K) -> bool:
        """Take `key` out of quarantine; False when it was not in it. Its next message starts it."""
        entry = self._entries.get(key)
        if entry is None or not entry.quarantined:
            return False
        del self._entries[key]
        return True

    def _entry(self, key: K) -> Keyed[K, M] | Failure:
        """The entry of `key`, made and its actor started when there was none."""
        entry = self._entries.get(key)
        if entry is None:
            if not self._supervisor.serving:
                return Failure.STOPPED
            if len(self._entries) >= self._limit:
                return Failure.OVERLOADED
            entry = self._entries[key] = Keyed(self._kind, key)
            self._spawn(entry)
        return entry

    def _spawn(self, entry: Keyed[K, M]) -> None:
        entry.tick = self._tick
        self._supervisor.spawn(
            ChildSpec(
                entry.name,
                entry.run,
                restart=Restart.TRANSIENT,
                quarantine=True,
                stop=entry.mailbox.close,
                on_end=entry.ended,
            )
        )

    def _ended(self, entry: Keyed[K, M], fault: Exception | None) -> None:
        """The handshake of passivation: what came while the actor was ending gets a new one."""
        if fault is not None:
            entry.mailbox.close(Failure.QUARANTINED)
        elif entry.wants_another and self._supervisor.serving:
            self._spawn(entry)
        else:
            del self._entries[entry.key]
            entry.mailbox.close()

    async def _sweep(self, idle_s: float, *, task_status: trio.TaskStatus[None]) -> None:
        """Passivate actors nobody has written to for `idle_s` seconds."""
        task_status.started()
        while True:
            await trio.sleep(idle_s / _TICKS_PER_IDLE)
            self._tick += 1
            for number, entry in enumerate(list(self._entries.values()), 1):
                if self._tick - entry.tick > _TICKS_PER_IDLE and entry.mailbox.idle:
                    entry.mailbox.leave()
                if number % _SWEEP_BATCH == 0:
                    await trio.lowlevel.checkpoint()


class Ref(Generic[K, M]):
    """Address of one registry's actor; costs nothing, holds nothing, may be kept."""

    __slots__ = ("_key", "_registry")

    def __init__(self, registry: Registry[K, M], key: K) -> None:
        self._registry = registry
        self._key = key

    def post(self, envelope: Envelope[M]) -> Failure | None:
        """Queue an envelope. Never waits."""
        return self._registry.post(self._key, envelope)

    def send(self, message: M) -> Failure | None:
        """Queue a message nobody waits for; None when accepted. Never waits."""
        return self.post(Envelope(message))
