"""JSON Schema of wire structs, named by surface: what is read and what is written.

The two differ: a member with a default may be left out of what is read, and is always there in
what is written.
"""

import inspect
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from protocols.described import ADDITIVE, WANTED

REF: Final = "#/components/schemas/"
_MODULE: Final = re.compile(r"(?:\w+\.)*?(?:wire\.)?((?:\w+\.)?\w+)$")
_QUALIFIED: Final = re.compile(r"\w+(?:\.\w+)+")
_NOT_IN_NAMES: Final = re.compile(r"[^A-Za-z0-9._-]+")

Schema = dict[str, Any]


class Schemas:
    """The components of one document, filled surface by surface."""

    def __init__(self) -> None:
        self.components: dict[str, Schema] = {}

    def of(self, prefix: str, read: Iterable[Any], written: Iterable[Any]) -> "Named":
        """Schemas of everything that a surface reads and writes; call it once a surface."""
        reads = _drawn(prefix, read, _as_read)
        writes = _drawn(prefix, written, _as_written)
        for name in list(writes.components):
            if name in reads.components and reads.components[name] != writes.components[name]:
                writes = writes.renamed(name, f"{name}.Written")
        self.components |= reads.components | writes.components
        return Named(reads.schemas, writes.schemas)


class Named:
    """Where each type's schema is."""

    def __init__(self, reads: dict[Any, Schema], writes: dict[Any, Schema]) -> None:
        self._reads = reads
        self._writes = writes

    def read(self, kind: Any) -> Schema:
        """The schema of a body that is read."""
        return self._reads[kind]

    def written(self, kind: Any) -> Schema:
        """The schema of what is written; of a tuple of types: one of them."""
        if isinstance(kind, tuple):
            return {"anyOf": [self._writes[one] for one in kind]}
        return self._writes[kind]


def inlined(schemas: Mapping[str, Schema], node: Any) -> Any:
    """A schema with its references replaced by what they refer to: wire structs are acyclic."""
    if isinstance(node, list):
        return [inlined(schemas, item) for item in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        return inlined(schemas, schemas[node["$ref"].removeprefix(REF)])
    return {key: inlined(schemas, value) for key, value in node.items()}


class _Drawn:
    def __init__(self, schemas: dict[Any, Schema], components: dict[str, Schema]) -> None:
        self.schemas = schemas
        self.components = components

    def renamed(self, old: str, new: str) -> "_Drawn":
        """The same with one component under another name."""
        both = [[list(self.schemas.values()), self.components]]
        text = json.dumps(both).replace(f'"{REF}{old}"', f'"{REF}{new}"')
        [[schemas, components]] = json.loads(text)
        components[new] = components.pop(old)
        return _Drawn(dict(zip(self.schemas, schemas, strict=True)), components)


def _drawn(prefix: str, kinds: Iterable[Any], mend: Any) -> _Drawn:
    flat = list(dict.fromkeys(_flat(kinds)))
    schemas, components = msgspec.json.schema_components(flat, ref_template="{name}")
    names = _short(prefix, components)
    # Through JSON: defaults are Python's values there.
    plain = json.loads(msgspec.json.encode([list(schemas), components]))
    schemas, components = _referring(plain[0], names), _referring(plain[1], names)
    return _Drawn(
        {kind: mend(schema) for kind, schema in zip(flat, schemas, strict=True)},
        {names[name]: mend(schema) for name, schema in components.items()},
    )


def _flat(kinds: Iterable[Any]) -> Iterable[Any]:
    for kind in kinds:
        if isinstance(kind, tuple):
            yield from kind
        else:
            yield kind


def _short(prefix: str, names: Iterable[str]) -> dict[str, str]:
    """Names as the document has them; structs of one name in two modules keep the module's."""
    short = {}
    for name in names:
        plain = _QUALIFIED.sub(lambda found: _MODULE.sub(r"\1", found[0]), name)
        short[name] = f"{prefix}.{_NOT_IN_NAMES.sub('_', plain).strip('_')}"
    if len(set(short.values())) < len(short):
        raise ValueError(f"{prefix}: two wire structs of the same name")
    return short


def _referring(node: Any, names: dict[str, str]) -> Any:
    """`node` with its references to the components' final names."""
    if isinstance(node, list):
        return [_referring(item, names) for item in node]
    if not isinstance(node, dict):
        return node
    return {
        key: REF + names[value] if key == "$ref" else _referring(value, names)
        for key, value in node.items()
    }


def _as_read(node: Any) -> Any:
    """Members that may not be left out although their type has a default are required."""
    return _mended(node, _wanted)


def _as_written(node: Any) -> Any:
    """Members with a default are there as well."""
    return _mended(node, _always)


def _mended(node: Any, mend: Any) -> Any:
    if isinstance(node, list):
        return [_mended(item, mend) for item in node]
    if not isinstance(node, dict):
        return node
    node = {key: _mended(value, mend) for key, value in node.items()}
    if isinstance(node.get("description"), str):
        node["description"] = inspect.cleandoc(node["description"])
    if isinstance(node.get("properties"), dict):
        mend(node)
    return node


def _wanted(node: Schema) -> None:
    for name, member in node["properties"].items():
        if member.pop(WANTED, False):
            member.pop("default", None)
            _require(node, name)


def _always(node: Schema) -> None:
    """Of members that only we add, no document says that they are always there."""
    for name, member in node["properties"].items():
        wanted = member.pop(WANTED, False)
        if "default" in member or wanted:
            member.pop("default", None)
            _require(node, name)
        if ADDITIVE in member and name in node.get("required", ()):
            node["required"].remove(name)


def _require(node: Schema, name: str) -> None:
    required = node.setdefault("required", [])
    if name not in required:
        required.append(name)
