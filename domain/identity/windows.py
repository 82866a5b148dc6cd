"""Counting over time, as pure state machines on application time (microseconds).

`Window` is a sliding log: exact, and bounded because it never keeps more marks than its limit.
`Lockout` adds a lock to it. `Bucket` is the fixed window of request limits, whose reset moment
can be told to a client in a header (X-C20).
"""

from typing import Final, NamedTuple

import msgspec

SECOND: Final = 1_000_000
MINUTE: Final = 60 * SECOND
DAY: Final = 24 * 60 * MINUTE


class WindowPolicy(NamedTuple):
    """At most `limit` marks within any `span_us`: a mark at t counts in [t, t + span)."""

    limit: int
    span_us: int


class Window(msgspec.Struct, frozen=True, gc=False):
    """When the things counted happened, oldest first."""

    marks: tuple[int, ...] = ()

    def recent(self, policy: WindowPolicy, now_us: int) -> tuple[int, ...]:
        """The marks that still count."""
        return tuple(mark for mark in self.marks if mark > now_us - policy.span_us)

    def left(self, policy: WindowPolicy, now_us: int) -> int:
        """How many more marks fit now."""
        return max(0, policy.limit - len(self.recent(policy, now_us)))

    def free_at(self, policy: WindowPolicy, now_us: int) -> int:
        """The first moment, not before now, at which one more mark fits."""
        recent = self.recent(policy, now_us)
        return now_us if len(recent) < policy.limit else recent[-policy.limit] + policy.span_us

    def mark(self, policy: WindowPolicy, now_us: int) -> "Window":
        """Count one at `now_us`; the newest `limit` marks are kept."""
        return Window((*self.recent(policy, now_us), now_us)[-policy.limit :])

    def unmark(self, at_us: int) -> "Window":
        """Take back one mark made at `at_us`, when it is still there."""
        if at_us not in self.marks:
            return self
        index = self.marks.index(at_us)
        return Window(self.marks[:index] + self.marks[index + 1 :])


class LockPolicy(NamedTuple):
    """The mark that fills `failures` locks for `lock_us` from then (WOTP-C07)."""

    failures: WindowPolicy
    lock_us: int


class Lockout(msgspec.Struct, frozen=True, gc=False):
    """Failures, and the lock that too many of them caused."""

    failures: Window = Window()
    locked_until_us: int = 0

    def locked(self, now_us: int) -> bool:
        """Whether the lock is on."""
        return now_us < self.locked_until_us

    def left(self, policy: LockPolicy, now_us: int) -> int:
        """Attempts left before the lock; 0 while it is on."""
        return 0 if self.locked(now_us) else self.failures.left(policy.failures, now_us)

    def fail(self, policy: LockPolicy, now_us: int) -> "Lockout":
        """Count a failure. The lock's end forgets what led to it (WOTP-C09)."""
        if self.locked(now_us):
            return self
        failures = self.failures.mark(policy.failures, now_us)
        if failures.left(policy.failures, now_us):
            return Lockout(failures)
        return Lockout(Window(), now_us + policy.lock_us)


class Allowance(NamedTuple):
    """What a limiter said: whether, and the three numbers of the X-RateLimit headers."""

    allowed: bool
    limit: int
    remaining: int
    reset_us: int


class Bucket(msgspec.Struct, frozen=True, gc=False):
    """Requests counted since the first one of the current fixed window."""

    start_us: int = 0
    used: int = 0

    def take(self, policy: WindowPolicy, now_us: int) -> tuple["Bucket", Allowance]:
        """Count one request if it fits; a refused one is not counted. A clock that was set back
        begins a new window: else nobody would be let in until it has caught up."""
        fresh = not self.used or not self.start_us <= now_us < self.start_us + policy.span_us
        start, used = (now_us, 0) if fresh else (self.start_us, self.used)
        allowed = used < policy.limit
        used += allowed
        allowance = Allowance(allowed, policy.limit, policy.limit - used, start + policy.span_us)
        return Bucket(start, used), allowance
