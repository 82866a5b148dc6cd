"""Which surface, route or socket a request is for.

Static paths are one dict lookup; templates with parameters go through a small tree in which a
literal segment wins over a parameter.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote

from protocols.http import Request
from protocols.sockets import SocketRoute
from protocols.web import Route, Surface

_NO_PARAMS: Final[dict[str, str]] = {}


@dataclass(slots=True)
class Endpoint:
    """Everything at one path template of one surface."""

    surface: Surface
    names: tuple[str, ...] = ()
    routes: dict[str, Route] = field(default_factory=dict)
    socket: SocketRoute | None = None
    found: "Found" = field(init=False)

    def __post_init__(self) -> None:
        self.found = Found(self.surface, self, _NO_PARAMS)

    @property
    def allow(self) -> str:
        """The Allow header of this path."""
        methods = {*self.routes, "OPTIONS"}
        if self.socket is not None:
            methods.add("GET")
        if "GET" in methods:
            methods.add("HEAD")
        return ", ".join(sorted(methods))


class Found:
    """The outcome of a lookup: `surface` alone means 404 in its shape, none means not ours."""

    __slots__ = ("endpoint", "params", "surface")

    def __init__(
        self, surface: Surface | None, endpoint: Endpoint | None, params: dict[str, str]
    ) -> None:
        self.surface = surface
        self.endpoint = endpoint
        self.params = params


@dataclass(slots=True)
class _Node:
    literals: dict[str, "_Node"] = field(default_factory=dict)
    parameter: "_Node | None" = None
    endpoint: Endpoint | None = None


class Table:
    """The paths of one surface, without its prefix."""

    def __init__(self, surface: Surface) -> None:
        self.surface = surface
        self.static: dict[str, Endpoint] = {}
        self._root = _Node()
        for route in surface.routes:
            endpoint = self._endpoint(route.path)
            if route.method in endpoint.routes:
                raise ValueError(f"{surface.name}: two routes for {route.method} {route.path}")
            endpoint.routes[route.method] = route
        for socket in surface.sockets:
            endpoint = self._endpoint(socket.path)
            if endpoint.socket is not None or "GET" in endpoint.routes:
                raise ValueError(f"{surface.name}: two endpoints for GET {socket.path}")
            endpoint.socket = socket

    def _endpoint(self, template: str) -> Endpoint:
        if not template.startswith("/"):
            raise ValueError(f"{self.surface.name}: path {template!r} must begin with /")
        segments = template.split("/")[1:]
        names = tuple(segment[1:] for segment in segments if segment.startswith(":"))
        if not names:
            return self.static.setdefault(template, Endpoint(self.surface))
        node = self._root
        for segment in segments:
            if segment.startswith(":"):
                node.parameter = node.parameter or _Node()
                node = node.parameter
            else:
                node = node.literals.setdefault(segment, _Node())
        if node.endpoint is None:
            node.endpoint = Endpoint(self.surface, names)
        elif node.endpoint.names != names:
            raise ValueError(f"{self.surface.name}: {template} names its parameters differently")
        return node.endpoint

    def find(self, path: str) -> tuple[Endpoint, dict[str, str]] | None:
        """The endpoint for a raw path and its decoded parameters."""
        endpoint = self.static.get(path)
        if endpoint is not None:
            return endpoint, _NO_PARAMS
        segments = path.split("/")[1:]
        if "%" in path:
            # No text we keep can hold NUL: it becomes what broken UTF-8 becomes, a name of nothing.
            segments = [unquote(segment).replace("\0", "\ufffd") for segment in segments]
            endpoint = self.static.get("/" + "/".join(segments))
            if endpoint is not None and not any("/" in segment for segment in segments):
                return endpoint, _NO_PARAMS
        values: list[str] = []
        endpoint = _walk(self._root, segments, 0, values)
        if endpoint is None:
            return None
        return endpoint, dict(zip(endpoint.names, values, strict=True))


def _walk(node: _Node, segments: list[str], at: int, values: list[str]) -> Endpoint | None:
    if at == len(segments):
        return node.endpoint
    segment = segments[at]
    literal = node.literals.get(segment)
    if literal is not None:
        found = _walk(literal, segments, at + 1, values)
        if found is not None:
            return found
    # An empty segment is no value: `/mpesa/stk/` without a hash is unknown (FM-09).
    if node.parameter is not None and segment:
        values.append(segment)
        found = _walk(node.parameter, segments, at + 1, values)
        if found is not None:
            return found
        values.pop()
    return None


class Router:
    """All surfaces of one listener. A Host header that names a surface wins over a prefix:
    without its prefix the M-Pesa surface's own paths begin like its prefix does."""

    def __init__(self, surfaces: Iterable[Surface], root: Surface) -> None:
        self._root = Table(root)
        self._by_host: dict[str, Table] = {}
        self._by_prefix: dict[str, Table] = {}
        self._prefixed: dict[str, Endpoint] = {}
        for surface in surfaces:
            self._mount(surface)

    def _mount(self, surface: Surface) -> None:
        table = Table(surface)
        name = surface.prefix.removeprefix("/")
        if not name or "/" in name or name in self._by_prefix:
            raise ValueError(f"{surface.name}: prefix must be one segment of its own")
        self._by_prefix[name] = table
        for host in surface.hosts:
            self._by_host[host.lower()] = table
        for path, endpoint in table.static.items():
            self._prefixed[surface.prefix + path] = endpoint

    def find(self, request: Request) -> Found:
        """Where `request` goes."""
        path = request.path
        by_host = self._by_host.get(request.host) if self._by_host else None
        if by_host is not None:
            found = by_host.find(path)
            if found is not None:
                return Found(found[0].surface, *found)
        else:
            endpoint = self._prefixed.get(path)
            if endpoint is not None:
                return endpoint.found
        by_prefix = self._by_prefix.get(path[1:].partition("/")[0])
        if by_prefix is not None:
            found = by_prefix.find(path[len(by_prefix.surface.prefix) :])
            return Found(by_prefix.surface, *(found or (None, _NO_PARAMS)))
        found = self._root.find(path)
        if found is not None:
            return Found(found[0].surface, *found)
        return Found(by_host.surface if by_host is not None else None, None, _NO_PARAMS)
