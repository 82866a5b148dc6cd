"""`/openapi.json`, `/asyncapi.json` and `/docs`, as routes at the root.

Everything a page needs comes from this server: Swagger UI's files are those of an installed
package, under a path with their version, so that they may be cached for ever.
"""

import hashlib
import mimetypes
import re
from collections.abc import Sequence
from functools import cached_property
from importlib.resources import files
from typing import Any, Final

from protocols.describe.asyncapi import asyncapi
from protocols.describe.openapi import encoded, openapi
from protocols.describe.page import START, sockets_page, swagger_page
from protocols.http import JSON, Request, Response, json_response
from protocols.web import Route, Surface

_HTML: Final = "text/html; charset=utf-8"
_SCRIPT: Final = "text/javascript; charset=utf-8"
_ASSETS: Final = ("swagger-ui.css", "swagger-ui-bundle.js", "favicon-32x32.png")
_FOR_EVER: Final = ("Cache-Control", "public, max-age=31536000, immutable")
_ASK_AGAIN: Final = ("Cache-Control", "no-cache")
_SAFE: Final = (
    "Content-Security-Policy",
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "frame-ancestors 'none'",
)


class Site:
    """The documents of a running server; `describe` says of which surfaces, once."""

    def __init__(self, version: str) -> None:
        self._version = version
        self._surfaces: Sequence[Surface] = ()

    def describe(self, surfaces: Sequence[Surface]) -> None:
        """Routes of a surface without a prefix stand at the root."""
        self._surfaces = surfaces

    @property
    def routes(self) -> tuple[Route, ...]:
        """To be served at the root."""
        return (
            Route("GET", "/openapi.json", self.openapi, response=dict[str, Any]),
            Route("GET", "/asyncapi.json", self.asyncapi, response=dict[str, Any]),
            Route("GET", "/docs", self.page, response="text/html"),
            Route("GET", "/docs/sockets", self.sockets, response="text/html"),
            Route("GET", "/docs/start.js", self.start, response="text/javascript"),
            Route("GET", "/docs/assets/:version/:name", self.asset, response="text/css"),
        )

    async def openapi(self, request: Request) -> Response:
        """Every endpoint, as OpenAPI."""
        return _answer(request, self._openapi, JSON)

    async def asyncapi(self, request: Request) -> Response:
        """Every socket and event stream, as AsyncAPI."""
        return _answer(request, encoded(self._asyncapi), JSON)

    async def page(self, request: Request) -> Response:
        """The endpoints, to read and to try."""
        return _answer(request, swagger_page(f"/docs/assets/{self._assets.name}"), _HTML)

    async def sockets(self, request: Request) -> Response:
        """The sockets and event streams, to read."""
        return _answer(request, sockets_page(self._asyncapi), _HTML)

    async def start(self, request: Request) -> Response:
        """What starts the page of the endpoints."""
        return _answer(request, START, _SCRIPT)

    async def asset(self, request: Request) -> Response:
        """A file of the page of the endpoints."""
        version, name = request.params["version"], request.params["name"]
        if version != self._assets.name or name not in _ASSETS:
            return json_response({"error": "not found"}, 404)
        content, kind = self._assets.content(name)
        return Response(200, content, kind, (_FOR_EVER,))

    @cached_property
    def _openapi(self) -> bytes:
        return encoded(openapi(self._surfaces, self._version))

    @cached_property
    def _asyncapi(self) -> dict[str, Any]:
        return asyncapi(self._surfaces, self._version)

    @cached_property
    def _assets(self) -> "_Assets":
        return _Assets()


class _Assets:
    """Swagger UI's files in the installed package; read when they are first asked for."""

    def __init__(self) -> None:
        vendor = files("swagger_ui_bundle") / "vendor"
        self._folder = next(each for each in vendor.iterdir() if each.is_dir())
        self.name = re.sub(r"[^\w.-]", "", self._folder.name)
        self._read: dict[str, bytes] = {}

    def content(self, name: str) -> tuple[bytes, str]:
        """The bytes and the media type of a file."""
        if name not in self._read:
            self._read[name] = (self._folder / name).read_bytes()
        kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
        return self._read[name], f"{kind}; charset=utf-8" if kind.startswith("text/") else kind


def _answer(request: Request, body: bytes, kind: str) -> Response:
    """The body, or 304 for a client that has it."""
    tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers = (_ASK_AGAIN, ("ETag", tag), _SAFE)
    if request.headers.get("if-none-match") == tag:
        return Response(304, b"", kind, headers)
    return Response(200, body, kind, headers)
