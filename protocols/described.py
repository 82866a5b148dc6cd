"""What tables say beside what they need to serve, so that OpenAPI and AsyncAPI documents can be
made from them (protocols/describe).

A wire struct describes itself: members, defaults, docstring. Where its type cannot say what the
wire shows (raw numbers, members that are decoded loosely so that each mistake has a text of its
own), the annotation says it with `meta`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Any, Final, TypeAlias

import msgspec
from msgspec import UNSET, Meta, Raw, UnsetType

WANTED: Final = "x-wanted"  # becomes `required` of the object around the member
ADDITIVE: Final = "x-additive"  # the surface's document does not show the member


def meta(*, wanted: bool = False, additive: bool = False, **schema: Any) -> Meta:
    """JSON Schema of a member that its type does not tell. `wanted`: it may not be left out;
    `additive`: clients that know the surface's document alone do not expect it."""
    marks = ((WANTED, wanted), (ADDITIVE, additive))
    return Meta(extra_json_schema=schema | {mark: True for mark, is_set in marks if is_set})


# The text of one JSON number, which never becomes a float.
Number = Annotated[Raw, meta(type="number")]
# The text of a JSON number or of a string that holds a decimal.
NumberOrText = Annotated[Raw, meta(type=["number", "string"], pattern=r"^[0-9]+(\.[0-9]+)?$")]
# Additive members of answers to money mutations: the caller's account afterwards.
BalanceAfter = Annotated[Raw, meta(type="number", additive=True)]
Sequence = Annotated[int, meta(additive=True)]
Anything = Annotated[Raw, meta(description="Any JSON value")]

EVENT_STREAM: Final = "text/event-stream"


def narrowed(name: str, struct: Any, doc: str = "", **members: Any) -> Any:
    """`struct` with some members' types narrowed: what an envelope holds in one message.

    A member whose narrowed type can be empty may be left out where `struct` gives it a default;
    one that is narrowed to UnsetType is never there.
    Only for description: nothing is decoded into it.
    """
    fields = []
    for known in msgspec.structs.fields(struct):
        kind = members.pop(known.name, known.type)
        if kind is UnsetType:
            continue
        default = known.default
        if default is msgspec.NODEFAULT and known.default_factory is not msgspec.NODEFAULT:
            default = UNSET
        if default is not msgspec.NODEFAULT and kind is not known.type:
            default = UNSET if _may_be_empty(kind) else msgspec.NODEFAULT
        if default is UNSET:
            kind |= UnsetType
        fields.append((known.name, kind, msgspec.field(name=known.encode_name, default=default)))
    if members:
        raise TypeError(f"{struct.__name__} has no {', '.join(members)}")
    doc = doc or (struct.__doc__ or "")
    return msgspec.defstruct(name, fields, namespace={"__doc__": doc}, kw_only=True)


def _may_be_empty(kind: Any) -> bool:
    is_struct = isinstance(kind, type) and issubclass(kind, msgspec.Struct)
    return is_struct and not any(f.required for f in msgspec.structs.fields(kind))


@dataclass(frozen=True, slots=True)
class Said:
    """One kind of message on a socket or event stream. `frame` is the type of the whole message.

    `answers`, of what a client sends: the names of the messages that may answer it.
    """

    name: str
    frame: Any
    text: str = ""
    answers: tuple[str, ...] = ()


class Guard(Enum):
    """What a request must carry."""

    NOTHING = "nothing"
    TOKEN = "a bearer token"  # noqa: S105
    PERHAPS = "a bearer token, or nothing where anonymous calls are allowed"


Errors: TypeAlias = Mapping[int, Any]
"""Status of a refusal → the type of its body, or a tuple of types of which it has one."""
