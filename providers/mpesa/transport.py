"""One exchange with Daraja, and what it proves: the only place that knows the library's errors."""

from dataclasses import dataclass, field
from typing import Final

import httpx
import trio

from actors.rails import Cause, Refused, Unknown
from providers.connections import Connections
from providers.mpesa.settings import Settings

_WRITE_SECONDS: Final = 10.0
# Daraja takes a second or two over a call: fewer would bound us at tens of payments a second.
MAX_CALLS: Final = 100
_QUEUE_SECONDS: Final = 20.0  # with the other deadlines below what a client waits for its answer
# Raised before there is a connection; any other error may have come after the last byte left.
_NOT_SENT: Final = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.UnsupportedProtocol,
    httpx.InvalidURL,
)
_MAX_ANSWER_BYTES: Final = 4 * 1024 * 1024  # a page of pulled payments is the largest


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer, whatever its status."""

    status: int
    body: bytes = field(repr=False)


def open_http(settings: Settings) -> httpx.AsyncClient:
    """The connection pool; the caller closes it."""
    return httpx.AsyncClient(
        base_url=settings.base_url,
        timeout=httpx.Timeout(
            connect=settings.connect_seconds,
            pool=settings.connect_seconds,
            write=_WRITE_SECONDS,
            read=settings.answer_seconds,
        ),
        transport=Connections(),
        trust_env=False,  # a proxy from the environment would see initiator credentials
    )


class Transport:
    """So many calls at a time: of a thousand payments asked for at once most wait here, in
    order."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http
        self._places = trio.Semaphore(MAX_CALLS)

    async def exchange(
        self,
        method: str,
        path: str,
        *,
        authorization: str,
        body: bytes = b"",
        query: dict[str, str] | None = None,
    ) -> Answer | Refused | Unknown:
        """Send once. Refused (NOT_SENT) only where no byte of the request can have arrived."""
        with trio.move_on_after(_QUEUE_SECONDS) as queue:
            await self._places.acquire()
        if queue.cancelled_caught:
            return Refused(cause=Cause.NOT_SENT, code="", message="too many calls at once")
        try:
            return await self._sent(method, path, authorization, body, query)
        except _NOT_SENT as error:
            return Refused(cause=Cause.NOT_SENT, code="", message=type(error).__name__)
        except httpx.HTTPError as error:
            return Unknown(message=type(error).__name__, silent=True)
        finally:
            self._places.release()

    async def _sent(
        self, method: str, path: str, authorization: str, body: bytes, query: dict[str, str] | None
    ) -> Answer | Unknown:
        headers = {"authorization": authorization, "content-type": "application/json"}
        async with self._http.stream(
            method, path, params=query, headers=headers, content=body
        ) as response:
            read = bytearray()
            async for chunk in response.aiter_bytes():
                read += chunk
                if len(read) > _MAX_ANSWER_BYTES:
                    return Unknown(message="answer too long")
            return Answer(response.status_code, bytes(read))
