"""What happens around every handler: who calls, and how often."""

from functools import partial
from typing import Final

from actors.clock import US
from actors.people import Authenticated
from domain.identity.windows import MINUTE, WindowPolicy
from protocols.amarktai.errors import Problem, Refused, render_error
from protocols.amarktai.service import Access, Amarktai
from protocols.http import Request, Response
from protocols.web import Route

_TOKEN: Final = "token"  # noqa: S105  # the query's field


class Hooks:
    """The surface's hooks, and the way a request proves whose it is."""

    def __init__(self, amarktai: Amarktai) -> None:
        self._amarktai = amarktai
        self._policy = WindowPolicy(amarktai.settings.requests_per_minute, MINUTE)
        self.render_error = partial(render_error, amarktai.clock)

    async def authenticate(self, request: Request, route: Route) -> Response | None:
        """401 without a good token, 403 without the rights; decided on the stored person."""
        if route.access is Access.ANYBODY:
            return None
        in_query = route.access is Access.STREAM
        who = await self.identify(request, in_query=in_query)
        if isinstance(who, Response):
            return who
        request.principal = who
        if route.access is Access.ADMIN and not who.profile.is_admin:
            return self.refuse(Refused(Problem.PERMISSION_DENIED))
        return None

    async def identify(self, request: Request, *, in_query: bool) -> Authenticated | Response:
        """Whose token the request carries, in the header or, if allowed, in the query; 401 with
        the code that says whether there was one (AMKT-C06)."""
        token = request.bearer or (request.query.get(_TOKEN) if in_query else None)
        if not token:
            return self.refuse(Refused(Problem.AUTH_REQUIRED))
        try:
            who = await self._amarktai.people.authenticate(token)
        except self._amarktai.unavailable:
            return self.refuse(Refused(Problem.SERVICE_UNAVAILABLE))
        if isinstance(who, Authenticated):
            return who
        return self.refuse(Refused(Problem.AUTH_INVALID))

    async def limit(self, request: Request, _route: Route) -> Response | None:
        """429 beyond the requests a minute of a person, or of a stranger's address."""
        who = request.principal
        caller = who.user_id if isinstance(who, Authenticated) else request.neighbourhood
        allowance = self._amarktai.people.limiter.take(f"amarktai:{caller}", self._policy)
        if allowance.allowed:
            return None
        wait_s = max(1, -(-(allowance.reset_us - self._amarktai.clock.now_us()) // US))
        refused = self.refuse(Refused(Problem.RATE_LIMIT))
        return refused.with_headers(("Retry-After", str(wait_s)))

    def refuse(self, refused: Refused) -> Response:
        """A refusal as it leaves."""
        return refused.response(self._amarktai.clock)
