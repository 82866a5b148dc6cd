"""A registration that waits for its codes (NXPY-C05, NXPY-C06, X-C03)."""

from enum import StrEnum

import msgspec

from domain.identity.person import Profile
from domain.identity.vocabulary import Channel, Purpose, Reason


class VerifyWith(StrEnum):
    """Which addresses a registration has to prove."""

    EMAIL = "email"
    PHONE = "phone"
    BOTH = "both"

    @property
    def channels(self) -> tuple[Channel, ...]:
        """Where codes go."""
        match self:
            case VerifyWith.EMAIL:
                return (Channel.EMAIL,)
            case VerifyWith.PHONE:
                return (Channel.SMS,)
            case VerifyWith.BOTH:
                return (Channel.EMAIL, Channel.SMS)


PURPOSE_OF = {
    Channel.EMAIL: Purpose.REGISTRATION_EMAIL,
    Channel.SMS: Purpose.REGISTRATION_PHONE,
}


class Registration(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Somebody on the way to becoming a user.

    `user_id` is the id the new user will have, unless an unproved identity with the same e-mail
    is taken over; codes are sent and tried under it.
    """

    user_id: int
    email: str
    phone: str
    password_hash: str
    verify_with: VerifyWith
    email_proved: bool = False
    phone_proved: bool = False
    created_at_us: int = 0

    @property
    def complete(self) -> bool:
        """Whether everything that was to be proved is."""
        proved = {Channel.EMAIL: self.email_proved, Channel.SMS: self.phone_proved}
        return all(proved[channel] for channel in self.verify_with.channels)

    def __repr__(self) -> str:
        return f"Registration({self.user_id})"


def may_register(
    email_owner: Profile | None, phone_owner: Profile | None, verify_with: VerifyWith
) -> Reason | None:
    """Why this e-mail and phone are not to be had (X-C03).

    An identity nobody has proved anything about is taken over by whoever proves the mailbox, and
    by nothing less: a phone alone would hand a stranger's account to anybody.
    """
    if email_owner is not None:
        without_mailbox = verify_with is VerifyWith.PHONE
        if email_owner.verified or email_owner.deleted or without_mailbox:
            return Reason.EMAIL_TAKEN
    if phone_owner is not None and phone_owner is not email_owner:
        return Reason.PHONE_TAKEN
    return None
