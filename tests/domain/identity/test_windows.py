"""Windows, lockouts and buckets against small independent models."""

from hypothesis import given
from hypothesis import strategies as st

from domain.identity.windows import (
    MINUTE,
    SECOND,
    Bucket,
    Lockout,
    LockPolicy,
    Window,
    WindowPolicy,
)

POLICY = WindowPolicy(3, 10)
LOCK = LockPolicy(WindowPolicy(3, 15 * MINUTE), 15 * MINUTE)
steps = st.lists(st.integers(0, 12), max_size=60)


def times(deltas):
    now = 1_000
    for delta in deltas:
        now += delta
        yield now


@given(steps)
def test_a_window_never_admits_more_than_its_limit_in_any_span(deltas):
    window, admitted = Window(), []
    for now in times(deltas):
        if window.left(POLICY, now):
            window = window.mark(POLICY, now)
            admitted.append(now)
    for at in admitted:
        assert sum(at <= other < at + POLICY.span_us for other in admitted) <= POLICY.limit


@given(steps)
def test_a_window_refuses_only_when_it_must(deltas):
    window, admitted = Window(), []
    for now in times(deltas):
        in_span = sum(now - POLICY.span_us < at for at in admitted)
        assert window.left(POLICY, now) == POLICY.limit - in_span
        if window.left(POLICY, now):
            window = window.mark(POLICY, now)
            admitted.append(now)
        assert len(window.marks) <= POLICY.limit


@given(steps, st.integers(0, 30))
def test_a_window_is_free_exactly_from_the_moment_it_says(deltas, wait):
    window, now = Window(), 1_000
    for now in times(deltas):
        window = window.mark(POLICY, now)
    free_at = window.free_at(POLICY, now)
    assert free_at >= now
    assert bool(window.left(POLICY, now + wait)) == (now + wait >= free_at)


@given(steps, st.integers(0, 59))
def test_taking_back_a_mark_restores_the_count(deltas, chosen):
    marks = list(times(deltas))
    if not marks:
        return
    at = marks[chosen % len(marks)]
    wide = WindowPolicy(1_000, 10_000)
    window = Window()
    for now in marks:
        window = window.mark(wide, now)
    assert window.unmark(at).left(wide, marks[-1]) == window.left(wide, marks[-1]) + 1
    assert window.unmark(-5) == window


def test_the_third_failure_locks_for_fifteen_minutes_from_then():
    """WOTP-C07: 3 attempts, 2, 1, locked."""
    now, lockout = 1_000 * SECOND, Lockout()
    assert lockout.left(LOCK, now) == 3
    for left in (2, 1, 0):
        now += SECOND
        lockout = lockout.fail(LOCK, now)
        assert lockout.left(LOCK, now) == left
    assert lockout.locked_until_us == now + 15 * MINUTE
    assert lockout.locked(now + 15 * MINUTE - 1)
    assert not lockout.locked(now + 15 * MINUTE)
    assert lockout.left(LOCK, now + 15 * MINUTE) == 3


def test_failures_during_a_lock_do_not_prolong_it():
    now = 1_000 * SECOND
    lockout = Lockout()
    for _ in range(3):
        lockout = lockout.fail(LOCK, now)
    assert lockout.fail(LOCK, now + MINUTE) == lockout


@given(st.lists(st.integers(0, 20 * 60), max_size=40))
def test_a_lock_begins_with_exactly_the_failure_that_fills_the_window(gaps):
    now, lockout, counted = 10**12, Lockout(), []
    for gap in gaps:
        now += gap * SECOND
        if lockout.locked(now):
            assert lockout.fail(LOCK, now) == lockout
            continue
        counted = [at for at in counted if now - at < 15 * MINUTE] + [now]
        lockout = lockout.fail(LOCK, now)
        assert lockout.locked(now) == (len(counted) == 3)
        if lockout.locked(now):
            counted = []


def test_a_bucket_counts_requests_of_a_fixed_window_and_says_when_it_resets():
    """X-C20: limit, remaining and reset of the headers."""
    bucket, policy = Bucket(), WindowPolicy(2, MINUTE)
    bucket, first = bucket.take(policy, 5 * SECOND)
    bucket, second = bucket.take(policy, 64 * SECOND)
    bucket, third = bucket.take(policy, 64 * SECOND)
    assert first == (True, 2, 1, 65 * SECOND)
    assert second == (True, 2, 0, 65 * SECOND)
    assert third == (False, 2, 0, 65 * SECOND)
    bucket, fresh = bucket.take(policy, 65 * SECOND)
    assert fresh == (True, 2, 1, 125 * SECOND)


@given(steps)
def test_a_bucket_admits_its_limit_in_each_window(deltas):
    bucket, admitted = Bucket(), {}
    for now in times(deltas):
        bucket, allowance = bucket.take(POLICY, now)
        if allowance.allowed:
            admitted.setdefault(allowance.reset_us, []).append(now)
        else:
            assert len(admitted[allowance.reset_us]) == POLICY.limit
        assert allowance.reset_us > now
    assert all(len(group) <= POLICY.limit for group in admitted.values())


def test_a_clock_that_was_set_back_locks_nobody_out():
    policy = WindowPolicy(1, MINUTE)
    now = 1_000 * MINUTE
    full, _ = Bucket().take(policy, now)
    assert not full.take(policy, now + 1)[1].allowed
    assert full.take(policy, now - 60 * MINUTE)[1].allowed
