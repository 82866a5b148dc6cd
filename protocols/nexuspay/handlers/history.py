"""History, details and insights (document 002, "Enhanced Transaction History")."""

from enum import StrEnum
from typing import Final, TypeVar

from domain.money import UNITS_PER_WHOLE
from domain.nexuspay.codes import is_object_id, is_transaction_id
from domain.nexuspay.paging import Page
from domain.nexuspay.transactions import Filters, Status, Type
from protocols.http import Request, Response
from protocols.nexuspay import render
from protocols.nexuspay.calls import respond
from protocols.nexuspay.checks import chain_in, page_in, quote, token_in
from protocols.nexuspay.codec import text_of, us_from
from protocols.nexuspay.errors import Problem, Refused, invalid
from protocols.nexuspay.service import NexusPay
from protocols.nexuspay.wire import history as wire
from protocols.nexuspay.wire.base import Reply

_LISTED: Final = "Enhanced transaction history retrieved successfully"
_NEWEST: Final = Page(1, 50)  # what the dashboard shows
E = TypeVar("E", bound=StrEnum)


class History:
    """The three endpoints below /api/transactions."""

    def __init__(self, nexus: NexusPay) -> None:
        self._nexus = nexus

    async def history(self, request: Request) -> Response:
        """The caller's transactions, filtered, newest first."""
        user_id, now_us = request.principal.user_id, self._nexus.clock.now_us()
        filters, asked, page = history_filters(request), _asked(request), page_in(request)
        found, figures = await self._nexus.transactions.history(user_id, filters, page, now_us)
        data = wire.History(
            transactions=[render.item(each, now_us) for each in found.transactions],
            summary=render.summary(page, found.total, asked),
            insights=render.insights(figures),
        )
        return respond(Reply(message=_LISTED, data=data))

    async def insights(self, request: Request) -> Response:
        """The newest 50 with full details, and the caller's figures."""
        user_id, now_us = request.principal.user_id, self._nexus.clock.now_us()
        store = self._nexus.transactions
        found, figures = await store.history(user_id, Filters(), _NEWEST, now_us, whole=True)
        current = {
            token: await self._current(token)
            for token in {each.token for each in found.transactions}
        }
        data = wire.Overview(
            transactions=[
                render.detail(each, now_us, current[each.token], listed=True)
                for each in found.transactions
            ],
            summary=render.summary(_NEWEST, found.total, wire.Filters()),
            insights=render.insights(figures),
        )
        return respond(Reply(message=_LISTED, data=data))

    async def details(self, request: Request) -> Response:
        """One of the caller's transactions, by its id or its 24-hex id."""
        wanted = request.params["id"]
        transaction = None
        if is_transaction_id(wanted) or is_object_id(wanted):
            transaction = await self._nexus.transactions.find(request.principal.user_id, wanted)
        if transaction is None:
            raise Refused(Problem.NOT_FOUND, "Transaction not found")
        current = await self._current(transaction.token)
        shown = render.detail(transaction, self._nexus.clock.now_us(), current)
        message = "Enhanced transaction details retrieved successfully"
        return respond(Reply(message=message, data=wire.Found(transaction=shown)))

    async def _current(self, token: str) -> render.Current:
        usd, kes = await quote(self._nexus, token, "USD"), await quote(self._nexus, token, "KES")
        return render.Current(usd.rate or UNITS_PER_WHOLE, kes.rate)


def history_filters(request: Request) -> Filters:
    """What the query narrows the history to; values that mean nothing are refused (NXPY-C55)."""
    query = request.query
    chain, token = query.get("chain"), query.get("tokenType")
    return Filters(
        status=choice(query.get("status"), Status, "status"),
        type=choice(query.get("type"), Type, "type"),
        chain=None if chain is None else chain_in(chain),
        token=None if token is None else token_in(token),
        from_us=moment(query.get("dateFrom"), "dateFrom"),
        to_us=moment(query.get("dateTo"), "dateTo", end_of_day=True),
    )


def choice(text: str | None, options: type[E], member: str) -> E | None:
    """One of `options` by its value; None when it is not given."""
    if text is None:
        return None
    if text not in options._value2member_map_:
        raise invalid(f"{member} cannot be {text_of(text)}")
    return options(text)


def moment(text: str | None, member: str, *, end_of_day: bool = False) -> int | None:
    """Microseconds of an ISO 8601 date or time; None when it is not given."""
    if text is None:
        return None
    # A plus in a query is a blank once it is decoded: "…T00:00:00 03:00".
    at_us = us_from(text.replace(" ", "+") if "T" in text else text, end_of_day=end_of_day)
    if at_us is None:
        raise invalid(f"{member} must be an ISO 8601 date")
    return at_us


def _asked(request: Request) -> wire.Filters:
    query = request.query
    return wire.Filters(
        status=query.get("status"),
        type=query.get("type"),
        chain=query.get("chain"),
        token_type=query.get("tokenType"),
        date_from=query.get("dateFrom"),
        date_to=query.get("dateTo"),
    )
