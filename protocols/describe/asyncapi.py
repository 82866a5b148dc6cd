"""The AsyncAPI 3.0 document of every socket and event stream, made from the same tables."""

import re
from collections.abc import Iterable, Sequence
from typing import Any, Final

from protocols.describe.openapi import address, parameters_of, query_fields
from protocols.describe.schemas import Named, Schemas
from protocols.described import EVENT_STREAM, Guard, Said
from protocols.sockets import SocketRoute
from protocols.web import Route, Surface

VERSION: Final = "3.0.0"
_WORD: Final = re.compile(r"[A-Za-z0-9]+")

Object = dict[str, Any]


def asyncapi(surfaces: Sequence[Surface], version: str) -> Object:
    """The document. `receive` is what clients send, `send` what the server says."""
    made = _Document()
    for surface in surfaces:
        made.add(surface)
    return {
        "asyncapi": VERSION,
        "info": {
            "title": "daftari",
            "version": version,
            "description": "Sockets and event streams, made from the running server's own tables. "
            "Endpoints: /openapi.json.",
        },
        "defaultContentType": "application/json",
        "servers": {
            "here": {
                "host": "{host}",
                "protocol": "ws",
                "variables": {"host": {"default": "127.0.0.1:3000"}},
                "description": "The server that this document came from; wss behind TLS",
            }
        },
        "channels": made.channels,
        "operations": made.operations,
        "components": {
            "messages": made.messages,
            "schemas": made.schemas.components,
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
            },
        },
    }


class _Document:
    def __init__(self) -> None:
        self.schemas = Schemas()
        self.channels: Object = {}
        self.operations: Object = {}
        self.messages: Object = {}

    def add(self, surface: Surface) -> None:
        streams = [route for route in surface.routes if route.events]
        if not (surface.sockets or streams):
            return
        received = [said for socket in surface.sockets for said in socket.receives]
        sent = [said for socket in surface.sockets for said in socket.sends]
        sent += [said for route in streams for said in route.events]
        named = self.schemas.of(
            surface.name, [said.frame for said in received], [said.frame for said in sent]
        )
        for socket in surface.sockets:
            self._socket(surface, socket, named)
        for route in streams:
            self._stream(surface, route, named)

    def _socket(self, surface: Surface, socket: SocketRoute, named: Named) -> None:
        name = _channel_name(surface, socket.path)
        channel = _channel(surface, socket.path, socket.summary)
        channel["messages"] = self._spoken(surface, socket, named)
        binding: Object = {"method": "GET"}
        if socket.query is not None:
            binding["query"] = _query(socket.query)
        channel["bindings"] = {"ws": binding}
        self.channels[name] = channel
        guarded = _security(socket.guard)
        for said in socket.receives:
            operation = _operation("receive", name, [f"in.{said.name}"], said.text) | guarded
            if said.answers:
                operation["reply"] = {
                    "channel": {"$ref": f"#/channels/{name}"},
                    "messages": _references(name, [f"out.{one}" for one in said.answers]),
                }
            self.operations[f"{name}.{said.name}"] = operation
        answers = {name for said in socket.receives for name in said.answers}
        unasked = [f"out.{said.name}" for said in socket.sends if said.name not in answers]
        if unasked:
            text = "What the server says unasked"
            self.operations[f"{name}.events"] = _operation("send", name, unasked, text) | guarded

    def _stream(self, surface: Surface, route: Route, named: Named) -> None:
        name = _channel_name(surface, route.path)
        channel = _channel(surface, route.path, f"{route.summary} ({EVENT_STREAM})")
        events = {f"sse.{said.name}": said for said in route.events}
        channel["messages"] = {
            key: self._message(surface, key, said, named.written(said.frame))
            for key, said in events.items()
        }
        self.channels[name] = channel
        operation = _operation("send", name, list(events), route.summary)
        operation["bindings"] = {"http": {"method": route.method}}
        self.operations[f"{name}.events"] = operation | _security(surface.about.guard(route))

    def _spoken(self, surface: Surface, socket: SocketRoute, named: Named) -> Object:
        """Incoming and outgoing messages may have the same name."""
        found = {}
        for said in socket.receives:
            key = f"in.{said.name}"
            found[key] = self._message(surface, key, said, named.read(said.frame))
        for said in socket.sends:
            key = f"out.{said.name}"
            found[key] = self._message(surface, key, said, named.written(said.frame))
        return found

    def _message(self, surface: Surface, key: str, said: Said, schema: Object) -> Object:
        message = {"name": said.name, "title": said.name, "payload": schema}
        if said.text:
            message["summary"] = said.text
        name = f"{surface.name}.{key}"
        known = self.messages.setdefault(name, message)
        if known != message:
            raise ValueError(f"{surface.name}: two messages are called {said.name}")
        return {"$ref": f"#/components/messages/{name}"}


def _channel_name(surface: Surface, path: str) -> str:
    return "_".join([surface.name, *_WORD.findall(path)])


def _channel(surface: Surface, path: str, text: str) -> Object:
    channel: Object = {"address": address(surface, path), "title": surface.name}
    if text:
        channel["summary"] = text
    names = parameters_of(path)
    if names:
        channel["parameters"] = {name: {"description": f"`{name}` of the path"} for name in names}
    return channel


def _query(query: Any) -> Object:
    """The binding's query: one object with a member a field."""
    fields = query_fields(query)
    properties = {
        name: schema | ({"description": text} if text else {}) for name, schema, _, text in fields
    }
    return {"type": "object", "properties": properties}


def _operation(action: str, channel: str, messages: Iterable[str], text: str) -> Object:
    operation: Object = {
        "action": action,
        "channel": {"$ref": f"#/channels/{channel}"},
        "messages": _references(channel, messages),
    }
    if text:
        operation["summary"] = text
    return operation


def _references(channel: str, names: Iterable[str]) -> list[Object]:
    return [{"$ref": f"#/channels/{channel}/messages/{name}"} for name in names]


def _security(guard: Guard) -> Object:
    if guard is Guard.NOTHING:
        return {}
    return {"security": [{"$ref": "#/components/securitySchemes/bearer"}]}
