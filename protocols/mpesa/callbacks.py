"""Where the provider's callbacks come in, for the payments of every surface (X-C14)."""

import re
from collections.abc import Callable
from typing import Final

from actors.callbacks import CallbackIntake, Source
from protocols.http import Request, Response
from protocols.web import Route

_ACCEPTED: Final = b'{"ResultCode":0,"ResultDesc":"Accepted"}'
_HASH: Final = re.compile(r"[A-Za-z0-9._~-]{1,128}")
_MAX_BODY: Final = 64 * 1024
# Documented paths and their aliases: in production the provider refuses to call an address with
# "mpesa" or "query" in it.
_PATHS: Final = {
    Source.PUSH: ("/api/v1/mpesa/stk/callback/:hash", "/api/v1/rails/stk/callback/:hash"),
    Source.RESULT: ("/api/v1/mpesa/b2c/withdraw/:hash", "/api/v1/rails/b2c/withdraw/:hash"),
    Source.TIMEOUT: ("/api/v1/rails/b2c/queue/:hash",),
    Source.STATUS: ("/api/v1/mpesa/status/result/:hash", "/api/v1/rails/status/result/:hash"),
}


def callback_routes(intake: CallbackIntake, allowed: Callable[[str], bool]) -> tuple[Route, ...]:
    """One route a path; `allowed` says whether a client address may call back."""
    return tuple(
        Route(
            "POST",
            path,
            CallbackHandler(intake, source, allowed),
            summary=f"Provider callback: {source.value}",
            max_body=_MAX_BODY,
        )
        for source, paths in _PATHS.items()
        for path in paths
    )


class CallbackHandler:
    """Stores the raw body, then acknowledges; what it means is found out afterwards."""

    def __init__(
        self, intake: CallbackIntake, source: Source, allowed: Callable[[str], bool]
    ) -> None:
        self._intake = intake
        self._source = source
        self._allowed = allowed

    async def __call__(self, request: Request) -> Response:
        hash_ = request.params["hash"]
        if not _HASH.fullmatch(hash_):
            return Response(400, b'{"ResultCode":1,"ResultDesc":"Rejected"}')
        if not self._allowed(request.client):
            return Response(403, b'{"ResultCode":1,"ResultDesc":"Rejected"}')
        key = request.query.get("key", "")
        await self._intake.take(self._source, hash_, key, request.client, request.body)
        return Response(200, _ACCEPTED)
