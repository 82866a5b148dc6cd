"""The OpenAPI 3.1 document of every endpoint of every surface, made from the route tables."""

import inspect
import re
from collections.abc import Callable, Iterable, Sequence
from http import HTTPStatus
from typing import Any, Final

import msgspec

from domain.identity.windows import SECOND, WindowPolicy
from protocols.describe.schemas import REF, Named, Schemas, inlined
from protocols.described import EVENT_STREAM, Guard
from protocols.web import Route, Surface

VERSION: Final = "3.1.0"
_TEMPLATE: Final = re.compile(r":(\w+)")
_WORD: Final = re.compile(r"[A-Za-z0-9]+")
_JSON: Final = "application/json"
_LIMITS: Final = ("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset")
_KEY: Final = {
    "name": "Idempotency-Key",
    "in": "header",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
    "description": "The same key and body are carried out once and answered alike ever after. "
    "Another body: 422. Still in flight: 409.",
}
_HEADERS: Final = {
    "X-RateLimit-Limit": {"description": "Requests a minute", "schema": {"type": "integer"}},
    "X-RateLimit-Remaining": {"description": "How many are left", "schema": {"type": "integer"}},
    "X-RateLimit-Reset": {"description": "When there are more", "schema": {"type": "integer"}},
    "Retry-After": {"description": "Seconds to wait", "schema": {"type": "integer"}},
}
_SECURITY: Final[dict[Guard, list[dict[str, list[str]]]]] = {
    Guard.NOTHING: [],
    Guard.TOKEN: [{"bearer": []}],
    Guard.PERHAPS: [{"bearer": []}, {}],
}
_RETRIED: Final = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)


def openapi(surfaces: Sequence[Surface], version: str) -> dict[str, Any]:
    """The document; routes of a surface without a prefix stand at the root."""
    schemas = Schemas()
    paths: dict[str, dict[str, Any]] = {}
    for surface in surfaces:
        if surface.routes:
            for path, method, operation in _operations(surface, schemas):
                paths.setdefault(path, {})[method] = operation
    return {
        "openapi": VERSION,
        "info": {
            "title": "daftari",
            "version": version,
            "summary": "Money APIs on one identity store and one double-entry journal",
            "description": "Made from the running server's own tables. Sockets and event streams: "
            "[/asyncapi.json](/asyncapi.json), readable at [/docs/sockets](/docs/sockets).",
        },
        "servers": [{"url": "/"}],
        "tags": [_tag(surface) for surface in surfaces if surface.routes],
        "paths": paths,
        "components": {
            "schemas": schemas.components,
            "headers": _HEADERS,
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
            },
        },
    }


def address(surface: Surface, path: str) -> str:
    """The path as documents write it: `/nexuspay/api/transactions/{id}`."""
    return surface.prefix + _TEMPLATE.sub(r"{\1}", path)


def parameters_of(path: str) -> list[str]:
    """Names of the parameters in a path template."""
    return _TEMPLATE.findall(path)


def query_fields(query: Any) -> list[tuple[str, dict[str, Any], bool, str]]:
    """Name, schema, whether it is required and text of each field of a query's struct."""
    if query is None:
        return []
    schemas = Schemas()
    ref = schemas.of("query", [query], []).read(query)["$ref"]
    drawn = schemas.components[ref.removeprefix(REF)]
    wanted = drawn.get("required", [])
    return [
        (
            field,
            _plain(inlined(schemas.components, member)),
            field in wanted,
            str(member.get("description", "")),
        )
        for field, member in drawn["properties"].items()
    ]


def _plain(member: dict[str, Any]) -> dict[str, Any]:
    """A query has text or nothing, never null."""
    plain = {key: value for key, value in member.items() if key not in ("description", "default")}
    choices = [one for one in plain.pop("anyOf", []) if one != {"type": "null"}]
    return plain | (choices[0] if choices else {})


def _tag(surface: Surface) -> dict[str, Any]:
    about = surface.about
    text = about.text
    if surface.hosts:
        names = ", ".join(f"`{host}`" for host in surface.hosts)
        text += f"\n\nThe Host header {names} reaches it without `{surface.prefix}`."
    return {"name": surface.name, "x-displayName": about.title, "description": text.strip()}


def _operations(surface: Surface, schemas: Schemas) -> Iterable[tuple[str, str, dict[str, Any]]]:
    about, routes = surface.about, surface.routes
    errors = {id(route): dict(about.errors(route)) for route in routes}
    reads = [route.request if route.body is None else route.body for route in routes]
    written = [kind for found in errors.values() for kind in found.values()]
    written += [route.response for route in routes] + [about.error]
    typed = [kind for kind in written if kind is not None and not isinstance(kind, str)]
    named = schemas.of(surface.name, [kind for kind in reads if kind is not None], typed)
    for route in routes:
        operation = _operation(surface, route, errors[id(route)], named)
        yield address(surface, route.path), route.method.lower(), operation


def _operation(
    surface: Surface, route: Route, errors: dict[int, Any], named: Named
) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": _operation_id(surface, route),
        "tags": [surface.name],
        "summary": (route.summary or _doc(route.handler).partition("\n")[0]).removesuffix("."),
        "description": _description(surface, route),
        "parameters": _parameters(route),
        "responses": _responses(surface, route, errors, named),
        "security": _SECURITY[surface.about.guard(route)],
    }
    body = route.request if route.body is None else route.body
    if body is not None:
        operation["requestBody"] = {
            "required": not route.optional_body,
            "content": {_JSON: {"schema": named.read(body)}},
        }
    policy = _policy(route)
    if policy is not None:
        operation["x-rate-limit"] = {
            "class": getattr(route.rate, "label", ""),
            "requests": policy.limit,
            "seconds": policy.span_us // SECOND,
        }
    return {key: value for key, value in operation.items() if value or key == "security"}


def _policy(route: Route) -> WindowPolicy | None:
    """How often the route may be called: what the surfaces' rate classes have in common."""
    policy = getattr(route.rate, "policy", None)
    return policy if isinstance(policy, WindowPolicy) else None


def _operation_id(surface: Surface, route: Route) -> str:
    """Unique, since a method and path are: `nexuspay_get_api_transactions_id`."""
    words = _WORD.findall(route.path)
    return "_".join([surface.name, route.method.lower(), *words])


def _description(surface: Surface, route: Route) -> str:
    doc = inspect.cleandoc(_doc(route.handler)).partition("\n")[2].strip()
    lines = [doc] if doc else []
    if route.access is not None and isinstance(getattr(route.access, "value", None), str):
        lines.append(f"Who may call: {route.access.value}.")
    elif surface.about.guard(route) is not Guard.NOTHING:
        lines.append(f"Needs {surface.about.guard(route).value}.")
    return "\n\n".join(lines)


def _doc(handler: Callable[..., Any]) -> str:
    return getattr(handler, "__doc__", None) or ""


def _parameters(route: Route) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in parameters_of(route.path)
    ]
    for name, schema, wanted, text in query_fields(route.query):
        parameter = {"name": name, "in": "query", "schema": schema}
        if text:
            parameter["description"] = text
        found.append(parameter | ({"required": True} if wanted else {}))
    return [*found, _KEY] if route.keyed else found


def _responses(
    surface: Surface, route: Route, errors: dict[int, Any], named: Named
) -> dict[str, Any]:
    limited = _policy(route) is not None
    answered = {str(route.status): _answer(route, named, limited)}
    for status in sorted(errors):
        schema = named.written(errors[status])
        answered[str(status)] = _response(HTTPStatus(status).phrase, {_JSON: {"schema": schema}})
        if limited:
            _add_headers(answered[str(status)], *_LIMITS)
        if status in _RETRIED:
            _add_headers(answered[str(status)], "Retry-After")
    if surface.about.error is not None:
        content = {_JSON: {"schema": named.written(surface.about.error)}}
        answered["default"] = _response("Any other refusal", content)
    return answered


def _answer(route: Route, named: Named, limited: bool) -> dict[str, Any]:
    phrase = HTTPStatus(route.status).phrase
    if route.events:
        names = ", ".join(f"`{said.name}`" for said in route.events)
        text = f"Events {names}, described in /asyncapi.json"
        answer = _response(text, {EVENT_STREAM: {"schema": {"type": "string"}}})
    elif isinstance(route.response, str):
        answer = _response(phrase, {route.response: {"schema": {"type": "string"}}})
    elif route.response is None:
        answer = _response(phrase, {})
    else:
        answer = _response(phrase, {_JSON: {"schema": named.written(route.response)}})
    if limited:
        _add_headers(answer, *_LIMITS)
    return answer


def _response(text: str, content: dict[str, Any]) -> dict[str, Any]:
    return {"description": text, "content": content} if content else {"description": text}


def _add_headers(response: dict[str, Any], *names: str) -> None:
    for name in names:
        response.setdefault("headers", {})[name] = {"$ref": f"#/components/headers/{name}"}


def encoded(document: dict[str, Any]) -> bytes:
    """The document as it is served."""
    return msgspec.json.format(msgspec.json.encode(document), indent=1)
