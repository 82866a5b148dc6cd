"""Registration, login and the second factor (document 004, "Authentication")."""

import io
from base64 import b64encode
from typing import Final

import segno

from actors.people import NewPerson
from domain.identity import Profile, passwords, totp
from domain.identity import Refused as Denied
from domain.identity.contact import normalise_email
from domain.trading.records import SystemMode
from protocols.amarktai.calls import respond
from protocols.amarktai.checks import text_in
from protocols.amarktai.errors import Problem, Refused, invalid, of_change, of_login
from protocols.amarktai.service import CURRENCY, Amarktai
from protocols.amarktai.wire import auth as wire
from protocols.amarktai.wire.base import Done
from protocols.http import Request, Response
from protocols.keyed import Call

_LONGEST_NAME: Final = 100  # AMKT-C45
_QR_SCALE: Final = 5  # pixels of a module
_BY_PASSWORD: Final[tuple[str, ...]] = ("pwd",)
_BY_BOTH: Final[tuple[str, ...]] = ("pwd", "totp")


class Auth:
    """The four endpoints below /api/auth."""

    def __init__(self, amarktai: Amarktai) -> None:
        self._amarktai = amarktai

    async def register(self, _request: Request, body: wire.Register) -> Response:
        """Register and log in at once; the e-mail is not proved by that (X-C02)."""
        email, name = _email(body.email), text_in(body.first_name, "first_name", _LONGEST_NAME)
        if not passwords.acceptable(body.password):
            shortest, longest = passwords.SHORTEST, passwords.LONGEST
            raise invalid(f"password must have {shortest} to {longest} characters")
        codes = self._amarktai.settings.invite_codes
        if codes and body.invite_code not in codes:
            raise Refused(Problem.PERMISSION_DENIED, "Invalid invite code")
        hashed = await self._amarktai.people.passwords.hash(body.password)
        if isinstance(hashed, Denied):
            raise Refused(Problem.SERVICE_UNAVAILABLE)
        made = await self._amarktai.people.create(
            NewPerson(email=email, first_name=name, password_hash=hashed)
        )
        if isinstance(made, Denied):
            raise of_change(made)
        user = wire.NewUser(
            id=str(made.user_id),
            email=email,
            first_name=made.first_name,
            currency=CURRENCY,
            system_mode=SystemMode.TESTING.value,
            two_factor_enabled=made.totp_enabled,
        )
        return respond(wire.Registered(token=await self._let_in(made, _BY_PASSWORD), user=user))

    async def log_in(self, _request: Request, body: wire.Login) -> Response:
        """The password first, then the code where there is a second factor (AMKT-C05)."""
        people = self._amarktai.people
        checked = await people.check_password(_email(body.email), body.password)
        if isinstance(checked, Denied):
            raise of_login(checked)
        amr = _BY_PASSWORD
        if checked.totp_enabled:
            if not body.totp_code:
                raise Refused(Problem.AUTH_REQUIRED, "2FA code required")
            accepted = await people.verification.check_totp(checked.user_id, body.totp_code)
            if isinstance(accepted, Denied):
                raise of_login(accepted)
            amr = _BY_BOTH
        token = await self._let_in(checked, amr)
        user = wire.User(
            id=str(checked.user_id), email=checked.email, first_name=checked.first_name
        )
        return respond(wire.LoggedIn(token=token, user=user))

    async def enroll(self, call: Call) -> wire.Enrolled:
        """A new secret, pending until a code of it is shown (AMKT-025, AMKT-C07)."""
        secret = await self._amarktai.people.enrol_totp(call.user_id)
        if isinstance(secret, Denied):
            raise of_change(secret)
        uri = totp.provisioning_uri(secret, call.profile.email or str(call.user_id))
        return wire.Enrolled(secret=secret, provisioning_uri=uri, qr_code=_qr(uri))

    async def verify(self, call: Call, body: wire.VerifyTotp) -> Done:
        """Enable the pending secret (AMKT-C44)."""
        confirmed = await self._amarktai.people.confirm_totp(call.user_id, body.totp_code)
        if isinstance(confirmed, Denied):
            raise of_change(confirmed)
        return Done(message="2FA enabled successfully")

    async def _let_in(self, profile: Profile, amr: tuple[str, ...]) -> str:
        token = await self._amarktai.people.log_in(profile, amr)
        if isinstance(token, Denied):
            raise of_login(token)
        return token


def _email(text: str) -> str:
    email = normalise_email(text)
    if email is None:
        raise invalid("email is not an e-mail address")
    return email


def _qr(uri: str) -> str:
    """A picture of the URI that authenticator apps scan (AMKT-C09)."""
    picture = io.BytesIO()
    segno.make(uri, micro=False).save(picture, kind="png", scale=_QR_SCALE)
    return "data:image/png;base64," + b64encode(picture.getvalue()).decode()
