"""Where the provider's callbacks come in, for the payments of every surface (X-C14)."""

from collections.abc import Callable
from typing import Any, Final

from actors.callbacks import CallbackIntake, Source
from domain.hashes import is_hash
from protocols.http import Request, Response
from protocols.mpesa.wire import ACCEPTED, REJECTED, CallbackQuery, Nod
from protocols.web import Route

_MAX_BODY: Final = 64 * 1024
# Documented paths and their aliases: in production the provider refuses to call an address with
# "mpesa" or "query" in it. The documented path of a queue timeout also takes orders (MPWS-C06).
_DOCUMENTED: Final = {
    Source.PUSH: "/api/v1/mpesa/stk/callback/:hash",
    Source.RESULT: "/api/v1/mpesa/b2c/withdraw/:hash",
    Source.STATUS: "/api/v1/mpesa/status/result/:hash",
    Source.CONFIRMATION: "/api/v1/mpesa/c2b/confirmation/:hash",
}
_ALIASES: Final = {
    Source.PUSH: "/api/v1/rails/stk/callback/:hash",
    Source.RESULT: "/api/v1/rails/b2c/withdraw/:hash",
    Source.TIMEOUT: "/api/v1/rails/b2c/queue/:hash",
    Source.STATUS: "/api/v1/rails/status/result/:hash",
    Source.CONFIRMATION: "/api/v1/rails/c2b/confirmation/:hash",
}
_VALIDATION: Final = "/api/v1/mpesa/c2b/validation/:hash"
_VALIDATION_ALIAS: Final = "/api/v1/rails/c2b/validation/:hash"

Notice = dict[str, Any]
"""A callback's body, as the provider documents it; kept as it came."""
Allows = Callable[[str], bool]
"""Whether a client address may call back."""


def callback_routes(intake: CallbackIntake, allowed: Allows) -> tuple[Route, ...]:
    """The documented paths."""
    validation = _validation(intake, allowed, _VALIDATION)
    return (*_routes(intake, allowed, _DOCUMENTED), validation)


def alias_routes(intake: CallbackIntake, allowed: Allows) -> tuple[Route, ...]:
    """The same handlers under paths that the provider calls in production."""
    return (*_routes(intake, allowed, _ALIASES), _validation(intake, allowed, _VALIDATION_ALIAS))


def _validation(intake: CallbackIntake, allowed: Allows, path: str) -> Route:
    """A question, not evidence: answered at once and not kept."""

    async def validate(request: Request) -> Response:
        if not allowed(request.client):
            return Response(403, REJECTED)
        try:
            return Response(200, await intake.validate(request.query.get("key", ""), request.body))
        except intake.unavailable:
            return Response(503, REJECTED)

    return Route(
        "POST",
        path,
        validate,
        summary="Whether to take cash",
        max_body=_MAX_BODY,
        body=Notice,
        query=CallbackQuery,
        response=Nod,
    )


def _routes(intake: CallbackIntake, allowed: Allows, paths: dict[Source, str]) -> tuple[Route, ...]:
    return tuple(
        Route(
            "POST",
            path,
            CallbackHandler(intake, source, allowed),
            summary=f"Provider callback: {source.value}",
            max_body=_MAX_BODY,
            body=Notice,
            query=CallbackQuery,
            response=Nod,
        )
        for source, path in paths.items()
    )


class CallbackHandler:
    """Stores the raw body, then acknowledges; what it means is found out afterwards."""

    def __init__(self, intake: CallbackIntake, source: Source, allowed: Allows) -> None:
        self._intake = intake
        self._source = source
        self._allowed = allowed

    async def __call__(self, request: Request) -> Response:
        hash_ = request.params["hash"]
        if not is_hash(hash_):
            return Response(400, REJECTED)
        if not self._allowed(request.client):
            return Response(403, REJECTED)
        key = request.query.get("key", "")
        try:
            await self._intake.take(self._source, hash_, key, request.client, request.body)
        except self._intake.unavailable:
            return Response(503, REJECTED)  # not kept, so not acknowledged: it comes again
        return Response(200, ACCEPTED)
