"""Registrations with codes: from the form to the user, new or taken over (X-C03, XS-08b).

Nothing about the person changes before every code asked for was shown. The registration is stored
apart, and a second one for the same e-mail replaces it (NXPY-C13).
"""

from typing import Protocol

from actors.clock import Clock
from actors.identity_store import StoreUnavailable, UserStore
from actors.people import NewPerson, People
from domain.identity import Channel, Profile, Reason, Refused, Surface, person
from domain.identity.registration import PURPOSE_OF, Registration, VerifyWith, may_register

SURFACE = Surface.NEXUSPAY


class RegistrationStore(Protocol):
    """Pending registrations; implemented by storage.registrations."""

    async def save(self, registration: Registration) -> None:
        """Put it in the place of any other of the same e-mail."""
        ...

    async def by_email(self, email: str) -> Registration | None: ...

    async def by_phone(self, phone: str) -> Registration | None:
        """The newest with this phone."""
        ...

    async def prove(self, user_id: int, channel: Channel) -> Registration | None:
        """Mark the channel proved; the registration afterwards, None when there is none."""
        ...

    async def drop(self, user_id: int) -> None: ...


class Registrations:
    """Begins and completes registrations on top of `People`."""

    def __init__(
        self, people: People, users: UserStore, store: RegistrationStore, clock: Clock
    ) -> None:
        self._people = people
        self._users = users
        self._store = store
        self._clock = clock

    async def begin(
        self, email: str, phone: str, password: str, verify_with: VerifyWith
    ) -> Registration | Refused:
        """Check, store and send the codes. Addresses in canonical form, password acceptable.

        EMAIL_TAKEN or PHONE_TAKEN when they are somebody's; DELIVERY_FAILED when a code could
        not be sent. Raises StoreUnavailable.
        """
        owner = await self._people.by_email(email)
        taken = may_register(owner, await self._people.by_phone(phone), verify_with)
        if taken is not None:
            return Refused(taken)
        hashed = await self._people.passwords.hash(password)
        if isinstance(hashed, Refused):
            return hashed
        registration = Registration(
            # A new id each time: a code sent for one registration never proves another.
            user_id=await self._users.new_id(),
            email=email,
            phone=phone,
            password_hash=hashed,
            verify_with=verify_with,
            created_at_us=self._clock.now_us(),
        )
        await self._store.save(registration)
        return await self.send_codes(registration) or registration

    async def send_codes(self, registration: Registration) -> Refused | None:
        """Send what is to be proved yet, anew (NXPY-C09)."""
        proved = {Channel.EMAIL: registration.email_proved, Channel.SMS: registration.phone_proved}
        for channel in registration.verify_with.channels:
            if proved[channel]:
                continue
            to = registration.email if channel is Channel.EMAIL else registration.phone
            sent = await self._people.verification.send_code(
                registration.user_id, SURFACE, PURPOSE_OF[channel], channel, to
            )
            if isinstance(sent, Refused):
                return sent
        return None

    async def pending(self, *, email: str = "", phone: str = "") -> Registration | None:
        """The registration that waits for a code to this address. Raises StoreUnavailable."""
        if email:
            return await self._store.by_email(email)
        return await self._store.by_phone(phone)

    async def verify(
        self, registration: Registration, channel: Channel, code: str
    ) -> Registration | Profile | Refused:
        """Try a code: the registration while more is to be proved, else the user it became."""
        purpose = PURPOSE_OF[channel]
        answer = await self._people.verification.check_code(
            registration.user_id, code, purpose, SURFACE
        )
        if isinstance(answer, Refused):
            return answer
        try:
            proved = await self._store.prove(registration.user_id, channel)
            if proved is None:
                return Refused(Reason.NO_CODE)
            return await self._complete(proved) if proved.complete else proved
        except StoreUnavailable:
            return Refused(Reason.UNAVAILABLE)

    async def _complete(self, proved: Registration) -> Profile | Refused:
        """The last code was shown. What was free at the beginning may be taken by now."""
        owner = await self._people.by_email(proved.email)
        taken = may_register(owner, await self._people.by_phone(proved.phone), proved.verify_with)
        if taken is not None:
            return Refused(taken)
        profile = await (self._create(proved) if owner is None else self._take_over(proved, owner))
        if isinstance(profile, Profile):
            await self._store.drop(proved.user_id)
        return profile

    async def _create(self, proved: Registration) -> Profile | Refused:
        return await self._people.create(
            NewPerson(
                user_id=proved.user_id,
                email=proved.email,
                email_verified=proved.email_proved,
                phone=proved.phone,
                phone_verified=proved.phone_proved,
                password_hash=proved.password_hash,
            )
        )

    async def _take_over(self, proved: Registration, owner: Profile) -> Profile | Refused:
        now = self._clock.now_us()
        return await self._people.change(
            owner.user_id,
            lambda before: person.take_over(
                before, proved.password_hash, proved.phone, proved.phone_proved, now
            ),
        )
