"""A person as the rest of the system sees one, and as storage keeps one."""

from enum import StrEnum

import msgspec


class Role(StrEnum):
    """`admin` is one flag with two views, `role` and `is_admin` (X-C08)."""

    USER = "user"
    ADMIN = "admin"


class Agent(msgspec.Struct, frozen=True, gc=False):
    """An identity's agent profile (CASH-C33). Commission in basis points: 200 is 2 %."""

    agent_id: str
    user_id: int
    name: str
    phone: str
    commission_bp: int = 200
    active: bool = True


class Profile(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One person, without secrets. E-mail in lower case, phone E.164, times in microseconds.

    `email_proved_at_us` is when the mailbox was first proved to be theirs, 0 for never: keys
    stored before that moment are not theirs to use (X-C02).
    """

    user_id: int
    object_id: str
    email: str | None = None
    email_verified: bool = False
    email_proved_at_us: int = 0
    phone: str | None = None
    phone_verified: bool = False
    first_name: str = ""
    role: Role = Role.USER
    token_version: int = 0
    totp_enabled: bool = False
    wallet_active: bool = True
    wallet_address: str | None = None
    deleted: bool = False
    created_at_us: int = 0
    last_login_us: int = 0
    agent: Agent | None = None

    @property
    def is_admin(self) -> bool:
        """Amarktai's view of the role."""
        return self.role is Role.ADMIN

    @property
    def verified(self) -> bool:
        """Whether somebody has proved anything about this identity (X-C03)."""
        return self.email_verified or self.phone_verified

    @property
    def verified_phone(self) -> str | None:
        """The phone, when it may be used to find or to charge this person (X-C02)."""
        return self.phone if self.phone_verified else None


class Person(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A profile with its secrets; only the person's actor and storage hold one.

    `revision` counts writes of the row, so that a write based on an older one is refused.
    """

    profile: Profile
    password_hash: str | None = None
    totp_secret: str | None = None
    totp_pending: str | None = None
    totp_pending_wrong: int = 0
    totp_last_step: int = 0
    revision: int = 0

    def __repr__(self) -> str:
        return f"Person({self.profile.user_id})"


def prove_email(person: Person, now_us: int) -> Person:
    """The mailbox is this person's. The first proof ends what came before it (X-C02): tokens
    issued, and a TOTP secret enrolled, by whoever registered the address.
    """
    profile = person.profile
    if profile.email_verified:
        return person
    profile = msgspec.structs.replace(
        profile,
        email_verified=True,
        email_proved_at_us=now_us,
        token_version=profile.token_version + 1,
        totp_enabled=False,
    )
    return msgspec.structs.replace(
        person, profile=profile, totp_secret=None, totp_pending=None, totp_pending_wrong=0
    )
