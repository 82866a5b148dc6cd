"""SMS by Africa's Talking."""

import httpx

from actors.messenger import Outcome
from providers.africastalking import codec
from providers.delivery import TIMEOUT, delivered


class AfricasTalking:
    """A messenger channel; `http` belongs to the caller and must stay open."""

    def __init__(
        self, http: httpx.AsyncClient, settings: codec.Settings, timeout: httpx.Timeout = TIMEOUT
    ) -> None:
        self._http = http
        self._settings = settings
        self._timeout = timeout

    async def deliver(
        self, to: str, text: str, *, subject: str | None, code: str | None
    ) -> Outcome:
        """Send `text`; an SMS has no subject, and its code is in the text."""
        request = codec.encode(self._settings, to, text)
        return await delivered(self._http, request, codec.decode, self._timeout)
