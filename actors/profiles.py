"""Profiles in memory, always those of the last commit.

This process is the only writer of people, and every commit is published here before anybody is
told of it; so a profile that is kept needs no expiry, and what a token may do is decided on the
truth. Cold profiles are read in batches, many askers to a query.
"""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

import trio

from actors.identity_store import Lookup, StoreUnavailable, UserStore
from domain.identity import Profile

PROFILE_LIMIT: Final = 50_000  # about 1 KB each
INDEX_LIMIT: Final = 50_000  # addresses remembered with their user ids
LOAD_BATCH: Final = 256  # profiles per query
LOADERS: Final = 2  # simultaneous queries
COLD_LIMIT: Final = 20_000  # askers of cold profiles; a storm beyond it is refused
# How long after an unconfirmed write its commit could still arrive: a dead session's last
# statement is finished or rolled back well within it (real seconds).
DOUBT_S: Final = 60.0


class _Load:
    """One read under way; `published` is set by a commit that happens meanwhile."""

    __slots__ = ("again", "done", "error", "profile", "published")

    def __init__(self) -> None:
        self.done = trio.Event()
        self.profile: Profile | None = None
        self.published = False
        self.again = False
        self.error: str | None = None


class Profiles:
    """Bounded caches of profiles and of addresses. `run` is a supervised task."""

    def __init__(
        self,
        store: UserStore,
        profile_limit: int = PROFILE_LIMIT,
        index_limit: int = INDEX_LIMIT,
    ) -> None:
        self._store = store
        self._profile_limit = profile_limit
        self._index_limit = index_limit
        self._kept: OrderedDict[int, Profile] = OrderedDict()
        self._index: OrderedDict[tuple[Lookup, str], int] = OrderedDict()
        self._loads: dict[int, _Load] = {}
        self._wanted: list[int] = []
        self._work = trio.lowlevel.ParkingLot()
        self._doubts: dict[int, float] = {}
        self._serving = False

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Read cold profiles until cancelled."""
        try:
            async with trio.open_nursery() as nursery:
                for _ in range(LOADERS):
                    nursery.start_soon(self._load_forever)
                self._serving = True
                task_status.started()
        finally:
            self._serving = False
            wanted, self._wanted = self._wanted, []
            self._fail(wanted, "the profiles stopped")

    def peek(self, user_id: int) -> Profile | None:
        """The profile when it is in memory."""
        return self._kept.get(user_id)

    async def get(self, user_id: int) -> Profile | None:
        """The profile, deleted people included; None when there is nobody.

        Raises StoreUnavailable while a cold profile cannot be read.
        """
        profile = self._kept.get(user_id)
        if profile is not None:
            self._kept.move_to_end(user_id)
            return profile
        load = self._loads.get(user_id) or self._want(user_id)
        await load.done.wait()
        if load.error is not None:
            raise StoreUnavailable(load.error)
        return load.profile

    async def find(self, by: Lookup, value: str) -> Profile | None:
        """The person whose `by` is `value` in its canonical form, deleted people included."""
        key = (by, value.lower() if by is Lookup.WALLET_ADDRESS else value)
        known = self._index.get(key)
        if known is not None:
            profile = await self.get(known)
            if profile is not None and _has(profile, *key):
                self._index.move_to_end(key)
                return profile
            self._index.pop(key, None)
        user_id = await self._store.find(*key)
        profile = None if user_id is None else await self.get(user_id)
        if profile is None or not _has(profile, *key):
            return None
        self._index[key] = profile.user_id
        if len(self._index) > self._index_limit:
            self._index.popitem(last=False)
        return profile

    def publish(self, profile: Profile) -> None:
        """This is committed: everybody sees it from now on."""
        self._doubts.pop(profile.user_id, None)
        self._keep(profile)
        load = self._loads.get(profile.user_id)
        if load is not None:
            load.profile, load.published = profile, True

    def doubt(self, user_id: int) -> None:
        """A write of this person was not confirmed: for a while every look goes to storage."""
        self._doubts[user_id] = trio.current_time() + DOUBT_S
        self._kept.pop(user_id, None)
        load = self._loads.get(user_id)
        if load is not None:
            load.published, load.again = False, True

    def _keep(self, profile: Profile) -> None:
        until = self._doubts.get(profile.user_id)
        if until is not None:
            if trio.current_time() < until:
                return
            del self._doubts[profile.user_id]
        self._kept[profile.user_id] = profile
        self._kept.move_to_end(profile.user_id)
        if len(self._kept) > self._profile_limit:
            self._kept.popitem(last=False)

    def _want(self, user_id: int) -> _Load:
        if not self._serving:
            raise StoreUnavailable("the profiles are not being served")
        if len(self._loads) >= COLD_LIMIT:
            raise StoreUnavailable("too many cold profiles are asked for at once")
        load = self._loads[user_id] = _Load()
        self._wanted.append(user_id)
        self._work.unpark()
        return load

    async def _load_forever(self) -> None:
        while True:
            while not self._wanted:
                await self._work.park()
            user_ids, self._wanted = self._wanted[:LOAD_BATCH], self._wanted[LOAD_BATCH:]
            await self._load(user_ids)

    async def _load(self, user_ids: Sequence[int]) -> None:
        try:
            profiles = await self._store.profiles(user_ids)
        except StoreUnavailable as error:
            self._fail(user_ids, str(error))
        except BaseException:
            self._fail(user_ids, "the profiles stopped")
            raise
        else:
            found = {profile.user_id: profile for profile in profiles}
            for user_id in user_ids:
                self._finish(user_id, found.get(user_id))

    def _finish(self, user_id: int, profile: Profile | None) -> None:
        load = self._loads[user_id]
        if load.again:  # what was read may be older than the write in doubt
            load.again = False
            self._wanted.append(user_id)
            self._work.unpark()
            return
        del self._loads[user_id]
        if not load.published:
            load.profile = profile
            if profile is not None:
                self._keep(profile)
        load.done.set()

    def _fail(self, user_ids: Sequence[int], error: str) -> None:
        for user_id in user_ids:
            load = self._loads.pop(user_id)
            load.error = None if load.published else error
            load.done.set()


def _has(profile: Profile, by: Lookup, value: str) -> bool:
    """Whether the profile still answers to the address it was found by."""
    match by:
        case Lookup.EMAIL:
            return profile.email == value
        case Lookup.PHONE:
            return profile.verified_phone == value
        case Lookup.AGENT_ID:
            return profile.agent is not None and profile.agent.agent_id == value
        case Lookup.OBJECT_ID:
            return profile.object_id == value
        case Lookup.WALLET_ADDRESS:
            return profile.wallet_address is not None and profile.wallet_address.lower() == value
