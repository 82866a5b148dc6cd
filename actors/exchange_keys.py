"""People's keys at exchanges: tested, kept encrypted, looked at again from time to time.

A test that succeeds stores the keys (AMKT-C13); one that fails changes nothing. Nothing is kept
in memory: the store is asked each time, and only it and the exchange's client ever see a key.
"""

from collections.abc import Mapping, Sequence
from typing import Final, Protocol

import msgspec
import structlog
import trio

from actors.clock import US, Clock
from actors.exchanges import (
    Exchange,
    ExchangeError,
    ExchangeUnavailable,
    KeyCheck,
    Keys,
    KeysRefused,
)
from actors.people import People
from domain.identity import Profile

log = structlog.get_logger(__name__)

FRESH_US: Final = 60 * US  # a check this young is told again instead of being made again
CHECK_WITHIN_S: Final = 5.0  # of real time; how long a look at the health waits for exchanges


class StoredKeys(msgspec.Struct, frozen=True, kw_only=True):
    """Keys of one person at one exchange, and what its last check said."""

    user_id: int
    platform: str
    keys: Keys
    valid: bool
    checked_us: int
    latency_ms: int
    can_withdraw: bool | None
    stored_us: int


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """How a person's keys at a platform stand; `reachable` False: it did not answer just now."""

    valid: bool
    checked_us: int
    latency_ms: int
    can_withdraw: bool | None
    reachable: bool = True

    @property
    def state(self) -> str:
        """In a word, as `status` of the document."""
        if not self.valid:
            return "invalid_keys"
        return "operational" if self.reachable else "unreachable"


class ExchangeKeyStore(Protocol):
    """Where keys are kept, sealed; implemented by storage.exchange_keys."""

    async def save(self, stored: StoredKeys) -> None:
        """Insert, or replace what was kept for this person and platform."""
        ...

    async def checked(self, stored: StoredKeys) -> None:
        """Write what a check said, unless other keys were stored meanwhile."""
        ...

    async def of(self, user_id: int) -> Sequence[StoredKeys]:
        """Everything kept for a person."""
        ...

    async def one(self, user_id: int, platform: str) -> StoredKeys | None:
        """What is kept for a person at a platform."""
        ...


class ExchangeKeys:
    """Implements actors.key_ring.KeyRing."""

    def __init__(
        self,
        store: ExchangeKeyStore,
        exchanges: Mapping[str, Exchange],
        people: People,
        clock: Clock,
        *,
        allow_withdrawals: bool,
    ) -> None:
        """`allow_withdrawals`: whether keys that may withdraw are stored, with a warning."""
        self._store = store
        self._exchanges = exchanges
        self._people = people
        self._clock = clock
        self._allow_withdrawals = allow_withdrawals

    async def test(self, user_id: int, platform: str, keys: Keys) -> KeyCheck:
        """Ask the exchange; good keys are stored unless they may do more than they should.

        Raises ExchangeUnavailable and what storage raises.
        """
        check = await self._ask(platform, keys)
        if not check.valid or not self.may_be_kept(check):
            return check
        now_us = self._clock.now_us()
        await self._store.save(
            StoredKeys(
                user_id=user_id,
                platform=platform,
                keys=keys,
                valid=True,
                checked_us=now_us,
                latency_ms=check.latency_ms,
                can_withdraw=check.can_withdraw,
                stored_us=now_us,
            )
        )
        log.info("exchange_keys.stored", user_id=user_id, platform=platform)
        return check

    def may_be_kept(self, check: KeyCheck) -> bool:
        """Whether keys that can do this are stored."""
        return self._allow_withdrawals or not check.can_withdraw

    async def keys(self, user_id: int, platform: str) -> Keys | None:
        """The keys a live bot trades with; None when there are none that are good."""
        stored = await self._store.one(user_id, platform)
        profile = await self._people.profile(user_id)
        if stored is None or profile is None or not stored.valid or not _theirs(profile, stored):
            return None
        return stored.keys

    async def platforms(self, profile: Profile) -> list[str]:
        """Where a person has keys, good or not."""
        kept = await self._store.of(profile.user_id)
        return [one.platform for one in kept if _theirs(profile, one)]

    async def health(self, profile: Profile) -> dict[str, Health]:
        """By platform with keys. A check older than a minute is made again, all at once."""
        stored = [one for one in await self._store.of(profile.user_id) if _theirs(profile, one)]
        found: dict[str, Health] = {}
        checked: list[StoredKeys] = []
        async with trio.open_nursery() as nursery:
            for one in stored:
                nursery.start_soon(self._look, one, found, checked)
        for one in checked:  # not in the nursery: what storage raises must reach the caller bare
            await self._store.checked(one)
        return {one.platform: found[one.platform] for one in stored}

    async def _look(
        self, stored: StoredKeys, found: dict[str, Health], checked: list[StoredKeys]
    ) -> None:
        """Fill in the health of one; what an exchange does not answer in time stays as it was."""
        found[stored.platform] = _health(stored)
        if self._clock.now_us() - stored.checked_us < FRESH_US:
            return
        found[stored.platform] = _health(stored, reachable=False)
        check: KeyCheck | None = None
        with trio.move_on_after(CHECK_WITHIN_S):
            try:
                check = await self._ask(stored.platform, stored.keys)
            except ExchangeError as error:
                log.info(
                    "exchange_keys.unchecked", platform=stored.platform, why=type(error).__name__
                )
        if check is None:
            return
        renewed = msgspec.structs.replace(
            stored,
            valid=check.valid,
            checked_us=self._clock.now_us(),
            latency_ms=check.latency_ms,
            can_withdraw=check.can_withdraw,
        )
        checked.append(renewed)
        found[stored.platform] = _health(renewed)

    async def _ask(self, platform: str, keys: Keys) -> KeyCheck:
        exchange = self._exchanges.get(platform)
        if exchange is None:
            raise ExchangeUnavailable(f"{platform} is not configured")
        try:
            return await exchange.check(keys)
        except KeysRefused:
            return KeyCheck(valid=False, latency_ms=0)


def _theirs(profile: Profile, stored: StoredKeys) -> bool:
    """Keys stored before the mailbox was proved may be a hijacker's (X-C02)."""
    return stored.stored_us >= profile.email_proved_at_us


def _health(stored: StoredKeys, *, reachable: bool = True) -> Health:
    return Health(
        valid=stored.valid,
        checked_us=stored.checked_us,
        latency_ms=stored.latency_ms,
        can_withdraw=stored.can_withdraw,
        reachable=reachable,
    )
