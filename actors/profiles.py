"""Who is there, in memory: profiles, what they are found by, and whether somebody is there at all.

What a token may do and whom money may be sent to is decided on the truth: see actors.known.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Final

import trio

from actors.identity_store import Lookup, UserStore
from actors.known import Known
from domain.identity import Profile

PROFILE_LIMIT: Final = 50_000  # about 1 KB each
PRESENCE_LIMIT: Final = 400_000  # about 150 bytes each; unless told otherwise
INDEX_LIMIT: Final = 50_000  # addresses remembered with their user ids


class Profiles:
    """Bounded caches of profiles, of addresses and of who is there. `run` is a supervised task."""

    def __init__(
        self,
        store: UserStore,
        profile_limit: int = PROFILE_LIMIT,
        index_limit: int = INDEX_LIMIT,
        presence_limit: int = PRESENCE_LIMIT,
    ) -> None:
        self._store = store
        self._index_limit = index_limit
        self._profiles: Known[Profile] = Known(self._read_profiles, profile_limit)
        # Most payments go to somebody who is not connected: whether there is such a person is
        # all that has to be known of them, at a fraction of a profile's cost.
        self._presence: Known[bool] = Known(self._read_presence, presence_limit)
        self._index: OrderedDict[tuple[Lookup, str], int] = OrderedDict()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Read what is cold until cancelled."""
        async with trio.open_nursery() as nursery:
            await nursery.start(self._profiles.run)
            await nursery.start(self._presence.run)
            task_status.started()

    def peek(self, user_id: int) -> Profile | None:
        """The profile when it is in memory."""
        return self._profiles.peek(user_id)

    async def get(self, user_id: int) -> Profile | None:
        """The profile, deleted people included; None when there is nobody.

        Raises StoreUnavailable while a cold profile cannot be read.
        """
        return await self._profiles.get(user_id)

    def is_known(self, user_id: int) -> bool:
        """Whether memory is enough to say that there is such a person, not deleted."""
        profile = self._profiles.peek(user_id)
        if profile is not None:
            return not profile.deleted
        return self._presence.peek(user_id) is True

    def expect(self, user_id: int, then: Callable[[], None]) -> bool:
        """Find out whether there is such a person, and call `then` (actors.known)."""
        return not self.is_known(user_id) and self._presence.expect(user_id, then)

    async def is_there(self, user_id: int) -> bool:
        """Whether there is such a person, and not deleted. Raises StoreUnavailable."""
        profile = self._profiles.peek(user_id)
        if profile is not None:
            return not profile.deleted
        return await self._presence.get(user_id) is True

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
        self._profiles.publish(profile.user_id, profile)
        self._presence.publish(profile.user_id, not profile.deleted)

    def seen(self, user_id: int) -> None:
        """Somebody who was read just now with something of theirs."""
        self._presence.learn(user_id, True)

    def doubt(self, user_id: int) -> None:
        """A write of this person was not confirmed: for a while every look goes to storage."""
        self._profiles.doubt(user_id)
        self._presence.doubt(user_id)

    async def _read_profiles(self, user_ids: Sequence[int]) -> dict[int, Profile]:
        return {profile.user_id: profile for profile in await self._store.profiles(user_ids)}

    async def _read_presence(self, user_ids: Sequence[int]) -> dict[int, bool]:
        return dict.fromkeys(await self._store.present(user_ids), True)


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
