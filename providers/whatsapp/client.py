"""WhatsApp by Meta's Cloud API."""

import httpx

from actors.messenger import Outcome
from providers.delivery import TIMEOUT, delivered
from providers.whatsapp import codec


class WhatsApp:
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
        """Send `code`, or without one `text`, by the template made for it."""
        request = codec.encode(self._settings, to, text, code)
        return await delivered(self._http, request, codec.decode, self._timeout)
