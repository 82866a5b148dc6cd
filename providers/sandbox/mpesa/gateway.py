"""Daraja's front door: tokens, faults, unknown paths; what is let in goes to the calls."""

from collections.abc import Callable
from typing import Final

import msgspec
import trio

from providers.mpesa import wire
from providers.sandbox.fault import Fault
from providers.sandbox.mpesa.account import Account
from providers.sandbox.mpesa.calls import Calls
from providers.sandbox.server import Hangup, HttpReply, HttpRequest

FAULT_SLOW_SECONDS: Final = 15.0


class Gateway:
    """Knows one token at a time: a new one invalidates the one before."""

    def __init__(
        self, account: Account, calls: Calls, fault: Fault, new_token: Callable[[], str]
    ) -> None:
        self._account = account
        self._calls = calls
        self._fault = fault
        self._new_token = new_token
        self._token = ""
        self._token_ends = 0.0

    async def handle(self, request: HttpRequest) -> HttpReply:
        """One request. Faults strike the calls, not OAuth, so that "the next one" is the next
        call whether or not the client holds a token."""
        if request.path == wire.OAUTH_PATH:
            return self._issue(request)
        fault = self._fault.take("down", "slow", "error")
        if fault == "down":
            raise Hangup
        if fault == "slow":
            await trio.sleep(FAULT_SLOW_SECONDS)
        if not self._calls.knows(request.path):
            return self._calls.error(404, "404.001.01", "Resource not found")
        if request.method != "POST":
            return self._calls.error(405, "405.001", "Method Not Allowed")
        if not self._is_current(request.headers.get("authorization", "")):
            return self._calls.error(404, "404.001.03", "Invalid Access Token")
        if fault == "error":
            return self._calls.internal_error()
        return await self._calls.answer(request.path, request.body)

    def _issue(self, request: HttpRequest) -> HttpReply:
        if not self._account.is_app(request.headers.get("authorization", "")):
            return self._calls.error(400, "400.008.01", "Invalid Authentication passed")
        if request.query.get("grant_type") != "client_credentials":
            return self._calls.error(400, "400.008.02", "Invalid grant type passed")
        self._token = self._new_token()
        self._token_ends = trio.current_time() + self._account.token_seconds
        life = str(self._account.token_seconds)  # text, as the real one sends it most days
        answer = {"access_token": self._token, "expires_in": life}
        return HttpReply(200, msgspec.json.encode(answer))

    def _is_current(self, authorization: str) -> bool:
        return bool(self._token) and (
            authorization == f"Bearer {self._token}" and trio.current_time() < self._token_ends
        )
