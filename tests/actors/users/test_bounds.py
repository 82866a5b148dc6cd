"""Nothing here grows or waits without a bound."""

import argon2
import trio
import trio.testing

from actors.clock import Clock
from actors.limiter import Limiter
from actors.passwords import Passwords
from actors.profiles import Profiles
from actors.reservations import UNSETTLED_US, Reservations
from domain.identity import Reason, Refused
from domain.identity.windows import MINUTE, WindowPolicy
from tests.actors.users.house import CHEAP, T0_US, Disk, MemoryUsers, living


def still_clock():
    return Clock(wall_us=lambda: T0_US)


async def test_passwords_beyond_the_bound_are_refused_not_queued():
    passwords = Passwords(CHEAP, workers=1, waiting=2)
    answers = []

    async def hash_one():
        answers.append(await passwords.hash("TestPassword123"))

    async with trio.open_nursery() as nursery:
        for _ in range(20):
            nursery.start_soon(hash_one)
    assert Refused(Reason.OVERLOADED) in answers
    assert sum(isinstance(answer, str) for answer in answers) >= 3


async def test_hashing_leaves_the_event_loop_free():
    slow = argon2.PasswordHasher(time_cost=4, memory_cost=32_768, parallelism=1)
    passwords = Passwords(slow, workers=1)
    turns = 0

    async def tick(task_status=trio.TASK_STATUS_IGNORED):
        nonlocal turns
        task_status.started()
        while True:
            await trio.sleep(0.001)
            turns += 1

    async with trio.open_nursery() as nursery:
        await nursery.start(tick)
        await passwords.hash("TestPassword123")
        nursery.cancel_scope.cancel()
    assert turns >= 3


class CountingHasher(argon2.PasswordHasher):
    """Keeps what every check cost: Argon2's parameters, which are all of its time."""

    def __init__(self):
        super().__init__(time_cost=3, memory_cost=1_024, parallelism=1)
        self.checked = []

    def verify(self, hash, password):
        self.checked.append(argon2.extract_parameters(hash))
        return super().verify(hash, password)


async def test_checking_nobodys_password_is_as_much_work_as_a_wrong_one():
    """NXPY-C09. So is one that is too long to be anybody's."""
    hasher = CountingHasher()
    passwords = Passwords(hasher)
    hashed = await passwords.hash("TestPassword123")
    for password_hash, password in (
        (hashed, "wrong password"),
        (None, "wrong password"),
        (hashed, "x" * 200),
        (None, "x" * 200),
    ):
        assert await passwords.verify(password_hash, password) is False
    assert hasher.checked == 4 * [argon2.extract_parameters(hashed)]


def test_a_limiter_keeps_a_bounded_number_of_buckets():
    limiter = Limiter(still_clock(), bucket_limit=3)
    policy = WindowPolicy(1, MINUTE)
    for caller in "abcd":
        assert limiter.take(caller, policy).allowed
    assert len(limiter) == 3
    assert not limiter.take("d", policy).allowed
    assert limiter.take("a", policy).allowed  # forgotten, as the least recently used


def test_unsettled_tokens_are_swept_when_they_are_over():
    clock = still_clock()
    book = Reservations(clock)
    for number in range(2_000):
        with book.take(number.to_bytes(32)) as reservation:
            reservation.consumption()
    assert len(book) == 2_000
    clock.advance(UNSETTLED_US // 1_000_000)
    assert book.take(b"x" * 32) is not None
    assert len(book) == 1


async def test_profiles_and_addresses_in_memory_are_bounded():
    disk = Disk()
    async with living(disk) as house:
        for number in range(20):
            await house.add(email=f"u{number}@example.com", phone=None)
    profiles = Profiles(MemoryUsers(disk), profile_limit=5, index_limit=5)
    async with trio.open_nursery() as nursery:
        await nursery.start(profiles.run)
        for person in list(disk.people.values()):
            found = await profiles.get(person.profile.user_id)
            assert found == person.profile
        kept = [user_id for user_id in disk.people if profiles.peek(user_id) is not None]
        assert len(kept) == 5
        nursery.cancel_scope.cancel()


async def test_a_flood_on_one_person_is_refused_and_the_others_go_on():
    async with living() as house:
        flooded = (await house.add()).user_id
        other = (await house.add(email="b@example.com", phone=None)).user_id
        house.disk.gate = trio.Event()
        answers = []

        async def promote():
            answers.append(await house.people.promote(flooded))

        async with trio.open_nursery() as nursery:
            for _ in range(200):
                nursery.start_soon(promote)
            await trio.testing.wait_all_tasks_blocked()
            assert answers.count(Refused(Reason.OVERLOADED)) >= 100
            house.disk.gate.set()
            assert (await house.people.promote(other)).is_admin
        assert len(answers) == 200


async def test_dead_codes_are_purged_every_hour_by_the_applications_clock():
    async with living() as house:
        await trio.testing.wait_all_tasks_blocked()
        assert house.disk.purged_at == 0
        house.disk.down = True
        house.clock.advance(3_600)
        await trio.testing.wait_all_tasks_blocked()
        house.disk.down = False
        house.clock.advance(3_600)
        await trio.testing.wait_all_tasks_blocked()
        assert house.disk.purged_at == house.clock.now_us()
