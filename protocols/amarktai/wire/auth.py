"""Registration, login, second factor (document 004, "Authentication")."""

from protocols.amarktai.wire.base import Success, Wire


class Register(Wire, frozen=True, kw_only=True):
    """`POST /api/auth/register`."""

    email: str
    password: str
    first_name: str
    invite_code: str | None = None

    def __repr__(self) -> str:
        return "Register(…)"


class Login(Wire, frozen=True, kw_only=True):
    """`POST /api/auth/login`."""

    email: str
    password: str
    totp_code: str | None = None

    def __repr__(self) -> str:
        return "Login(…)"


class NewUser(Wire, frozen=True, kw_only=True):
    """Somebody as registration shows them."""

    id: str
    email: str
    first_name: str
    currency: str
    system_mode: str
    two_factor_enabled: bool


class User(Wire, frozen=True, kw_only=True):
    """Somebody as login shows them (AMKT-023)."""

    id: str
    email: str | None
    first_name: str


class Registered(Wire, frozen=True, kw_only=True):
    """No `success` member here (AMKT-006)."""

    token: str
    user: NewUser


class LoggedIn(Wire, frozen=True, kw_only=True):
    """No `success` member here (AMKT-006)."""

    token: str
    user: User


class Enrolled(Success, frozen=True, kw_only=True):
    """A pending secret, as text, as URI and as picture."""

    secret: str
    provisioning_uri: str
    qr_code: str


class VerifyTotp(Wire, frozen=True, kw_only=True):
    """`POST /api/auth/2fa/verify`."""

    totp_code: str

    def __repr__(self) -> str:
        return "VerifyTotp(…)"
