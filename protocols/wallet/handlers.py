"""The endpoints: decode what is loose, ask the funding desk, encode what it said."""

from typing import Any, Final

from actors.funding_messages import InReview, Opened, Proved, Resent, Trouble, WrongCode
from actors.people import Authenticated
from domain.funding import Funding, RiskLevel
from domain.identity import Profile, Purpose, Refused, Surface
from domain.identity.contact import normalise_email
from domain.ledger import Ticket
from protocols.http import Request, Response
from protocols.wallet import wire
from protocols.wallet.codec import Answer, amount, answer, funding_amount, save
from protocols.wallet.errors import Problem, of_trouble, refused, wrong_code
from protocols.wallet.keyed import once
from protocols.wallet.service import Wallet

_INITIATED: Final = "Wallet funding initiated. OTP sent to your email."
_FUNDED: Final = "OTP verified and wallet funded successfully"
_REVIEWED: Final = "OTP verified. Funding is pending manual review."
_SENT: Final = "OTP sent successfully"
_HIGH_RISK: Final = "High fraud risk: this funding will be reviewed before it is credited."
_REVIEW: Final = "This funding will be reviewed before it is credited."
_PURPOSES: Final = {
    purpose.value: purpose for purpose in (Purpose.WALLET_FUNDING, Purpose.WALLET_DEDUCTION)
}


class Handlers:
    """One method an endpoint. `request.principal` is who calls."""

    def __init__(self, wallet: Wallet) -> None:
        self._wallet = wallet

    async def fund(self, request: Request, body: wire.FundRequest | None) -> Response:
        """`POST /api/wallet/fund`: moves no money yet (WOTP-017)."""
        asked = body or wire.FundRequest()
        who: Authenticated = request.principal

        async def do(_ticket: Ticket | None) -> Answer:
            return await self._fund(who.profile, asked)

        return await once(self._wallet, request, "fund", asked, do)

    async def verify(self, request: Request, body: wire.VerifyRequest | None) -> Response:
        """`POST /api/wallet/verify-otp` and `/api/wallet/otp/verify` alike."""
        asked = body or wire.VerifyRequest()
        who: Authenticated = request.principal

        async def do(ticket: Ticket | None) -> Answer:
            return await self._verify(who.user_id, asked, ticket)

        return await once(self._wallet, request, "verify", asked, do)

    async def send(self, request: Request, body: wire.SendRequest | None) -> Response:
        """`POST /api/wallet/otp/send`."""
        asked = body or wire.SendRequest()
        who: Authenticated = request.principal

        async def do(_ticket: Ticket | None) -> Answer:
            return await self._send(who.profile, asked)

        return await once(self._wallet, request, "send", asked, do)

    async def status(self, request: Request) -> wire.StatusResponse | Response:
        """`GET /api/wallet/otp/status?purpose=…`: readable during a lock too (WOTP-C10)."""
        purpose = _PURPOSES.get(request.query.get("purpose", ""))
        if purpose is None:
            return refused(Problem.PURPOSE)
        verification = self._wallet.people.verification
        status = await verification.status(request.principal.user_id, purpose, Surface.WALLET)
        if isinstance(status, Refused):
            return refused(Problem.UNAVAILABLE)
        return wire.StatusResponse(
            purpose=purpose.value,
            has_pending_otp=status.pending,
            expires_in=status.expires_in_s,
            attempts_remaining=status.attempts_left,
            is_locked=status.locked,
        )

    async def _fund(self, profile: Profile, asked: wire.FundRequest) -> Answer:
        units = funding_amount(asked.amount)
        if units is None:
            return _problem(Problem.AMOUNT)
        to = _address(profile, asked.email)
        if to is None:
            return _problem(Problem.EMAIL)
        opened = await self._wallet.fundings.initiate(profile, units, to)
        if isinstance(opened, Trouble):
            return _problem(of_trouble(opened, Problem.NO_OTP))
        return answer(_initiated(opened))

    async def _verify(
        self, user_id: int, asked: wire.VerifyRequest, ticket: Ticket | None
    ) -> Answer:
        code, reference = asked.otp, asked.transaction_reference
        if not (isinstance(code, str) and code and isinstance(reference, str) and reference):
            return _problem(Problem.FIELDS)
        proved = await self._wallet.fundings.prove(
            user_id, reference, code, ticket, lambda made: save(answer(_verified(made)))
        )
        match proved:
            case WrongCode():
                return answer(wrong_code(proved), 400)
            case Trouble():
                return _problem(of_trouble(proved, Problem.UNAVAILABLE))
            case _:
                return answer(_verified(proved), kept=ticket is not None)

    async def _send(self, profile: Profile, asked: wire.SendRequest) -> Answer:
        purpose = _PURPOSES.get(asked.purpose) if isinstance(asked.purpose, str) else None
        if purpose is None:
            return _problem(Problem.PURPOSE)
        to = _address(profile, asked.email)
        if to is None:
            return _problem(Problem.EMAIL)
        sent = await self._wallet.fundings.resend(profile, purpose, to)
        if isinstance(sent, Trouble):
            return _problem(of_trouble(sent, Problem.NO_OTP))
        return answer(_resent(sent, to if asked.email is None else asked.email))


def _problem(problem: Problem) -> Answer:
    return answer(problem.body, problem.status)


def _address(profile: Profile, email: Any) -> str | None:
    """Where a code goes: the given address, else the registered one (WOTP-C02)."""
    if email is None:
        return profile.email
    return normalise_email(email) if isinstance(email, str) else None


def _initiated(opened: Opened) -> wire.FundResponse:
    funding = opened.funding
    return wire.FundResponse(
        message=_INITIATED,
        transaction_reference=funding.reference,
        otp_expires_in=opened.expires_in_s,
        otp_sent=opened.sent,
        fraud_risk_level=funding.risk.value,
        requires_manual_review=funding.review,
        warning=_warning(funding),
    )


def _warning(funding: Funding) -> str | None:
    if funding.risk is RiskLevel.HIGH:
        return _HIGH_RISK
    return _REVIEW if funding.review else None


def _verified(proved: Proved) -> wire.VerifyResponse:
    balance = amount(proved.balance)
    return wire.VerifyResponse(
        message=_REVIEWED if isinstance(proved, InReview) else _FUNDED,
        new_balance=balance,
        transaction_id=proved.funding.transaction_id,
        balance_after=balance,
        sequence=proved.sequence,
    )


def _resent(sent: Resent, email: str) -> wire.SendResponse:
    return wire.SendResponse(message=_SENT, expires_in=sent.expires_in_s, email=email)
