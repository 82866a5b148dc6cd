"""One exchange with Daraja, and what it proves: the only place that knows the library's errors."""

from dataclasses import dataclass, field
from typing import Final

import httpx

from actors.rails import Cause, Refused, Unknown
from providers.mpesa.settings import Settings

_WRITE_SECONDS: Final = 10.0
_MAX_CONNECTIONS: Final = 200
_KEPT_CONNECTIONS: Final = 50
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
        limits=httpx.Limits(
            max_connections=_MAX_CONNECTIONS, max_keepalive_connections=_KEPT_CONNECTIONS
        ),
        trust_env=False,  # a proxy from the environment would see initiator credentials
    )


async def exchange(
    http: httpx.AsyncClient,
    method: str,
    path: str,
    *,
    authorization: str,
    body: bytes = b"",
    query: dict[str, str] | None = None,
) -> Answer | Refused | Unknown:
    """Send once. Refused (NOT_SENT) only where no byte of the request can have arrived."""
    headers = {"authorization": authorization, "content-type": "application/json"}
    try:
        async with http.stream(
            method, path, params=query, headers=headers, content=body
        ) as response:
            read = bytearray()
            async for chunk in response.aiter_bytes():
                read += chunk
                if len(read) > _MAX_ANSWER_BYTES:
                    return Unknown(message="answer too long")
            return Answer(response.status_code, bytes(read))
    except _NOT_SENT as error:
        return Refused(cause=Cause.NOT_SENT, code="", message=type(error).__name__)
    except httpx.HTTPError as error:
        return Unknown(message=type(error).__name__)
