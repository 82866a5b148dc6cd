"""Verification by TOTP or one-time code (document, "Verification & Authentication")."""

from typing import Final

from actors.user_messages import TotpStep
from domain.identity import IssuedToken, Method, Purpose, Surface
from domain.identity import Refused as Denied
from protocols.cashier.calls import Call
from protocols.cashier.errors import Problem, Refused, of_reason
from protocols.cashier.service import Cashier
from protocols.cashier.wire.base import Success
from protocols.cashier.wire.payments import OtpSent, TotpWanted, Verified
from protocols.cashier.wire.requests import VerificationRequest, Verify

_PURPOSES: Final = {
    purpose.value: purpose
    for purpose in (Purpose.WITHDRAWAL, Purpose.TRANSFER, Purpose.SENSITIVE_OPERATION)
}


async def verification_request(
    cashier: Cashier, call: Call, request: VerificationRequest
) -> Success:
    """TOTP, else SMS, else e-mail, unless the method is named (CASH-024, CASH-051..054)."""
    method = Method.parse(request.method)
    if method is None:
        raise Refused(Problem.INVALID_METHOD)
    purpose = _purpose(request.purpose)
    started = await cashier.people.verification.start(
        call.user_id, method, purpose, Surface.CASHIER
    )
    if isinstance(started, Denied):
        raise Refused(of_reason(started.reason, Problem.INVALID_OTP))
    if isinstance(started, TotpStep):
        wanted = TotpWanted(
            method=Method.TOTP.value, purpose=purpose.value, next_step="verify_totp"
        )
        return Success(message="2FA enabled. Please provide your TOTP code", data=wanted)
    sent = OtpSent(
        method=started.method.value,
        channel=started.channel.value,
        purpose=purpose.value,
        masked_recipient=started.masked,
        next_step="verify_otp",
        expires_in=started.expires_in_s,
    )
    return Success(message="OTP sent successfully", data=sent)


async def verify_totp(cashier: Cashier, call: Call, request: Verify) -> Success:
    """Needs no verification_request before it (CASH-C11)."""
    purpose = _purpose(request.purpose)
    issued = await cashier.people.verification.verify_totp(call.user_id, request.code, purpose)
    if isinstance(issued, Denied):
        raise Refused(of_reason(issued.reason, Problem.INVALID_TOTP))
    return _verified(issued)


async def verify_otp(cashier: Cashier, call: Call, request: Verify) -> Success:
    """Wrong, expired, of another purpose or never sent: one text (CASH-C10)."""
    purpose = _purpose(request.purpose)
    issued = await cashier.people.verification.verify_code(
        call.user_id, request.code, purpose, Surface.CASHIER
    )
    if isinstance(issued, Denied):
        raise Refused(of_reason(issued.reason, Problem.INVALID_OTP))
    return _verified(issued)


def _purpose(text: str | None) -> Purpose:
    """Absent means withdrawal (CASH-C06)."""
    purpose = _PURPOSES.get(text or Purpose.WITHDRAWAL.value)
    if purpose is None:
        raise Refused(Problem.INVALID_PURPOSE)
    return purpose


def _verified(issued: IssuedToken) -> Success:
    purpose = issued.purpose.value
    verified = Verified(
        verification_token=issued.token,
        purpose=purpose,
        method=issued.method.value,
        expires_in=issued.expires_in_s,
        # CASH-C07: "sensitive operation" in words.
        message=f"Use this token for your next {purpose.replace('_', ' ')} request",
    )
    return Success(message="verification successful", data=verified)
