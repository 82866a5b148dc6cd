"""`/ops`: reviews and the decisions about them, for administrators only, in sandbox and live.

An administrator is one by the store at each request, not by the token (X-C08). Every decision is
audited by the desk that carries it out.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

import structlog
from msgspec import Raw

from actors.clock import US
from actors.identity_store import StoreUnavailable
from actors.people import Authenticated, People
from actors.reviews import Decision, NotRuled, Review, ReviewDesk, Ruling
from domain.money import plain
from protocols.described import Errors, Guard
from protocols.http import Request, Response, json_response
from protocols.ops import wire
from protocols.web import About, Cors, ErrorKind, Route, Surface

log = structlog.get_logger(__name__)

LISTED: Final = 500  # of each kind; what is beyond comes up as these are decided
LONGEST_NOTE: Final = 2_000  # characters
_STATUS: Final = {
    NotRuled.UNKNOWN: 404,
    NotRuled.DECIDED: 409,
    NotRuled.OWNER_GONE: 409,
    NotRuled.NOT_COVERED: 409,
    NotRuled.LOCKED: 409,
    NotRuled.UNAVAILABLE: 503,
}
_REFUSALS: Final = {401: wire.ErrorBody, 403: wire.ErrorBody, 503: wire.ErrorBody}
_RULING_REFUSALS: Final = {400: wire.ErrorBody, 404: wire.ErrorBody, 409: wire.ErrorBody}


def _refusals(route: Route) -> Errors:
    return _REFUSALS | (_RULING_REFUSALS if route.request is not None else {})


_ABOUT: Final = About(
    title="Operators",
    text="What waits for a person's decision, and reconciliation. Administrators only; audited.",
    error=wire.ErrorBody,
    errors=_refusals,
    guard=lambda _route: Guard.TOKEN,
)


def ops_surface(people: People, desks: Sequence[ReviewDesk], origins: tuple[str, ...]) -> Surface:
    """The surface as app.py mounts it, over every desk that has decisions waiting."""
    office = Office(people, desks)
    return Surface(
        name="ops",
        prefix="/ops",
        routes=(
            Route(
                "GET",
                "/reviews",
                office.reviews,
                response=wire.ReviewList,
                summary="What waits for an operator",
            ),
            Route(
                "POST",
                "/reviews/:reference",
                office.rule,
                request=wire.RulingRequest,
                response=wire.RulingResponse,
                summary="Approve or reject",
            ),
        ),
        render_error=_render_error,
        cors=Cors(origins=origins),
        authenticate=office.authenticate,
        about=_ABOUT,
    )


class Office:
    """Handlers and the one hook."""

    def __init__(self, people: People, desks: Sequence[ReviewDesk]) -> None:
        self._people = people
        self._desks = desks

    async def authenticate(self, request: Request, _route: Route) -> Response | None:
        """401 without a good token, 403 for whoever is no administrator now."""
        try:
            who = await self._people.authenticate(request.bearer or "")
        except StoreUnavailable:
            return _error(503, NotRuled.UNAVAILABLE.value)
        if not isinstance(who, Authenticated):
            return _error(401, "unauthorized")
        if not who.profile.is_admin:
            log.warning("ops.forbidden", user_id=who.user_id, path=request.path)
            return _error(403, "administrators only")
        request.principal = who
        return None

    async def reviews(self, _request: Request) -> wire.ReviewList | Response:
        """`GET /ops/reviews`."""
        try:
            waiting = [review for desk in self._desks for review in await desk.waiting(LISTED)]
        except StoreUnavailable:
            return _error(503, NotRuled.UNAVAILABLE.value)
        return wire.ReviewList(reviews=[_row(review) for review in waiting])

    async def rule(
        self, request: Request, body: wire.RulingRequest
    ) -> wire.RulingResponse | Response:
        """`POST /ops/reviews/REFERENCE`: the first desk that knows the reference decides."""
        if body.decision not in (Decision.APPROVE.value, Decision.REJECT.value):
            return _error(400, 'decision must be "approve" or "reject"')
        note = "" if body.note is None else body.note
        if not isinstance(note, str) or len(note) > LONGEST_NOTE or "\0" in note:
            return _error(400, f"note must be a text of at most {LONGEST_NOTE} characters")
        who: Authenticated = request.principal
        decision = Decision(body.decision)
        ruling = Ruling(
            decision=decision, operator_id=who.user_id, how=",".join(who.amr), note=note
        )
        reference = request.params["reference"]
        for desk in self._desks:
            ruled = await desk.rule(reference, ruling)
            if ruled is NotRuled.UNKNOWN:
                continue
            if isinstance(ruled, NotRuled):
                return _error(_STATUS[ruled], ruled.value)
            log.info("ops.ruled", reference=reference, decision=decision.value, by=who.user_id)
            return wire.RulingResponse(
                reference=reference,
                kind=desk.kind,
                decision=decision.value,
                status=ruled.status,
                note=note,
                decided_by=str(who.user_id),
            )
        return _error(_STATUS[NotRuled.UNKNOWN], NotRuled.UNKNOWN.value)


def _row(review: Review) -> wire.ReviewRow:
    since = datetime.fromtimestamp(review.since_us // US, UTC)
    return wire.ReviewRow(
        reference=review.reference,
        kind=review.kind,
        user_id=str(review.user_id),
        amount=Raw(plain(review.amount, 2)),
        currency=review.asset,
        reasons=list(review.reasons),
        requested_at=f"{since:%Y-%m-%dT%H:%M:%SZ}",
    )


def _error(status: int, text: str) -> Response:
    return json_response(wire.ErrorBody(error=text), status)


def _render_error(status: int, kind: ErrorKind, detail: str) -> Response:
    return _error(status, detail or kind.value)
