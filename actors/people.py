"""People: the one door to everybody's identity, for all five surfaces.

`People` is made by app.py and supervised as one task (`run`). It answers reads from memory, sends
every change to the person's own actor, and tells live connections when their token died; codes
and verification tokens are its part `verification`. Methods take and return domain values; a
refusal is a `Refused`, and reads raise StoreUnavailable while the database is away.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Final

import msgspec
import trio

from actors.clock import US, Clock
from actors.identity_store import Lookup, ProofStore, StoreUnavailable, UserOrder, UserStore
from actors.limiter import Limiter
from actors.messenger import Messenger
from actors.passwords import Passwords
from actors.profiles import PRESENCE_LIMIT, Profiles
from actors.revocations import Revocations, Revoked
from actors.runtime.registry import Registry
from actors.user import Household, ask_user
from actors.user_messages import Change, Create, Mark, Message, SaveAgent, TakeBack
from actors.verification import Verification
from domain.identity import (
    AccessTokens,
    Agent,
    CodeSource,
    Denied,
    Person,
    Profile,
    Reason,
    Refused,
    Role,
    person,
    totp,
)
from domain.identity.codes import WRONG_PASSWORDS, RandomBytes
from domain.identity.person import Changed

IDLE_S: Final = 600.0  # longer than any code lives, so that a flow meets one incarnation
PURGE_EVERY_S: Final = 3600.0
_PASSWORD: Final = "password"  # noqa: S105  # the name its wrong tries are counted under


class Authenticated(msgspec.Struct, frozen=True, gc=False):
    """Who a token belongs to. `expires_at_us` on the application clock; `amr` as in X-C04."""

    user_id: int
    profile: Profile
    expires_at_us: int
    amr: tuple[str, ...]
    token_version: int


class Unauthorized(msgspec.Struct, frozen=True, gc=False):
    """A token that opens nothing, and why."""

    why: Denied


class NewPerson(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody to create. Addresses in canonical form; ids of None are given out.

    `password_hash` is what `People.passwords.hash` gave; `totp_secret` enables TOTP at once.
    """

    user_id: int | None = None
    object_id: str | None = None
    email: str | None = None
    email_verified: bool = False
    phone: str | None = None
    phone_verified: bool = False
    first_name: str = ""
    password_hash: str | None = None
    role: Role = Role.USER
    wallet_address: str | None = None
    totp_secret: str | None = None

    def __repr__(self) -> str:
        return f"NewPerson({self.user_id})"


class People:
    """Everybody. One instance; `run` serves it."""

    def __init__(
        self,
        users: UserStore,
        proofs: ProofStore,
        *,
        clock: Clock,
        messenger: Messenger,
        tokens: AccessTokens,
        codes: CodeSource,
        code_key: bytes,
        random_bytes: RandomBytes,
        jitter: Callable[[], float],
        wallet_address: Callable[[int], str | None] = lambda _user_id: None,
        passwords: Passwords | None = None,
        presence_limit: int = PRESENCE_LIMIT,
    ) -> None:
        """`wallet_address` derives a new user's receiving address from the user id; of at most
        `presence_limit` people it is kept in memory that they are there."""
        self.passwords = passwords or Passwords()
        self.limiter = Limiter(clock)
        self._users = users
        self._proofs = proofs
        self._clock = clock
        self._tokens = tokens
        self._random_bytes = random_bytes
        self._wallet_address = wallet_address
        self._profiles = Profiles(users, presence_limit=presence_limit)
        self._revocations = Revocations()
        household = Household(
            users=users,
            proofs=proofs,
            clock=clock,
            codes=codes,
            code_key=code_key,
            random_bytes=random_bytes,
            publish=self._publish,
            doubt=self._profiles.doubt,
        )
        self._actors: Registry[int, Message] = Registry(
            "people", household.serve, jitter=jitter, idle_s=IDLE_S
        )
        self.verification = Verification(self._actors, proofs, messenger, clock)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve until cancelled."""
        async with trio.open_nursery() as nursery:
            await nursery.start(self._profiles.run)
            await nursery.start(self._actors.run)
            await nursery.start(self.verification.run)
            nursery.start_soon(self._purge_forever)
            task_status.started()

    async def _purge_forever(self) -> None:
        """Keep dead codes and tokens from piling up; what fails is done the next time."""
        while True:
            await self._clock.sleep(PURGE_EVERY_S)
            with suppress(StoreUnavailable):
                await self._proofs.purge(self._clock.now_us())

    # Who is there

    def peek(self, user_id: int) -> Profile | None:
        """The profile when it is in memory, without waiting."""
        return self._profiles.peek(user_id)

    async def profile(self, user_id: int) -> Profile | None:
        """The person, deleted or not; None when there is nobody."""
        return await self._profiles.get(user_id)

    def is_known(self, user_id: int) -> bool:
        """Whether memory is enough to say that there is such a person, not deleted."""
        return self._profiles.is_known(user_id)

    def expect(self, user_id: int, then: Callable[[], None]) -> bool:
        """Find out whether there is such a person, and call `then` once when that is in memory or
        could not be found out. False when there is nothing to wait for."""
        return self._profiles.expect(user_id, then)

    def seen(self, user_id: int) -> None:
        """Somebody who is there, and not deleted, was read with something of theirs."""
        self._profiles.seen(user_id)

    async def is_there(self, user_id: int) -> bool:
        """Whether there is such a person, and not deleted; costs less than their profile."""
        return await self._profiles.is_there(user_id)

    async def by_email(self, email: str) -> Profile | None:
        """Whoever has this e-mail (canonical form), verified or not."""
        return await self._profiles.find(Lookup.EMAIL, email)

    async def by_phone(self, phone: str) -> Profile | None:
        """Whoever has proved to have this phone (E.164, X-C02)."""
        return await self._profiles.find(Lookup.PHONE, phone)

    async def by_agent_id(self, agent_id: str) -> Profile | None:
        """The identity with this agent profile, active or not."""
        return await self._profiles.find(Lookup.AGENT_ID, agent_id)

    async def by_object_id(self, object_id: str) -> Profile | None:
        """NexusPay's `_id` (X-C07)."""
        return await self._profiles.find(Lookup.OBJECT_ID, object_id)

    async def by_wallet_address(self, address: str) -> Profile | None:
        """Whose receiving address this is, in any case."""
        return await self._profiles.find(Lookup.WALLET_ADDRESS, address)

    async def page(
        self, order: UserOrder, *, descending: bool, limit: int, offset: int
    ) -> tuple[list[Profile], int]:
        """One page of everybody who is not deleted, and how many there are."""
        return await self._users.page(order, descending, limit, offset)

    # Access tokens

    async def authenticate(self, token: str) -> Authenticated | Unauthorized:
        """Whose token this is. Decided on the person as committed now, not on the token (X-C08)."""
        claims = self._tokens.read(token, self._clock.now_us() // US)
        if isinstance(claims, Denied):
            return Unauthorized(claims)
        profile = await self._profiles.get(claims.user_id)
        if profile is None or profile.deleted:
            return Unauthorized(Denied.UNKNOWN_USER)
        if claims.token_version != profile.token_version:
            return Unauthorized(Denied.REVOKED)
        return Authenticated(
            profile.user_id,
            profile,
            claims.expires_at_s * US,
            claims.amr,
            claims.token_version,
        )

    def on_revoked(self, who: Authenticated, callback: Revoked) -> Callable[[], None]:
        """Call `callback` once when the token behind `who` dies before its time (X-C26).

        It must not wait or raise. A token that died since it was authenticated is reported at
        once. Returns what ends the watch; ending it twice is harmless.
        """
        return self._revocations.watch(who.user_id, who.token_version, callback)

    def issue_token(self, profile: Profile, amr: tuple[str, ...]) -> str:
        """A JWT for 24 hours, without any record of a login."""
        now_s = self._clock.now_us() // US
        return self._tokens.issue(profile.user_id, profile.token_version, amr, now_s)

    async def log_in(self, checked: Profile, amr: tuple[str, ...]) -> str | Refused:
        """Record the login of the person as it was checked, and issue a JWT for it.

        `amr` says what was shown (pwd, otp, totp). WRONG_PASSWORD when the person's tokens were
        revoked since the check: a password reset ends logins under way too.
        """
        now, version = self._clock.now_us(), checked.token_version
        profile = await self.change(
            checked.user_id, lambda before: person.log_in(before, version, now)
        )
        return profile if isinstance(profile, Refused) else self.issue_token(profile, amr)

    async def check_password(self, email: str, password: str) -> Profile | Refused:
        """Whose e-mail and password these are, alike and as slowly for an unknown e-mail.

        A try counts as failed until it is known to be right, so that a thousand at once get no
        more guesses than ten (AMKT-C05). Raises StoreUnavailable.
        """
        profile = await self.by_email(email)
        if profile is None or profile.deleted:
            verdict = await self.passwords.verify(None, password)
            return verdict if isinstance(verdict, Refused) else Refused(Reason.WRONG_PASSWORD)
        marked = await ask_user(self._actors, profile.user_id, Mark(_PASSWORD, WRONG_PASSWORDS))
        if isinstance(marked, Refused):
            return marked
        stored = await self._users.person(profile.user_id)
        password_hash = None if stored is None else stored.password_hash
        right = await self.passwords.verify(password_hash, password)
        if stored is None or right is False:
            return Refused(Reason.WRONG_PASSWORD)
        await ask_user(self._actors, profile.user_id, TakeBack(_PASSWORD, marked))
        return right if isinstance(right, Refused) else stored.profile

    # Changes

    async def create(self, new: NewPerson) -> Profile | Refused:
        """Create somebody, with a wallet address of their own."""
        try:
            user_id = await self._users.new_id() if new.user_id is None else new.user_id
        except StoreUnavailable:
            return Refused(Reason.UNAVAILABLE)
        now = self._clock.now_us()
        profile = Profile(
            user_id=user_id,
            object_id=new.object_id or self._random_bytes(12).hex(),
            email=new.email,
            email_verified=new.email_verified,
            email_proved_at_us=now if new.email_verified else 0,
            phone=new.phone,
            phone_verified=new.phone_verified,
            first_name=new.first_name,
            role=new.role,
            totp_enabled=new.totp_secret is not None,
            wallet_address=new.wallet_address or self._wallet_address(user_id),
            created_at_us=now,
        )
        row = Person(profile=profile, password_hash=new.password_hash, totp_secret=new.totp_secret)
        return await ask_user(self._actors, user_id, Create(row))

    async def change(self, user_id: int, change: Callable[[Person], Changed]) -> Profile | Refused:
        """Apply one of domain.identity.person's changes, alone on this person, and commit it."""
        return await ask_user(self._actors, user_id, Change(change))

    async def promote(self, user_id: int, role: Role = Role.ADMIN) -> Profile | Refused:
        """Make an admin; tokens in use pass at once (X-C08, XS-06). Takes nobody a role away."""
        return await self.change(user_id, lambda before: (person.promote(before, role), None))

    async def set_wallet_active(self, user_id: int, active: bool) -> Profile | Refused:
        """Whether the wallet surface serves this person."""
        return await self._set(user_id, wallet_active=active)

    async def set_deleted(self, user_id: int, deleted: bool) -> Profile | Refused:
        """A deleted person's tokens open nothing and live connections close."""
        return await self._set(user_id, deleted=deleted)

    async def revoke_tokens(self, user_id: int) -> Profile | Refused:
        """Every JWT issued so far is dead."""
        return await self.change(user_id, lambda before: (person.revoke_tokens(before), None))

    async def prove_email(self, user_id: int) -> Profile | Refused:
        """A code from the mailbox was shown (X-C02)."""
        now = self._clock.now_us()
        return await self.change(user_id, lambda before: (person.prove_email(before, now), None))

    async def reset_password(self, user_id: int, password: str) -> Profile | Refused:
        """A new password, by a code from the mailbox: proves it, and kills all tokens (FN-04)."""
        hashed = await self.passwords.hash(password)
        if isinstance(hashed, Refused):
            return hashed
        now = self._clock.now_us()
        return await self.change(
            user_id, lambda before: (person.reset_password(before, hashed, now), None)
        )

    async def enrol_totp(self, user_id: int) -> str | Refused:
        """A new secret, pending until `confirm_totp` (AMKT-C07)."""
        secret = totp.new_secret(self._random_bytes)
        profile = await self.change(user_id, lambda before: person.start_totp(before, secret))
        return profile if isinstance(profile, Refused) else secret

    async def confirm_totp(self, user_id: int, code: str) -> Profile | Refused:
        """Enable the pending secret by a code of it (AMKT-C44)."""
        now_s = self._clock.now_us() // US
        return await self.change(user_id, lambda before: person.confirm_totp(before, code, now_s))

    async def save_agent(self, agent: Agent) -> Profile | Refused:
        """Create or replace an agent profile (CASH-C33)."""
        return await ask_user(self._actors, agent.user_id, SaveAgent(agent))

    async def _set(self, user_id: int, **changes: object) -> Profile | Refused:
        return await self.change(
            user_id, lambda before: (person.with_profile(before, **changes), None)
        )

    def _publish(self, profile: Profile) -> None:
        self._profiles.publish(profile)
        self._revocations.publish(profile)
