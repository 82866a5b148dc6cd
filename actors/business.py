"""Businesses: the upgrade by a code to the business's phone, and who is paid.

It keeps nothing between calls: a pending upgrade is a row, and only the code that was sent
completes it.
"""

from collections.abc import Callable

import msgspec

from actors.clock import Clock
from actors.nexus_store import BusinessStore
from actors.people import People
from domain.identity import Channel, Purpose, Refused, Surface
from domain.nexuspay.business import Business, merchant_number
from domain.nexuspay.codes import transaction_id


class AlreadyComplete(msgspec.Struct, frozen=True):
    """The person has a business (NXPY-C34)."""

    business: Business


class Businesses:
    """Begins and completes upgrades on top of `People`; finds businesses."""

    def __init__(
        self,
        store: BusinessStore,
        people: People,
        clock: Clock,
        random_bytes: Callable[[int], bytes],
        address_of: Callable[[int], str],
    ) -> None:
        """`address_of` derives a business's receiving address from its owner's user id."""
        self._store = store
        self._people = people
        self._clock = clock
        self._random_bytes = random_bytes
        self._address_of = address_of

    async def request(self, draft: Business) -> Business | AlreadyComplete | Refused:
        """Store an upgrade (its id and time are given here) and send the code to its phone.

        Asked again while pending, the particulars are replaced and a new code is sent.
        DELIVERY_FAILED when it could not be sent. Raises StoreUnavailable.
        """
        draft = msgspec.structs.replace(
            draft, id=transaction_id(self._random_bytes(16)), created_us=self._clock.now_us()
        )
        stored = await self._store.save_pending(draft)
        if stored.is_complete:
            return AlreadyComplete(stored)
        sent = await self._people.verification.send_code(
            stored.user_id, Surface.NEXUSPAY, Purpose.BUSINESS_UPGRADE, Channel.SMS, stored.phone
        )
        return sent if isinstance(sent, Refused) else stored

    async def complete(self, business: Business, code: str) -> Business | AlreadyComplete | Refused:
        """Try the code: the business with its merchant number and address."""
        if business.is_complete:
            return AlreadyComplete(business)
        answer = await self._people.verification.check_code(
            business.user_id, code, Purpose.BUSINESS_UPGRADE, Surface.NEXUSPAY
        )
        if isinstance(answer, Refused):
            return answer
        return await self._finish(business)

    async def ensure(self, business: Business) -> Business:
        """The business, complete without a code: for seeds."""
        stored = await self._store.save_pending(business)
        finished = stored if stored.is_complete else await self._finish(stored)
        return finished.business if isinstance(finished, AlreadyComplete) else finished

    async def _finish(self, business: Business) -> Business | AlreadyComplete:
        now, address = self._clock.now_us(), self._address_of(business.user_id)
        done = await self._store.complete(business.id, address, now)
        if done is not None:
            return done
        already = await self._store.by_id(business.id)
        assert already is not None, "businesses are never deleted"
        return AlreadyComplete(already)

    async def by_id(self, business_id: str) -> Business | None:
        """The business with this id, complete or not."""
        return await self._store.by_id(business_id)

    async def by_code(self, code: str) -> Business | None:
        """The business a payer names (NXPY-C35)."""
        number = merchant_number(code)
        return None if not number else await self._store.by_number(number)

    async def by_address(self, address: str) -> Business | None:
        """The business with this wallet address."""
        return await self._store.by_address(address)
