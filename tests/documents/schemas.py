"""Values against a document's schemas."""

from typing import Any

from jsonschema import Draft202012Validator


def problems(document: dict[str, Any], schema: dict[str, Any], value: Any) -> list[str]:
    """What is wrong with `value`; references in `schema` are to the document's components."""
    whole = {**schema, "components": document["components"]}
    return [
        f"{error.json_path}: {error.message}"
        for error in Draft202012Validator(whole).iter_errors(value)
    ]


def body_schema(operation: dict[str, Any]) -> dict[str, Any]:
    """Of a request's body."""
    schema: dict[str, Any] = operation["requestBody"]["content"]["application/json"]["schema"]
    return schema


def answer_schema(operation: dict[str, Any], status: int) -> dict[str, Any]:
    """Of the answer with a status."""
    answers = operation["responses"]
    answer = answers.get(str(status)) or answers["default"]
    schema: dict[str, Any] = answer["content"]["application/json"]["schema"]
    return schema


def resolved(document: dict[str, Any], reference: str) -> Any:
    """What `#/a/b` refers to; KeyError if it is nothing."""
    node: Any = document
    for part in reference.removeprefix("#/").split("/"):
        node = node[part]
    return node


def references(node: Any) -> list[str]:
    """Every $ref below a node."""
    if isinstance(node, list):
        return [found for item in node for found in references(item)]
    if not isinstance(node, dict):
        return []
    own = [node["$ref"]] if isinstance(node.get("$ref"), str) else []
    return own + [found for value in node.values() for found in references(value)]
