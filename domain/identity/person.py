"""A person as the rest of the system sees one, and as storage keeps one."""

from enum import StrEnum
from typing import Any

import msgspec

from domain.identity import totp
from domain.identity.vocabulary import Reason


class Role(StrEnum):
    """`admin` is one flag with two views, `role` and `is_admin`; where surfaces keep flags of their
    own, NexusPay promotes to `nexuspay_admin` (X-C08)."""

    USER = "user"
    ADMIN = "admin"
    NEXUSPAY_ADMIN = "nexuspay_admin"


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
        """Amarktai's view of the role, and the operators'."""
        return self.role is Role.ADMIN

    @property
    def is_nexuspay_admin(self) -> bool:
        """NexusPay's view of the role."""
        return self.role in (Role.ADMIN, Role.NEXUSPAY_ADMIN)

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


Changed = tuple[Person, Reason | None]
"""The person afterwards (the same object when nothing changed), and why not, if refused."""


def with_profile(person: Person, **changes: Any) -> Person:
    """The person with these members of the profile replaced."""
    profile = msgspec.structs.replace(person.profile, **changes)
    return msgspec.structs.replace(person, profile=profile)


def promote(person: Person, role: Role) -> Person:
    """An administrator by `role`; who is one of everything stays that."""
    return person if person.profile.is_admin else with_profile(person, role=role)


def revoke_tokens(person: Person) -> Person:
    """Every access token issued so far is dead."""
    return with_profile(person, token_version=person.profile.token_version + 1)


def log_in(person: Person, token_version: int, now_us: int) -> Changed:
    """Record a login that was checked when tokens had `token_version`.

    If they were revoked since, what was checked (a password) may be good no longer.
    """
    if person.profile.deleted:
        return person, Reason.UNKNOWN_USER
    if person.profile.token_version != token_version:
        return person, Reason.WRONG_PASSWORD
    return with_profile(person, last_login_us=now_us), None


def prove_email(person: Person, now_us: int) -> Person:
    """The mailbox is this person's. The first proof ends what came before it (X-C02): tokens
    issued, and a TOTP secret enrolled, by whoever registered the address.
    """
    if person.profile.email_verified:
        return person
    person = with_profile(
        person, email_verified=True, email_proved_at_us=now_us, totp_enabled=False
    )
    person = msgspec.structs.replace(
        person, totp_secret=None, totp_pending=None, totp_pending_wrong=0
    )
    return revoke_tokens(person)


def reset_password(person: Person, password_hash: str, now_us: int) -> Person:
    """A new password by a code from the mailbox; tokens die, once (NXPY-C12, X-C02)."""
    before = person.profile.token_version
    person = prove_email(person, now_us)
    if person.profile.token_version == before:
        person = revoke_tokens(person)
    return msgspec.structs.replace(person, password_hash=password_hash)


def take_over(
    person: Person, password_hash: str, phone: str, phone_proved: bool, now_us: int
) -> Changed:
    """The mailbox's owner registers an address that nobody had proved (X-C03, XS-08b)."""
    if person.profile.verified or person.profile.deleted:
        return person, Reason.EMAIL_TAKEN
    person = reset_password(person, password_hash, now_us)
    return with_profile(person, phone=phone, phone_verified=phone_proved), None


def start_totp(person: Person, secret: str) -> Changed:
    """Enrol a secret; it counts once a code of it was shown. Replaces a pending one (AMKT-C07)."""
    if person.profile.totp_enabled:
        return person, Reason.TOTP_ALREADY_ENABLED
    return msgspec.structs.replace(person, totp_pending=secret, totp_pending_wrong=0), None


def confirm_totp(person: Person, code: str, now_s: int) -> Changed:
    """Enable the pending secret by a code of it; the fifth wrong one drops it (AMKT-C44)."""
    pending = person.totp_pending
    if pending is None:
        return person, Reason.TOTP_NOT_STARTED
    # A new secret has no used steps, but a code must not work again once it has enabled it.
    step = totp.accepted_step(pending, code, now_s, 0)
    if step is not None:
        return enable_totp(person, pending, step), None
    wrong = person.totp_pending_wrong + 1
    dropped = wrong >= totp.WRONG_WHILE_PENDING
    person = msgspec.structs.replace(
        person,
        totp_pending=None if dropped else pending,
        totp_pending_wrong=0 if dropped else wrong,
    )
    return person, Reason.WRONG_CODE


def enable_totp(person: Person, secret: str, last_step: int = 0) -> Person:
    """The secret protects this person from now on; codes up to `last_step` are used."""
    person = with_profile(person, totp_enabled=True)
    return msgspec.structs.replace(
        person,
        totp_secret=secret,
        totp_pending=None,
        totp_pending_wrong=0,
        totp_last_step=last_step,
    )
