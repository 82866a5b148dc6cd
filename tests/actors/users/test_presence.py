"""Whether somebody is there: as committed, without their whole profile."""

import pytest
import trio
import trio.testing

from actors.identity_store import StoreUnavailable
from actors.profiles import Profiles
from domain.identity.person import with_profile
from tests.actors.users.house import MemoryUsers, living


async def _forgetful(house, nursery):
    """Profiles of the same people that have nothing in memory yet."""
    profiles = Profiles(MemoryUsers(house.disk))
    await nursery.start(profiles.run)
    return profiles


async def test_only_those_who_exist_and_are_not_deleted_are_there():
    async with living() as house, trio.open_nursery() as nursery:
        ann = (await house.add()).user_id
        ben = (await house.add(email="b@example.com", phone=None)).user_id
        await house.people.set_deleted(ben, True)
        profiles = await _forgetful(house, nursery)
        assert [await profiles.is_there(user) for user in (ann, ben, 999)] == [True, False, False]
        assert profiles.peek(ann) is None  # no profile was read for it
        await house.people.set_deleted(ben, False)
        assert await profiles.is_there(ben)
        nursery.cancel_scope.cancel()


async def test_a_deletion_and_a_return_are_seen_at_once():
    async with living() as house:
        user = (await house.add()).user_id
        for deleted in (True, False, True):
            await house.people.set_deleted(user, deleted)
            assert await house.people.is_there(user) is not deleted


async def test_many_askers_share_one_look_at_storage():
    async with living() as house, trio.open_nursery() as outer:
        users = [
            (await house.add(email=f"u{number}@example.com", phone=None)).user_id
            for number in range(50)
        ]
        profiles = await _forgetful(house, outer)
        reads, found = house.disk.reads, []

        async def ask(user):
            found.append(await profiles.is_there(user))

        async with trio.open_nursery() as nursery:
            for user in users * 2:
                nursery.start_soon(ask, user)
        assert found == [True] * 100
        assert house.disk.reads == reads + 1
        assert await profiles.is_there(users[0])
        assert house.disk.reads == reads + 1
        outer.cancel_scope.cancel()


async def test_a_deletion_committed_during_the_look_wins():
    async with living() as house, trio.open_nursery() as nursery:
        profile = await house.add()
        profiles = await _forgetful(house, nursery)
        house.disk.gate = trio.Event()
        answers = []

        async def ask():
            answers.append(await profiles.is_there(profile.user_id))

        nursery.start_soon(ask)
        await trio.testing.wait_all_tasks_blocked()  # it has read "not deleted"
        person = house.disk.people[profile.user_id]
        profiles.publish(with_profile(person, deleted=True).profile)
        house.disk.gate.set()
        await trio.testing.wait_all_tasks_blocked()
        assert answers == [False]
        assert not await profiles.is_there(profile.user_id)
        nursery.cancel_scope.cancel()


async def test_after_a_write_in_doubt_storage_says_who_is_there():
    async with living() as house, trio.open_nursery() as nursery:
        user = (await house.add()).user_id
        profiles = await _forgetful(house, nursery)
        assert await profiles.is_there(user)
        profiles.doubt(user)
        assert await profiles.is_there(user)
        person = house.disk.people[user]
        house.disk.people[user] = with_profile(person, deleted=True)  # its commit arrives
        assert not await profiles.is_there(user)
        nursery.cancel_scope.cancel()


async def test_nobody_is_taken_for_absent_while_storage_is_away():
    async with living() as house, trio.open_nursery() as nursery:
        user = (await house.add()).user_id
        profiles = await _forgetful(house, nursery)
        house.disk.down = True
        with pytest.raises(StoreUnavailable):
            await profiles.is_there(user)
        house.disk.down = False
        assert await profiles.is_there(user)
        nursery.cancel_scope.cancel()


async def test_what_is_known_of_people_is_bounded():
    async with living() as house, trio.open_nursery() as nursery:
        users = [
            (await house.add(email=f"u{number}@example.com", phone=None)).user_id
            for number in range(5)
        ]
        profiles = Profiles(MemoryUsers(house.disk), presence_limit=2)
        await nursery.start(profiles.run)
        for user in users:
            assert await profiles.is_there(user)
        reads = house.disk.reads
        assert await profiles.is_there(users[-1])
        assert house.disk.reads == reads
        assert await profiles.is_there(users[0])
        assert house.disk.reads == reads + 1
        nursery.cancel_scope.cancel()
