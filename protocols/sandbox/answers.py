"""How control endpoints are declared, and what they answer when they cannot do what is asked."""

from dataclasses import replace
from functools import wraps
from typing import Any

from protocols.http import Response, json_response
from protocols.sandbox.wire import Refusal
from protocols.web import Handler, Route


def change(path: str, handler: Handler, request: Any, response: Any) -> Route:
    """An endpoint that does something."""
    return Route("POST", f"/sandbox/{path}", handler, request=request, response=response)


def look(path: str, handler: Handler, response: Any, query: Any = None) -> Route:
    """An endpoint that shows something."""
    return Route("GET", f"/sandbox/{path}", handler, response=response, query=query)


def patient(route: Route, unavailable: tuple[type[Exception], ...]) -> Route:
    """The route, which says so when storage is away: the outage may have been asked for here."""
    handler = route.handler

    @wraps(handler)
    async def handle(*arguments: Any) -> Any:
        try:
            return await handler(*arguments)
        except unavailable as error:
            return refused(503, f"the database is away: {error}")

    return replace(route, handler=handle)


def refused(status: int, message: str) -> Response:
    """The control's own error shape."""
    return json_response(Refusal(error=message), status)
