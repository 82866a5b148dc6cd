"""`/asyncapi.json`: AsyncAPI 3.0's own rules, and every socket with all its messages.

No maintained Python package has AsyncAPI's schema, so its rules of the parts we use stand here.
"""

import re

from jsonschema import Draft202012Validator

from protocols.cashier.codec import REQUESTS
from protocols.cashier.dispatch import HANDLERS
from protocols.cashier.spoken import EVENTS, REPLIES
from protocols.describe.asyncapi import asyncapi
from protocols.described import Guard, Said
from protocols.http import Request, Response
from protocols.sse import EventStream
from protocols.web import Route, Surface, plain_error
from tests.documents.running import Snapshot
from tests.documents.schemas import references, resolved

_NAME = re.compile(r"[\w.-]+")
_CHANNEL = {"address", "title", "summary", "description", "parameters", "messages", "bindings"}
_OPERATION = {"action", "channel", "messages", "summary", "reply", "security", "bindings"}
_MESSAGE = {"name", "title", "summary", "payload"}


def test_the_document_has_the_members_of_asyncapi_3(snapshot: Snapshot) -> None:
    document = snapshot.asyncapi
    assert document["asyncapi"] == "3.0.0"
    assert {"title", "version"} <= document["info"].keys()
    assert document["servers"]["here"].keys() >= {"host", "protocol"}
    for kind in ("channels", "operations"):
        assert all(_NAME.fullmatch(name) for name in document[kind])
    for components in document["components"].values():
        assert all(_NAME.fullmatch(name) for name in components)


def test_every_reference_leads_somewhere(snapshot: Snapshot) -> None:
    found = references(snapshot.asyncapi)
    assert len(found) > 100
    for reference in found:
        assert resolved(snapshot.asyncapi, reference) is not None


def test_channels_describe_their_addresses(snapshot: Snapshot) -> None:
    for name, channel in snapshot.asyncapi["channels"].items():
        assert channel.keys() <= _CHANNEL, name
        assert set(re.findall(r"{(\w+)}", channel["address"])) == set(channel.get("parameters", ()))
        assert channel["messages"], name


def test_operations_use_messages_of_their_own_channel(snapshot: Snapshot) -> None:
    for name, operation in snapshot.asyncapi["operations"].items():
        assert operation.keys() <= _OPERATION, name
        assert operation["action"] in ("send", "receive")
        for part in (operation, operation.get("reply", operation)):
            channel = part["channel"]["$ref"]
            assert all(
                each["$ref"].startswith(f"{channel}/messages/") for each in part["messages"]
            ), name


def test_every_message_is_said_by_some_operation(snapshot: Snapshot) -> None:
    document = snapshot.asyncapi
    said = {
        each["$ref"]
        for operation in document["operations"].values()
        for part in (operation, operation.get("reply", {}))
        for each in part.get("messages", ())
    }
    there = {
        f"#/channels/{name}/messages/{message}"
        for name, channel in document["channels"].items()
        for message in channel["messages"]
    }
    assert said == there


def test_payloads_are_json_schema_of_the_whole_message(snapshot: Snapshot) -> None:
    for message in snapshot.asyncapi["components"]["messages"].values():
        assert message.keys() <= _MESSAGE
        assert message["payload"]["$ref"].startswith("#/components/schemas/")
    for schema in snapshot.asyncapi["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


def test_every_socket_is_there(snapshot: Snapshot) -> None:
    addresses = {channel["address"] for channel in snapshot.asyncapi["channels"].values()}
    assert addresses >= {
        "/cashier/api/v1/cashier/svc/ws",
        "/mpesa/mpesa/stk/{hash}",
        "/mpesa/mpesa/b2c/{hash}",
        "/nexuspay/ws",
        "/amarktai/api/ws",
        "/amarktai/api/realtime/events",
    }


def test_every_cashier_request_has_its_replies(snapshot: Snapshot) -> None:
    assert REQUESTS.keys() == REPLIES.keys() == HANDLERS.keys()
    channel = "cashier_api_v1_cashier_svc_ws"
    for kind in REQUESTS:
        operation = snapshot.asyncapi["operations"][f"{channel}.{kind}"]
        assert len(operation["reply"]["messages"]) == len(REPLIES[kind]) + 1  # or an error
    events = snapshot.asyncapi["operations"][f"{channel}.events"]["messages"]
    assert len(events) == sum(map(len, EVENTS.values()))


async def _stream(_request: Request) -> EventStream:
    """Things as they happen."""
    raise AssertionError("only described")


def test_an_event_stream_is_a_channel() -> None:
    said = Said("thing", dict[str, int], "A thing happened")
    route = Route("GET", "/events", _stream, summary="Things", access="a token", events=(said,))
    surface = Surface(name="new", prefix="/new", render_error=plain_error, routes=(route,))
    document = asyncapi([surface], "1")
    channel = document["channels"]["new_events"]
    assert channel["address"] == "/new/events"
    operation = document["operations"]["new_events.events"]
    assert operation["action"] == "send"
    assert surface.about.guard(route) is Guard.TOKEN
    assert operation["security"]
    assert isinstance(Response(), Response)
