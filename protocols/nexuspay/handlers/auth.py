"""Registration, login and password reset (document 002, "Authentication")."""

from hashlib import sha256

from msgspec import UNSET

from domain.identity import Channel, Profile, Purpose, Reason, Surface, passwords
from domain.identity import Refused as Denied
from domain.identity.contact import normalise_email, normalise_phone
from domain.identity.registration import Registration, VerifyWith
from protocols.http import Request, Response
from protocols.nexuspay.calls import respond
from protocols.nexuspay.errors import Problem, Refused, invalid, of_code, of_sending
from protocols.nexuspay.service import NexusPay
from protocols.nexuspay.wire import auth as wire
from protocols.nexuspay.wire.base import Reply

_BY_CODE = ("pwd", "otp")  # how a person logged in here has shown who they are
_INITIATED = {
    VerifyWith.EMAIL: "Registration initiated. Please verify your email.",
    VerifyWith.PHONE: "Registration initiated. Please verify your phone number.",
    VerifyWith.BOTH: "Registration initiated. Please verify your email and phone number.",
}
_VERIFIED = {
    Channel.EMAIL: "Email verified successfully!",
    Channel.SMS: "Phone number verified successfully!",
}


class Auth:
    """The seven endpoints below /api/auth."""

    def __init__(self, nexus: NexusPay) -> None:
        self._nexus = nexus

    async def register(self, _request: Request, body: wire.Register) -> Response:
        """Store the registration and send its codes; no token yet (NXPY-C05)."""
        email, phone = _email(body.email), _phone(body.phone_number)
        _check_password(body.password)
        if body.verify_with not in VerifyWith._value2member_map_:
            raise invalid("verifyWith must be email, phone or both")
        verify_with = VerifyWith(body.verify_with)
        begun = await self._nexus.registrations.begin(email, phone, body.password, verify_with)
        if isinstance(begun, Denied):
            raise of_sending(begun)
        message = _INITIATED[verify_with]
        return respond(Reply(message=message, data=_registered(begun)), 201)

    async def verify_email(self, _request: Request, body: wire.VerifyEmail) -> Response:
        """Try the code sent to the mailbox."""
        pending = await self._nexus.registrations.pending(email=_email(body.email))
        return await self._verify(pending, Channel.EMAIL, body.otp)

    async def verify_phone(self, _request: Request, body: wire.VerifyPhone) -> Response:
        """Try the code sent to the phone."""
        pending = await self._nexus.registrations.pending(phone=_phone(body.phone_number))
        return await self._verify(pending, Channel.SMS, body.otp)

    async def _verify(self, pending: Registration | None, channel: Channel, code: str) -> Response:
        if pending is None or channel not in pending.verify_with.channels:
            raise Refused(Problem.INVALID_OTP)
        outcome = await self._nexus.registrations.verify(pending, channel, code)
        if isinstance(outcome, Denied):
            raise of_code(outcome)
        if isinstance(outcome, Profile):
            data = await self._let_in(outcome)
        else:  # the other code is missing yet (NXPY-C06)
            data = wire.LoggedIn(
                token=None, wallet_address=None, email=outcome.email, phone_number=outcome.phone
            )
        return respond(Reply(message=_VERIFIED[channel], data=data))

    async def log_in(self, _request: Request, body: wire.Login) -> Response:
        """Check the password and send a code; no token yet."""
        email = _email(body.email)
        checked = await self._nexus.people.check_password(email, body.password)
        if isinstance(checked, Denied):
            raise await self._not_logged_in(email, body.password, checked)
        sent = await self._nexus.people.verification.send_code(
            checked.user_id, Surface.NEXUSPAY, Purpose.LOGIN, Channel.EMAIL, email
        )
        if isinstance(sent, Denied):
            raise of_sending(sent)
        self._nexus.logins.checked(checked.user_id, checked.token_version)
        message = "Please verify your login with the code sent to your email."
        return respond(Reply(message=message, data=wire.CodeSent(email=email)))

    async def _not_logged_in(self, email: str, password: str, denied: Denied) -> Refused:
        """401 whoever it is; whoever knows the password of a registration gets new codes."""
        if denied.reason in (Reason.OVERLOADED, Reason.UNAVAILABLE):
            return Refused(Problem.SERVICE_UNAVAILABLE)
        registrations = self._nexus.registrations
        pending = await registrations.pending(email=email)
        password_hash = None if pending is None else pending.password_hash
        right = await self._nexus.people.passwords.verify(password_hash, password)
        if pending is None or right is not True:
            return Refused(Problem.INVALID_CREDENTIALS)
        sent = await registrations.send_codes(pending)
        return of_sending(sent) if sent is not None else Refused(Problem.NOT_VERIFIED)

    async def verify_login(self, _request: Request, body: wire.VerifyEmail) -> Response:
        """Try the login's code; the mailbox is proved by it (X-C02)."""
        people = self._nexus.people
        profile = await people.by_email(_email(body.email))
        if profile is None or profile.deleted:
            raise Refused(Problem.INVALID_OTP)
        user_id = profile.user_id
        accepted = await people.verification.check_code(
            user_id, body.otp, Purpose.LOGIN, Surface.NEXUSPAY
        )
        if isinstance(accepted, Denied):
            raise of_code(accepted)
        profile = await people.profile(user_id)
        if profile is None or not self._nexus.logins.is_current(user_id, profile.token_version):
            raise Refused(Problem.INVALID_OTP, details="Please log in again")
        if not profile.email_verified:
            proved = await people.prove_email(user_id)
            if isinstance(proved, Denied):
                raise of_code(proved)
            profile = proved
        data = await self._let_in(profile)
        self._nexus.logins.done(user_id)
        return respond(Reply(message="Login successful!", data=data))

    async def request_reset(self, _request: Request, body: wire.ResetRequest) -> Response:
        """Send a reset code; the same answer when there is nobody (NXPY-C11)."""
        email = _email(body.email)
        profile = await self._nexus.people.by_email(email)
        if profile is not None and not profile.deleted:
            await self._nexus.people.verification.send_code(
                profile.user_id, Surface.NEXUSPAY, Purpose.PASSWORD_RESET, Channel.EMAIL, email
            )
        message = "Password reset instructions sent to your email."
        return respond(Reply(message=message, data=wire.CodeSent(email=email)))

    async def reset(self, _request: Request, body: wire.Reset) -> Response:
        """A new password by the code; every token dies, live sockets close (NXPY-C12)."""
        email = _email(body.email)
        _check_password(body.new_password)
        people = self._nexus.people
        profile = await people.by_email(email)
        if profile is None or profile.deleted:
            raise Refused(Problem.INVALID_OTP)
        accepted = await people.verification.check_code(
            profile.user_id, body.otp, Purpose.PASSWORD_RESET, Surface.NEXUSPAY
        )
        if isinstance(accepted, Denied):
            raise of_code(accepted)
        changed = await people.reset_password(profile.user_id, body.new_password)
        if isinstance(changed, Denied):
            raise Refused(Problem.SERVICE_UNAVAILABLE)
        message = "Password reset successful. You can now login with your new password."
        return respond(Reply(message=message))

    async def _let_in(self, profile: Profile) -> wire.LoggedIn:
        token = await self._nexus.people.log_in(profile, _BY_CODE)
        if isinstance(token, Denied):
            raise of_code(token)
        return wire.LoggedIn(
            token=token,
            wallet_address=profile.wallet_address,
            email=profile.email,
            phone_number=profile.phone,
        )


def _email(text: str) -> str:
    email = normalise_email(text)
    if email is None:
        raise invalid("email is not an e-mail address")
    return email


def _phone(text: str) -> str:
    """E.164 with its plus, as documented; anything else is no phone here."""
    phone = normalise_phone(text) if text.strip().startswith("+") else None
    if phone is None:
        raise invalid("phoneNumber must be in international format, like +254712345678")
    return phone


def _check_password(password: str) -> None:
    if not passwords.acceptable(password):
        raise invalid(f"password must have {passwords.SHORTEST} to {passwords.LONGEST} characters")


def _registered(registration: Registration) -> wire.Registered:
    # Opaque: nothing takes it as input.
    name = sha256(f"registration:{registration.user_id}".encode()).hexdigest()[:24]
    channels = registration.verify_with.channels
    return wire.Registered(
        registration_id=name,
        verification_method=registration.verify_with.value,
        email=registration.email if Channel.EMAIL in channels else UNSET,
        phone_number=registration.phone if Channel.SMS in channels else UNSET,
    )
