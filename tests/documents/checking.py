"""A client that holds every answer against the server's own OpenAPI document."""

import json
import re
from typing import Any

import httpx
from jsonschema import Draft202012Validator
from jsonschema.protocols import Validator

_MEDIA = "application/json"


class Checking:
    """An httpx response hook: `client.event_hooks["response"].append(checking.check)`."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._components = document["components"]
        self._operations = {
            (method, re.compile(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(path)))): operation
            for path, item in document["paths"].items()
            for method, operation in item.items()
        }
        self._validators: dict[str, Validator] = {}

    async def check(self, answer: httpx.Response) -> None:
        """Fail unless the answer is one that the document has for its request."""
        operation = self._operation(answer.request)
        if operation is None or answer.status_code in (405, 413):
            return
        responses = operation["responses"]
        described = responses.get(str(answer.status_code)) or responses.get("default")
        where = f"{answer.request.method} {answer.request.url.path} {answer.status_code}"
        assert described is not None, f"{where} is not described"
        schema = described.get("content", {}).get(_MEDIA, {}).get("schema")
        if schema is None:
            return
        problems = self._validator(schema).iter_errors(json.loads(await answer.aread()))
        found = [f"{problem.json_path}: {problem.message}" for problem in problems]
        assert not found, f"{where} is not as described: {found}"

    def _operation(self, request: httpx.Request) -> dict[str, Any] | None:
        path = request.url.path
        found = [
            (pattern.pattern.count("[^/]+"), operation)
            for (method, pattern), operation in self._operations.items()
            if method == request.method.lower() and pattern.fullmatch(path)
        ]
        return min(found, key=lambda each: each[0])[1] if found else None

    def _validator(self, schema: dict[str, Any]) -> Validator:
        key = json.dumps(schema)
        if key not in self._validators:
            whole = {**schema, "components": self._components}
            self._validators[key] = Draft202012Validator(whole)
        return self._validators[key]


async def check_answers(http: httpx.AsyncClient) -> None:
    """From now on, every answer to `http` must be as the server describes it."""
    document = (await http.get("/openapi.json")).json()
    http.event_hooks["response"] = [*http.event_hooks["response"], Checking(document).check]
