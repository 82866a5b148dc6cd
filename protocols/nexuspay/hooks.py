"""What happens around every handler: who calls, how often, and the rate-limit headers."""

from functools import partial
from typing import Final

from actors.clock import US
from actors.people import Authenticated, Unauthorized
from domain.identity.windows import Allowance
from domain.ledger import Refusal
from protocols.http import Request, Response
from protocols.nexuspay.errors import Problem, Refused, of_refusal, render_error
from protocols.nexuspay.service import Access, NexusPay, Rate
from protocols.web import Route

_STRONG: Final = frozenset({"otp", "totp"})  # proofs that satisfy X-C05


class Hooks:
    """The surface's three hooks."""

    def __init__(self, nexus: NexusPay) -> None:
        self._nexus = nexus
        self.render_error = partial(render_error, nexus.clock)

    async def authenticate(self, request: Request, route: Route) -> Response | None:
        """401 without a good token, 403 without the rights; decided on the stored person."""
        access = route.access
        if access is Access.ANYBODY:
            return None
        try:
            who = await self._nexus.people.authenticate(request.bearer or "")
        except self._nexus.unavailable:
            return self._refuse(of_refusal(Refusal.UNAVAILABLE))
        if isinstance(who, Unauthorized):
            details = f"Invalid or expired token: {who.why.value}"
            return self._refuse(Refused(Problem.UNAUTHORIZED, details=details))
        request.principal = who
        if access.is_admin and not who.profile.is_nexuspay_admin:
            return self._refuse(Refused(Problem.FORBIDDEN, details="Administrators only"))
        if access.moves_money and self._nexus.settings.require_otp and not _STRONG & {*who.amr}:
            details = "Log in with a one-time code to move money"
            return self._refuse(Refused(Problem.FORBIDDEN, details=details))
        return None

    async def limit(self, request: Request, route: Route) -> Response | None:
        """429 beyond the class's requests a minute: of a person, or of an address."""
        allowance = self._take(request, route.rate)
        if allowance.allowed:
            return None
        wait_s = max(1, -(-(allowance.reset_us - self._nexus.clock.now_us()) // US))
        details = f"Try again in {wait_s} seconds"
        refused = self._refuse(Refused(Problem.RATE_LIMIT_EXCEEDED, details=details))
        return refused.with_headers(("Retry-After", str(wait_s)))

    def finish(self, request: Request, _route: Route | None, response: Response) -> Response:
        """The three headers on every answer; requests without a route count as queries."""
        if request.method == "OPTIONS":
            return response
        allowance: Allowance = request.notes or self._take(request, Rate.QUERY)
        return response.with_headers(
            ("X-RateLimit-Limit", str(allowance.limit)),
            ("X-RateLimit-Remaining", str(allowance.remaining)),
            ("X-RateLimit-Reset", str(-(-allowance.reset_us // US))),
        )

    def _take(self, request: Request, rate: Rate) -> Allowance:
        who = request.principal
        caller = who.user_id if isinstance(who, Authenticated) else request.neighbourhood
        policy = self._nexus.settings.policy(rate)
        allowance = self._nexus.people.limiter.take(f"nexuspay:{rate.label}:{caller}", policy)
        request.notes = allowance
        return allowance

    def _refuse(self, refused: Refused) -> Response:
        return refused.response(self._nexus.clock)
