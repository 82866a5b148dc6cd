"""People over stores in memory, with a clock, a gateway and a storage the test controls."""

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import argon2
import msgspec
import trio

from actors.clock import Clock
from actors.identity_store import Lookup, StaleWrite, StoreUnavailable
from actors.messenger import Messenger, Sent
from actors.passwords import Passwords
from actors.people import NewPerson, People
from domain.identity import AccessTokens, FixedCodes, Profile, Reason
from domain.identity.proofs import Proofs
from domain.identity.windows import Lockout

T0_US = 1_706_400_000 * 1_000_000
CHEAP = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


class Disk:
    """What survives a restart, and the switch that takes it away.

    `down` refuses before anything happens; `unsure` does the write and then reports failure;
    `gate` holds every access until the test opens it.
    """

    def __init__(self):
        self.people = {}
        self.sessions = {}
        self.attempts = {}
        self.tokens = {}
        self.spent = set()
        self.down = False
        self.unsure = False
        self.gate = None
        self.reads = 0
        self.purged_at = 0
        self.ids = iter(range(100_000, 200_000))

    async def touch(self):
        await trio.lowlevel.checkpoint()
        if self.gate is not None:
            await self.gate.wait()
        if self.down:
            raise StoreUnavailable("down")

    def wrote(self):
        if self.unsure:
            raise StoreUnavailable("connection lost during COMMIT")


class MemoryUsers:
    def __init__(self, disk):
        self.disk = disk

    async def profiles(self, user_ids):
        self.disk.reads += 1
        found = [self.disk.people[i].profile for i in user_ids if i in self.disk.people]
        await self.disk.touch()
        return found

    async def present(self, user_ids):
        self.disk.reads += 1
        people = self.disk.people
        found = [i for i in user_ids if i in people and not people[i].profile.deleted]
        await self.disk.touch()
        return found

    async def find(self, by, value):
        await self.disk.touch()
        for user_id, person in self.disk.people.items():
            if value in self._addresses(by, person.profile):
                return user_id
        return None

    @staticmethod
    def _addresses(by, p):
        return {
            Lookup.EMAIL: [p.email],
            Lookup.PHONE: [p.verified_phone],
            Lookup.AGENT_ID: [p.agent and p.agent.agent_id],
            Lookup.OBJECT_ID: [p.object_id],
            Lookup.WALLET_ADDRESS: [p.wallet_address and p.wallet_address.lower()],
        }[by]

    async def person(self, user_id):
        await self.disk.touch()
        return self.disk.people.get(user_id)

    async def new_id(self):
        await self.disk.touch()
        return next(self.disk.ids)

    async def insert(self, person):
        await self.disk.touch()
        taken = self._taken(person)
        if taken is None:
            self.disk.people[person.profile.user_id] = person
            self.disk.wrote()
        return taken

    async def save(self, person):
        await self.disk.touch()
        taken = self._taken(person)
        if taken is None:
            self.write(person)
            self.disk.wrote()
        return taken

    def write(self, person):
        user_id = person.profile.user_id
        if self.disk.people[user_id].revision != person.revision - 1:
            raise StaleWrite(str(user_id))
        self.disk.people[user_id] = person

    def _taken(self, person):
        for user_id, other in self.disk.people.items():
            if user_id == person.profile.user_id:
                continue
            if person.profile.email and other.profile.email == person.profile.email:
                return Reason.EMAIL_TAKEN
            phone = person.profile.verified_phone
            if phone and other.profile.verified_phone == phone:
                return Reason.PHONE_TAKEN
        return None

    async def save_agent(self, agent):
        await self.disk.touch()
        person = self.disk.people[agent.user_id]
        profile = msgspec.structs.replace(person.profile, agent=agent)
        self.disk.people[agent.user_id] = msgspec.structs.replace(person, profile=profile)


class MemoryProofs:
    def __init__(self, disk, users):
        self.disk = disk
        self.users = users
        self.write_also = None  # the wallet's store, where a test has one

    async def load(self, user_id, now_us):
        await self.disk.touch()
        sessions, attempts = self.disk.sessions, self.disk.attempts
        return Proofs(
            {key[1]: s for key, s in sessions.items() if key[0] == user_id},
            {key[1]: lock for key, lock in attempts.items() if key[0] == user_id},
        )

    async def save(self, user_id, change, also=()):
        await self.disk.touch()
        if also:
            await self.write_also(*also)
        if change.person is not None:
            self.users.write(change.person)
        for key, session in change.sessions.items():
            if session is None:
                self.disk.sessions.pop((user_id, key), None)
            else:
                self.disk.sessions[user_id, key] = session
        for name, lockout in change.attempts.items():
            assert isinstance(lockout, Lockout)
            self.disk.attempts[user_id, name] = lockout
        if change.token is not None:
            self.disk.tokens[change.token.token_hash] = (user_id, change.token)
        self.disk.wrote()

    async def unspent(self, user_id, token_hash):
        await self.disk.touch()
        owner, token = self.disk.tokens.get(token_hash, (None, None))
        return token if owner == user_id and token_hash not in self.disk.spent else None

    async def purge(self, now_us):
        await self.disk.touch()
        self.disk.purged_at = now_us

    async def burn(self, consumed):
        await self.disk.touch()
        self.spend(consumed)

    def spend(self, consumed):
        """What the journal does in its transaction; True when exactly one row changed."""
        fresh = consumed.token_hash in self.disk.tokens and (
            consumed.token_hash not in self.disk.spent
        )
        self.disk.spent.add(consumed.token_hash)
        return fresh


class Gateway:
    """A channel that remembers what it was given; `outcome` and `gate` are the test's."""

    def __init__(self):
        self.messages = []
        self.outcome = Sent("1")
        self.gate = None

    async def deliver(self, to, text, *, subject, code):
        if self.gate is not None:
            await self.gate.wait()
        self.messages.append((to, code))
        return self.outcome


class House:
    """One process: people, and the world around them."""

    def __init__(self, disk, clock, codes):
        rng = random.Random(11)
        self.disk = disk
        self.clock = clock
        self.users = MemoryUsers(disk)
        self.proofs = MemoryProofs(disk, self.users)
        self.sms, self.email = Gateway(), Gateway()
        messenger = Messenger({"sms": self.sms, "email": self.email, "whatsapp": self.sms})
        self.people = People(
            self.users,
            self.proofs,
            clock=clock,
            messenger=messenger,
            tokens=AccessTokens(b"j" * 32, rng.randbytes),
            codes=codes or FixedCodes("123456"),
            code_key=b"c" * 32,
            random_bytes=rng.randbytes,
            jitter=lambda: 0.0,
            passwords=Passwords(CHEAP),
        )
        self.verification = self.people.verification

    async def add(self, **new) -> Profile:
        """Somebody verified, with an e-mail and a phone unless the test says otherwise."""
        values = {"email": "abc@example.com", "phone": "+254712345890"} | new
        values.setdefault("email_verified", values["email"] is not None)
        values.setdefault("phone_verified", values["phone"] is not None)
        profile = await self.people.create(NewPerson(**values))
        assert isinstance(profile, Profile), profile
        return profile


@asynccontextmanager
async def living(disk=None, clock=None, codes=None) -> AsyncIterator[House]:
    """A running process; start another on the same disk and clock for a restart."""
    house = House(disk or Disk(), clock or Clock(wall_us=lambda: T0_US), codes)
    async with trio.open_nursery() as nursery:
        await nursery.start(house.people.run)
        yield house
        nursery.cancel_scope.cancel()
