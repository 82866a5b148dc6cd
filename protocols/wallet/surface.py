"""The wallet's place on the port: its routes, who may call them, how often, and its errors."""

from typing import Final

from actors.clock import US
from actors.people import Authenticated, Unauthorized
from domain.identity import Denied
from domain.identity.windows import Allowance
from protocols.described import Errors, Guard
from protocols.http import Request, Response
from protocols.wallet import wire
from protocols.wallet.errors import Problem, refused, render_error
from protocols.wallet.handlers import Handlers
from protocols.wallet.service import STRANGERS, Access, Rate, Wallet
from protocols.web import About, Cors, Route, Surface

_MAX_BODY: Final = 16 * 1024  # the documented bodies have a few short members


def _refusals(route: Route) -> Errors:
    statuses = [400, 401, 404, 500]
    if route.access is Access.ACTIVE:
        statuses.append(403)
    if route.keyed:
        statuses += (409, 422)
    if route.rate is not None:
        statuses.append(429)
    return dict.fromkeys(statuses, wire.ErrorBody)


_ABOUT: Final = About(
    title="Wallet",
    text="Funding by one-time code (document 003).",
    error=wire.ErrorBody,
    errors=_refusals,
    guard=lambda _route: Guard.TOKEN,
)


def wallet_surface(wallet: Wallet, hosts: tuple[str, ...], origins: tuple[str, ...]) -> Surface:
    """The surface as app.py mounts it; `wallet.fundings.run` must be running."""
    hooks = Hooks(wallet)
    return Surface(
        name="wallet",
        prefix="/wallet",
        hosts=hosts,
        routes=_routes(Handlers(wallet)),
        render_error=render_error,
        cors=Cors(origins=origins),
        authenticate=hooks.authenticate,
        limit=hooks.limit,
        finish=hooks.finish,
        max_body=_MAX_BODY,
        about=_ABOUT,
    )


def _routes(handlers: Handlers) -> tuple[Route, ...]:
    verify = tuple(
        Route(
            "POST",
            path,
            handlers.verify,
            request=wire.VerifyRequest,
            response=wire.VerifyResponse,
            access=Access.ACTIVE,
            optional_body=True,
            keyed=True,
            summary="Verify the OTP and complete the funding",
        )
        for path in ("/api/wallet/verify-otp", "/api/wallet/otp/verify")
    )
    return (
        Route(
            "POST",
            "/api/wallet/fund",
            handlers.fund,
            request=wire.FundRequest,
            response=wire.FundResponse,
            access=Access.ACTIVE,
            rate=Rate.FUND,
            optional_body=True,
            keyed=True,
            summary="Initiate wallet funding",
        ),
        *verify,
        Route(
            "POST",
            "/api/wallet/otp/send",
            handlers.send,
            request=wire.SendRequest,
            response=wire.SendResponse,
            access=Access.ACTIVE,
            rate=Rate.SEND,
            optional_body=True,
            keyed=True,
            summary="Send or resend an OTP",
        ),
        Route(
            "GET",
            "/api/wallet/otp/status",
            handlers.status,
            response=wire.StatusResponse,
            query=wire.StatusQuery,
            access=Access.ANY,
            rate=Rate.STATUS,
            summary="State of the pending OTP",
        ),
    )


class Hooks:
    """What happens around every handler."""

    def __init__(self, wallet: Wallet) -> None:
        self._wallet = wallet

    async def authenticate(self, request: Request, route: Route) -> Response | None:
        """401, 404 for a deleted person (WOTP-C18), 403 for an inactive wallet, in this order."""
        try:
            who = await self._wallet.people.authenticate(request.bearer or "")
            if isinstance(who, Unauthorized):
                unknown = who.why is Denied.UNKNOWN_USER
                return refused(Problem.NO_USER if unknown else Problem.UNAUTHORIZED)
            request.principal = who
            if route.access is Access.ACTIVE and not await self._wallet.is_active(who.profile):
                return refused(Problem.INACTIVE)
        except self._wallet.unavailable:
            return refused(Problem.UNAVAILABLE)
        return None

    async def limit(self, request: Request, route: Route) -> Response | None:
        """429 beyond the endpoint's requests a minute, by person; by address for strangers."""
        rate = route.rate
        if not isinstance(rate, Rate):
            return None
        who = request.principal
        if isinstance(who, Authenticated):
            key, policy = f"wallet:{rate.label}:{who.user_id}", rate.policy
        else:
            key, policy = f"wallet:{request.neighbourhood}", STRANGERS
        allowance = self._wallet.people.limiter.take(key, policy)
        request.notes = allowance
        if allowance.allowed:
            return None
        left_us = allowance.reset_us - self._wallet.clock.now_us()
        return refused(Problem.TOO_MANY).with_headers(("Retry-After", str(_seconds(left_us))))

    def finish(self, request: Request, _route: Route | None, response: Response) -> Response:
        """X-RateLimit headers, additive here (X-C20)."""
        allowance = request.notes
        if not isinstance(allowance, Allowance):
            return response
        return response.with_headers(
            ("X-RateLimit-Limit", str(allowance.limit)),
            ("X-RateLimit-Remaining", str(allowance.remaining)),
            ("X-RateLimit-Reset", str(_seconds(allowance.reset_us))),
        )


def _seconds(microseconds: int) -> int:
    """Whole seconds, rounded up: a client that waits so long is let in."""
    return max(0, -(-microseconds // US))
