"""`/openapi.json`: valid, complete, and true of what the server answers."""

import ast
import tomllib
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from assembly.docs import VERSION
from protocols.describe.openapi import openapi
from protocols.http import Request, Response
from protocols.web import Route, Surface, plain_error
from tests.documents.running import Snapshot
from tests.documents.schemas import answer_schema, problems

ROOT = Path(__file__).parents[2]
# Paths whose answers are no JSON of ours to describe.
_UNTYPED = {"/metrics", "/docs", "/docs/sockets", "/docs/start.js", "/docs/assets/{version}/{name}"}


def _operations(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (method, path, operation)
        for path, item in document["paths"].items()
        for method, operation in item.items()
    ]


def test_it_is_valid_openapi_3_1(snapshot: Snapshot) -> None:
    errors = [str(error) for error in OpenAPIV31SpecValidator(snapshot.openapi).iter_errors()]
    assert errors == []


def test_every_schema_is_valid_json_schema(snapshot: Snapshot) -> None:
    for schema in snapshot.openapi["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


def test_every_surface_with_endpoints_is_there(snapshot: Snapshot) -> None:
    tags = {tag["name"] for tag in snapshot.openapi["tags"]}
    assert tags >= {
        "mpesa",
        "wallet",
        "nexuspay",
        "amarktai",
        "ops",
        "sandbox",
        "server",
        "mpesa-provider",
    }
    used = {tag for _, _, operation in _operations(snapshot.openapi) for tag in operation["tags"]}
    assert used == tags


def test_every_operation_says_what_it_is_and_what_it_answers(snapshot: Snapshot) -> None:
    ids = set()
    for method, path, operation in _operations(snapshot.openapi):
        where = f"{method} {path}"
        assert operation["summary"], where
        assert operation["operationId"] not in ids, where
        ids.add(operation["operationId"])
        good = [answer for status, answer in operation["responses"].items() if status[0] == "2"]
        assert len(good) == 1, where
        assert good[0].get("content"), where
        assert "security" in operation, where
        is_typed = good[0]["content"].keys() & {"application/json", "text/event-stream"}
        assert is_typed or path in _UNTYPED, where


def test_every_surface_says_how_it_refuses(snapshot: Snapshot) -> None:
    for method, path, operation in _operations(snapshot.openapi):
        if operation["tags"] != ["server"]:
            assert operation["responses"]["default"]["content"], f"{method} {path}"


def test_amounts_are_numbers_or_decimal_text_as_documented(snapshot: Snapshot) -> None:
    schemas = snapshot.openapi["components"]["schemas"]
    sent = schemas["nexuspay.SendToken"]["properties"]["amount"]
    assert sent["type"] == ["number", "string"]
    assert schemas["nexuspay.Volume"]["properties"]["usd"] == {"type": "number"}
    assert schemas["wallet.FundRequest"]["required"] == ["amount"]
    assert schemas["mpesa.Order"]["properties"]["amount"]["type"] == "number"


@pytest.mark.parametrize(
    ("method", "path", "guard"),
    [
        ("post", "/nexuspay/api/auth/login", []),
        ("post", "/nexuspay/api/token/sendToken", [{"bearer": []}]),
        ("post", "/wallet/api/wallet/fund", [{"bearer": []}]),
        ("get", "/ops/reviews", [{"bearer": []}]),
        ("post", "/mpesa/api/v1/mpesa/stk/push", [{"bearer": []}, {}]),
        ("post", "/sandbox/clock", []),
    ],
)
def test_it_says_who_may_call(snapshot: Snapshot, method: str, path: str, guard: list[Any]) -> None:
    assert snapshot.openapi["paths"][path][method]["security"] == guard


def test_rate_classes_and_keys_are_described(snapshot: Snapshot) -> None:
    send = snapshot.openapi["paths"]["/nexuspay/api/token/sendToken"]["post"]
    assert send["x-rate-limit"] == {"class": "transaction", "requests": 30, "seconds": 60}
    assert "X-RateLimit-Remaining" in send["responses"]["200"]["headers"]
    assert "Retry-After" in send["responses"]["429"]["headers"]
    assert [each["name"] for each in send["parameters"]] == ["Idempotency-Key"]


def test_the_server_answers_as_it_says(snapshot: Snapshot) -> None:
    for (method, path), answer in snapshot.calls.items():
        operation = snapshot.openapi["paths"][path][method]
        assert str(answer.status_code) in operation["responses"], f"{path}: {answer.status_code}"
        schema = answer_schema(operation, answer.status_code)
        assert problems(snapshot.openapi, schema, answer.json()) == [], path
    assert {answer.status_code for answer in snapshot.calls.values()} >= {200, 400, 403, 404}


def test_every_query_field_a_handler_reads_is_described(snapshot: Snapshot) -> None:
    described: dict[str, set[str]] = {}
    for _, _, operation in _operations(snapshot.openapi):
        names = {each["name"] for each in operation.get("parameters", ()) if each["in"] == "query"}
        described.setdefault(operation["tags"][0], set()).update(names)
    for channel in snapshot.asyncapi["channels"].values():
        query = channel.get("bindings", {}).get("ws", {}).get("query", {})
        described.setdefault(channel["title"], set()).update(query.get("properties", ()))
    read = {
        folder.name: {name for file in folder.rglob("*.py") for name in _query_fields(file)}
        for folder in (ROOT / "protocols").iterdir()
        if folder.name in described
    }
    assert {"cashier", "mpesa", "wallet", "nexuspay", "ops", "sandbox"} <= read.keys()
    assert {"dateFrom", "startDate", "sortBy", "page"} <= read["nexuspay"]
    for surface, names in read.items():
        assert names <= described[surface], surface


def _query_fields(file: Path) -> list[str]:
    """Names that a module takes out of a request's query."""
    return [
        node.args[0].value
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "get"
        and "query" in ast.unparse(node.func.value)
        and node.args
        and isinstance(node.args[0], ast.Constant)
        and isinstance(node.args[0].value, str)
    ]


async def _answer(_request: Request) -> Response:
    """Says nothing."""
    return Response()


def test_a_mounted_surface_is_described_without_being_named() -> None:
    route = Route("GET", "/api/things/:id", _answer, response=dict[str, int])
    surface = Surface(name="new", prefix="/new", render_error=plain_error, routes=(route,))
    document = openapi([surface], "1")
    operation = document["paths"]["/new/api/things/{id}"]["get"]
    assert operation["summary"] == "Says nothing"
    assert operation["operationId"] == "new_get_api_things_id"
    assert operation["parameters"][0]["name"] == "id"
    assert list(OpenAPIV31SpecValidator(document).iter_errors()) == []


def test_the_version_is_the_package_s() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert project["project"]["version"] == VERSION
