"""Connections of a busy client: a stack of single ones instead of the library's pool.

The library's pool looks through all its connections at every step of every call, so that a hundred
of them cost more than the call itself. Here a call takes the connection that was free last.
"""

import ssl
from collections.abc import AsyncIterator
from typing import Final

import httpx

from providers.trust import authorities

_KEPT_SECONDS: Final = 5.0  # as the library: most servers keep an idle connection longer


class _Body(httpx.AsyncByteStream):
    """A response's body; its connection is free again once it was closed."""

    def __init__(
        self,
        stream: httpx.AsyncByteStream,
        connection: httpx.AsyncHTTPTransport,
        free: list[httpx.AsyncHTTPTransport],
    ) -> None:
        self._stream = stream
        self._connection = connection
        self._free = free
        self._is_closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._stream:
            yield chunk

    async def aclose(self) -> None:
        if self._is_closed:
            return
        self._is_closed = True
        try:
            await self._stream.aclose()
        finally:
            self._free.append(self._connection)


class Connections(httpx.AsyncBaseTransport):
    """For `httpx.AsyncClient(transport=…)`. As many connections as calls at once: the caller
    bounds those. `trust` verifies the servers."""

    def __init__(self, trust: ssl.SSLContext | bool = True) -> None:
        self._trust = authorities() if trust is True else trust
        self._free: list[httpx.AsyncHTTPTransport] = []
        self._all: list[httpx.AsyncHTTPTransport] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """See `httpx.AsyncBaseTransport`."""
        connection = self._free.pop() if self._free else self._new()
        try:
            response = await connection.handle_async_request(request)
        except BaseException:
            self._free.append(connection)  # it opens itself anew
            raise
        assert isinstance(response.stream, httpx.AsyncByteStream)
        response.stream = _Body(response.stream, connection, self._free)
        return response

    async def aclose(self) -> None:
        """Close them all."""
        for connection in self._all:
            await connection.aclose()

    def _new(self) -> httpx.AsyncHTTPTransport:
        limits = httpx.Limits(
            max_connections=1, max_keepalive_connections=1, keepalive_expiry=_KEPT_SECONDS
        )
        made = httpx.AsyncHTTPTransport(verify=self._trust, limits=limits, trust_env=False)
        self._all.append(made)
        return made
