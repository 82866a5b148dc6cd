"""Document 002, "Authentication"."""

from msgspec import UNSET, UnsetType

from protocols.nexuspay.wire.base import Wire


class Register(Wire, frozen=True, kw_only=True):
    """`verify_with` is checked by its handler, so that its refusal names the options."""

    email: str
    phone_number: str
    password: str
    verify_with: str


class VerifyEmail(Wire, frozen=True, kw_only=True):
    """An e-mail and the code sent to it: of a registration or of a login."""

    email: str
    otp: str


class VerifyPhone(Wire, frozen=True, kw_only=True):
    phone_number: str
    otp: str


class Login(Wire, frozen=True, kw_only=True):
    email: str
    password: str


class ResetRequest(Wire, frozen=True, kw_only=True):
    email: str


class Reset(Wire, frozen=True, kw_only=True):
    email: str
    otp: str
    new_password: str


class Registered(Wire, frozen=True, kw_only=True):
    """E-mail and phone are there when a code went to them (NXPY-C05)."""

    registration_id: str
    verification_method: str
    email: str | UnsetType = UNSET
    phone_number: str | UnsetType = UNSET


class LoggedIn(Wire, frozen=True, kw_only=True):
    """Token and wallet are null after the first of two codes (NXPY-C06)."""

    token: str | None
    wallet_address: str | None
    email: str | None
    phone_number: str | None


class CodeSent(Wire, frozen=True, kw_only=True):
    email: str
