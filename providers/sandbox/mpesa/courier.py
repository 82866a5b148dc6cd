"""Carries callbacks to whoever asked for them, a few times if nobody opens."""

import logging
import ssl
from typing import Final

import httpx
import structlog
import trio

from providers.connections import Connections

log = structlog.get_logger(__name__)
# It logs every address it calls at INFO, and the address of a callback holds its secret.
logging.getLogger("httpx").setLevel(logging.WARNING)

PAUSES_SECONDS: Final = (0.5, 1.0, 2.0, 4.0)  # between five attempts
_TIMEOUT: Final = httpx.Timeout(10.0, pool=None)
_VALIDATION_SECONDS: Final = 8.0
_MAX_CONNECTIONS: Final = 16


def open_http(trust: ssl.SSLContext | bool = True) -> httpx.AsyncClient:
    """The pool callbacks leave by; `trust` verifies who is called. The caller closes it."""
    return httpx.AsyncClient(timeout=_TIMEOUT, transport=Connections(trust), trust_env=False)


class Courier:
    """Posts JSON. `pauses` are the seconds between attempts."""

    def __init__(self, http: httpx.AsyncClient, pauses: tuple[float, ...] = PAUSES_SECONDS) -> None:
        self._http = http
        self._pauses = pauses
        self._places = trio.Semaphore(_MAX_CONNECTIONS)

    async def deliver(self, url: str, body: bytes) -> bool:
        """Until somebody answers 2xx; False if nobody ever did."""
        for pause in (*self._pauses, None):
            if await self.post(url, body) is not None:
                return True
            if pause is not None:
                await trio.sleep(pause)
        log.warning("sandbox.mpesa_callback_undelivered")
        return False

    async def ask(self, url: str, body: bytes) -> bytes | None:
        """One validation: the answer, or None within eight seconds."""
        with trio.move_on_after(_VALIDATION_SECONDS):
            return await self.post(url, body)
        return None

    async def post(self, url: str, body: bytes) -> bytes | None:
        """One attempt: the body of a 2xx answer, else None."""
        try:
            async with self._places:
                answer = await self._http.post(
                    url, content=body, headers={"content-type": "application/json"}
                )
        except (httpx.HTTPError, httpx.InvalidURL):
            return None
        return answer.content if answer.is_success else None
