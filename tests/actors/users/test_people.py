"""Profiles, access tokens, revocation and passwords."""

import pytest
import trio
import trio.testing

from actors.identity_store import StoreUnavailable
from actors.known import DOUBT_S
from actors.people import Authenticated, NewPerson, Unauthorized
from actors.user_messages import Create, TryCode, TryTotp
from domain.identity import (
    Agent,
    Denied,
    Person,
    Profile,
    Purpose,
    Reason,
    Refused,
    Role,
    Surface,
)
from domain.identity.person import with_profile
from tests.actors.users.house import Disk, living


async def test_a_token_opens_what_its_owner_may_do_now_not_then():
    """X-C08, XS-06: promotion acts at once on the token in use."""
    async with living() as house:
        user = await house.add()
        token = house.people.issue_token(user, ("pwd",))
        before = await house.people.authenticate(token)
        assert isinstance(before, Authenticated)
        assert (before.user_id, before.amr) == (user.user_id, ("pwd",))
        assert before.expires_at_us == house.clock.now_us() + 86_400_000_000
        assert not before.profile.is_admin
        await house.people.promote(user.user_id)
        after = await house.people.authenticate(token)
        assert after.profile.role is Role.ADMIN


async def test_expired_revoked_foreign_and_deleted_peoples_tokens_open_nothing():
    """FC-02, FC-28."""
    async with living() as house:
        user = await house.add()
        people, token = house.people, house.people.issue_token(user, ())
        assert await people.authenticate("") == Unauthorized(Denied.MISSING)
        assert await people.authenticate("x.y.z") == Unauthorized(Denied.INVALID)
        nobody = people.issue_token(Profile(user_id=7, object_id="0" * 24), ())
        assert await people.authenticate(nobody) == Unauthorized(Denied.UNKNOWN_USER)
        await people.set_deleted(user.user_id, True)
        assert await people.authenticate(token) == Unauthorized(Denied.UNKNOWN_USER)
        await people.set_deleted(user.user_id, False)
        assert isinstance(await people.authenticate(token), Authenticated)
        await people.revoke_tokens(user.user_id)
        assert await people.authenticate(token) == Unauthorized(Denied.REVOKED)
        fresh = people.issue_token(await people.profile(user.user_id), ())
        house.clock.advance(86_399)
        assert isinstance(await people.authenticate(fresh), Authenticated)
        house.clock.advance(1)
        assert await people.authenticate(fresh) == Unauthorized(Denied.EXPIRED)


async def test_a_live_connection_is_told_when_its_token_dies():
    """XS-09."""
    async with living() as house:
        user = await house.add()
        token = house.people.issue_token(user, ())
        who = await house.people.authenticate(token)
        told, left = [], []
        house.people.on_revoked(who, lambda: told.append("a"))
        house.people.on_revoked(who, lambda: told.append("b"))
        leave = house.people.on_revoked(who, lambda: left.append("c"))
        leave()
        leave()
        await house.people.promote(user.user_id)
        assert told == []
        await house.people.reset_password(user.user_id, "a new password")
        assert sorted(told) == ["a", "b"]
        await house.people.reset_password(user.user_id, "another password")
        assert sorted(told) == ["a", "b"]
        assert left == []


async def test_a_token_that_died_between_authenticating_and_watching_is_reported():
    async with living() as house:
        user = await house.add()
        who = await house.people.authenticate(house.people.issue_token(user, ()))
        await house.people.set_deleted(user.user_id, True)
        told = []
        house.people.on_revoked(who, lambda: told.append("late"))
        assert told == ["late"]


async def test_a_callback_may_end_other_watches():
    async with living() as house:
        user = await house.add()
        who = await house.people.authenticate(house.people.issue_token(user, ()))
        told, leaves = [], []
        for name in "ab":
            leaves.append(
                house.people.on_revoked(
                    who, lambda name=name: (told.append(name), [leave() for leave in leaves])
                )
            )
        await house.people.revoke_tokens(user.user_id)
        assert told[0] == "a"
        assert house.people.on_revoked(who, lambda: told.append("late")) is not None
        assert told[-1] == "late"


async def test_people_are_found_by_every_address():
    async with living() as house:
        address = "0xD4732b04f997D0229a755c797Bf1e4Ce6DcC65B7"
        user = await house.add(user_id=12345, object_id="ab" * 12, wallet_address=address)
        await house.people.save_agent(Agent("AGT-001", 12345, "Agent John Doe", "+254712001234"))
        people = house.people
        for _ in range(2):  # cold, then from the index
            for found in (
                await people.by_email("abc@example.com"),
                await people.by_phone("+254712345890"),
                await people.by_agent_id("AGT-001"),
                await people.by_object_id("ab" * 12),
                await people.by_wallet_address(address.upper().replace("X", "x")),
            ):
                assert found.user_id == user.user_id
                assert found.agent.name == "Agent John Doe"
        assert await people.by_email("x@example.com") is None
        assert await people.by_agent_id("AGT-999") is None
        assert await people.profile(999) is None


async def test_an_unproved_phone_finds_nobody():
    """X-C02."""
    async with living() as house:
        await house.add(phone_verified=False)
        assert await house.people.by_phone("+254712345890") is None


async def test_an_address_that_moved_is_not_served_from_the_index():
    async with living() as house:
        first = await house.add()
        second = await house.add(email="b@example.com", phone=None)
        people = house.people
        agent = Agent("AGT-001", first.user_id, "John", "+254712001234")
        await people.save_agent(agent)
        assert (await people.by_agent_id("AGT-001")).user_id == first.user_id
        renamed = Agent("AGT-002", first.user_id, "John", "+254712001234")
        await people.save_agent(renamed)
        await people.save_agent(Agent("AGT-001", second.user_id, "Jane", "+254712001235"))
        assert (await people.by_agent_id("AGT-001")).user_id == second.user_id


async def test_taken_addresses_and_ids_are_refused():
    async with living() as house:
        user = await house.add()
        create = house.people.create
        same_email = await create(NewPerson(email="abc@example.com"))
        assert same_email == Refused(Reason.EMAIL_TAKEN)
        same_phone = await create(NewPerson(phone="+254712345890", phone_verified=True))
        assert same_phone == Refused(Reason.PHONE_TAKEN)
        claimed = await create(NewPerson(phone="+254712345890"))
        assert isinstance(claimed, Profile)
        same_id = await create(NewPerson(user_id=user.user_id))
        assert same_id == Refused(Reason.ID_TAKEN)


async def test_cold_profiles_of_many_are_read_a_few_queries_at_a_time():
    disk = Disk()
    async with living(disk) as house:
        ids = [
            (await house.add(email=f"u{number}@example.com", phone=None)).user_id
            for number in range(300)
        ]
        tokens = [house.people.issue_token(house.people.peek(user), ()) for user in ids]
        clock = house.clock
    async with living(disk, clock) as house:
        disk.reads = 0
        opened = []

        async def connect(token):
            opened.append(await house.people.authenticate(token))

        async with trio.open_nursery() as nursery:
            for token in tokens * 2:
                nursery.start_soon(connect, token)
        assert len(opened) == 600
        assert all(isinstance(who, Authenticated) for who in opened)
        assert disk.reads <= 4


async def test_a_commit_during_a_cold_read_wins_over_what_was_read():
    disk = Disk()
    async with living(disk) as house:
        user = await house.add()
        token = house.people.issue_token(user, ())
        clock = house.clock
    async with living(disk, clock) as house:
        await house.people.verification.check_totp(user.user_id, "1")  # the actor is warm
        disk.gate = held = trio.Event()
        results = []

        async def connect():
            results.append(await house.people.authenticate(token))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(connect)  # reads the row as it is, and is slow
            await trio.testing.wait_all_tasks_blocked()
            disk.gate = None
            await house.people.revoke_tokens(user.user_id)
            held.set()
        assert results == [Unauthorized(Denied.REVOKED)]
        assert await house.people.authenticate(token) == Unauthorized(Denied.REVOKED)


async def test_after_a_write_in_doubt_every_look_goes_to_storage(monkeypatch):
    """A revocation whose COMMIT arrives after its connection died still counts."""
    async with living() as house:
        user = await house.add()
        token = house.people.issue_token(user, ())
        house.disk.down = True
        refused = await house.people.revoke_tokens(user.user_id)
        assert refused == Refused(Reason.UNAVAILABLE)
        house.disk.down = False
        assert isinstance(await house.people.authenticate(token), Authenticated)
        person = house.disk.people[user.user_id]
        house.disk.people[user.user_id] = with_profile(person, token_version=1)  # it arrives
        assert await house.people.authenticate(token) == Unauthorized(Denied.REVOKED)
        now = trio.current_time()
        monkeypatch.setattr(trio, "current_time", lambda: now + DOUBT_S)
        await house.people.profile(user.user_id)
        reads = house.disk.reads
        await house.people.profile(user.user_id)
        assert house.disk.reads == reads


async def test_a_change_based_on_an_older_row_is_refused_and_the_next_one_works():
    async with living() as house:
        user = (await house.add()).user_id
        await house.people.promote(user)
        person = house.disk.people[user]
        house.disk.people[user] = type(person)(profile=person.profile, revision=99)
        assert await house.people.set_wallet_active(user, False) == Refused(Reason.UNAVAILABLE)
        assert not (await house.people.set_wallet_active(user, False)).wallet_active


async def test_an_asker_of_a_cold_profile_that_leaves_harms_nobody():
    async with living() as house:
        house.disk.gate = trio.Event()
        found = []

        async def look():
            found.append(await house.people.profile(5))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(look)
            with trio.move_on_after(0.01):
                await house.people.profile(5)
            house.disk.gate.set()
        assert found == [None]


async def test_profiles_are_not_served_before_the_start_and_after_the_stop():
    async with living() as house:
        pass
    with pytest.raises(StoreUnavailable):
        await house.people.profile(1)
    assert await house.people.promote(1) == Refused(Reason.UNAVAILABLE)


async def test_a_password_is_checked_alike_for_everybody():
    """NXPY-C09: unknown, deleted and passwordless people are answered like a wrong password."""
    async with living() as house:
        hashed = await house.people.passwords.hash("TestPassword123")
        user = await house.add(password_hash=hashed)
        await house.add(email="none@example.com", phone=None)
        gone = await house.add(email="gone@example.com", phone=None, password_hash=hashed)
        await house.people.set_deleted(gone.user_id, True)
        check, wrong = house.people.check_password, Refused(Reason.WRONG_PASSWORD)
        assert (await check("abc@example.com", "TestPassword123")).user_id == user.user_id
        for email, password in (
            ("abc@example.com", "testPassword123"),
            ("abc@example.com", "x" * 129),
            ("abc@example.com", "\ud800"),
            ("none@example.com", "TestPassword123"),
            ("gone@example.com", "TestPassword123"),
            ("nobody@example.com", "TestPassword123"),
        ):
            assert await check(email, password) == wrong


async def test_ten_wrong_passwords_in_fifteen_minutes_are_too_many_and_right_ones_are_free():
    """AMKT-C05."""
    async with living() as house:
        hashed = await house.people.passwords.hash("TestPassword123")
        await house.add(password_hash=hashed)
        check = house.people.check_password
        for _ in range(12):
            assert isinstance(await check("abc@example.com", "TestPassword123"), Profile)
        for _ in range(10):
            refused = await check("abc@example.com", "wrong password")
            assert refused.reason is Reason.WRONG_PASSWORD
        right = await check("abc@example.com", "TestPassword123")
        assert right.reason is Reason.TOO_MANY_REQUESTS
        house.clock.advance(900)
        assert isinstance(await check("abc@example.com", "TestPassword123"), Profile)


async def test_a_thousand_guesses_at_once_are_ten_guesses():
    async with living() as house:
        hashed = await house.people.passwords.hash("TestPassword123")
        await house.add(password_hash=hashed)
        answers = []

        async def guess(number):
            answers.append(await house.people.check_password("abc@example.com", f"guess {number}"))

        async with trio.open_nursery() as nursery:
            for number in range(60):
                nursery.start_soon(guess, number)
        assert sum(answer.reason is Reason.WRONG_PASSWORD for answer in answers) == 10


async def test_a_reset_changes_the_password_everywhere_and_proves_the_mailbox():
    """FN-04, XS-08: Mallory's token and TOTP secret die with the victim's first proof."""
    async with living() as house:
        hashed = await house.people.passwords.hash("mallorys password")
        user = await house.add(email_verified=False, phone=None, password_hash=hashed)
        mallory = house.people.issue_token(user, ("pwd",))
        await house.people.reset_password(user.user_id, "victims password")
        assert await house.people.authenticate(mallory) == Unauthorized(Denied.REVOKED)
        check = house.people.check_password
        assert (await check("abc@example.com", "mallorys password")).reason
        owner = await check("abc@example.com", "victims password")
        assert owner.email_verified
        assert owner.email_proved_at_us == house.clock.now_us()
        assert owner.token_version == 1


async def test_logging_in_is_recorded_and_gives_a_token():
    async with living() as house:
        user = await house.add()
        house.clock.advance(60)
        token = await house.people.log_in(user, ("pwd", "otp"))
        who = await house.people.authenticate(token)
        assert who.amr == ("pwd", "otp")
        assert who.profile.last_login_us == house.clock.now_us()
        nobody = Profile(user_id=999, object_id="0" * 24)
        assert await house.people.log_in(nobody, ()) == Refused(Reason.UNKNOWN_USER)


async def test_a_reset_ends_logins_under_way_with_the_old_password():
    async with living() as house:
        hashed = await house.people.passwords.hash("old password")
        user = await house.add(password_hash=hashed)
        checked = await house.people.check_password("abc@example.com", "old password")
        await house.people.reset_password(user.user_id, "new password")
        late = await house.people.log_in(checked, ("pwd",))
        assert late == Refused(Reason.WRONG_PASSWORD)
        checked = await house.people.check_password("abc@example.com", "new password")
        assert isinstance(await house.people.log_in(checked, ("pwd",)), str)
        await house.people.set_deleted(user.user_id, True)
        assert await house.people.log_in(checked, ("pwd",)) == Refused(Reason.UNKNOWN_USER)


def test_messages_show_no_secret():
    for message in (
        TryCode(Surface.CASHIER, Purpose.WITHDRAWAL, "654321", True),
        TryTotp("654321", None),
        NewPerson(password_hash="654321", totp_secret="654321"),
        Create(Person(profile=Profile(user_id=1, object_id="0" * 24), totp_secret="654321")),
    ):
        assert "654321" not in repr(message)
