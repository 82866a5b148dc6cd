"""Whatever bytes are posted to a callback address, an event or Malformed comes out."""

from pathlib import Path
from typing import Any

import msgspec
from hypothesis import example, given
from hypothesis import strategies as st

from actors.rails import (
    BalanceResult,
    IncomingPayment,
    Malformed,
    Paid,
    PushResult,
    StatusResult,
    TransferResult,
)
from providers.mpesa.callbacks import (
    read_incoming,
    read_push,
    read_result,
    read_status,
    read_timeout,
)

READERS = (read_push, read_result, read_timeout, read_status, read_incoming)
EVENTS = (BalanceResult, IncomingPayment, Malformed, PushResult, StatusResult, TransferResult)
BODIES = [path.read_bytes() for path in sorted((Path(__file__).parent / "recorded").iterdir())]

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def check(body: bytes) -> None:
    for read in READERS:
        event = read(body)
        assert isinstance(event, EVENTS)
        outcome = getattr(event, "outcome", None)
        if isinstance(outcome, Paid):
            assert outcome.receipt
            assert outcome.amount_units is None or outcome.amount_units > 0
        _storable(event)


def _storable(event: object) -> None:
    """No member holds what PostgreSQL or a log could not take."""
    text = repr(event)
    text.encode("utf-8")
    assert "\\x00" not in text


@given(st.binary(max_size=400))
@example(b"[" * 100_000)
@example(b'{"Result":' * 20_000)
@example(b'{"Body":{"stkCallback":{"CheckoutRequestID":"\\u0000","ResultCode":0}}}')
def test_any_bytes(body: bytes) -> None:
    check(body)


@given(json_values)
def test_any_json(value: Any) -> None:
    check(msgspec.json.encode(value))


@given(st.sampled_from(BODIES), st.integers(min_value=0), st.binary(max_size=3))
def test_recorded_bodies_with_bytes_changed(body: bytes, at: int, inserted: bytes) -> None:
    cut = at % len(body)
    check(body[:cut] + inserted + body[cut + len(inserted) :])
    check(body[:cut])


@given(st.sampled_from(BODIES), st.data())
def test_recorded_bodies_with_a_member_replaced(body: bytes, data: st.DataObject) -> None:
    tree = msgspec.json.decode(body)
    paths = list(_paths(tree))
    *way, last = data.draw(st.sampled_from(paths))
    parent = tree
    for step in way:
        parent = parent[step]
    parent[last] = data.draw(json_values)
    check(msgspec.json.encode(tree))


def _paths(tree: Any, way: tuple[Any, ...] = ()) -> Any:
    if isinstance(tree, dict | list):
        for key, value in tree.items() if isinstance(tree, dict) else enumerate(tree):
            yield (*way, key)
            yield from _paths(value, (*way, key))
