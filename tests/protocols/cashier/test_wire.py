"""The vocabulary against every example of the document: members, order, types, notation."""

import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from protocols.cashier import codec
from protocols.cashier.wire import accounts, events, payments, requests
from protocols.cashier.wire.base import Failure, Push, Reply, Success, Wire

EXAMPLES = Path(__file__).parent / "examples"

PAYLOADS: dict[str, type[Wire]] = {
    "calculate_fee": payments.FeeQuote,
    "cancel_deposit": payments.DepositCancelled,
    "convert_and_transfer": payments.Converted,
    "create_account": accounts.AccountCreated,
    "deposit_request_agent": payments.AgentDeposit,
    "deposit_request_crypto": payments.CryptoDeposit,
    "deposit_request_partner": payments.PartnerDeposit,
    "get_account_balance": accounts.Balance,
    "get_account_statement": accounts.AccountStatement,
    "get_accounts": accounts.Accounts,
    "get_deposit_status": payments.DepositStatus,
    "get_history": accounts.History,
    "get_ledgers": accounts.Ledgers,
    "get_owner_statement": accounts.OwnerStatement,
    "get_owner_summary": accounts.OwnerSummary,
    "get_partners": payments.Partners,
    "get_supported_currencies": accounts.Currencies,
    "get_transaction_by_receipt": accounts.Transaction,
    "transfer_agent_deposit": payments.DepositFulfilled,
    "transfer_p2p": payments.TransferDone,
    "verification_request_otp": payments.OtpSent,
    "verification_request_totp": payments.TotpWanted,
    "verify_otp": payments.Verified,
    "verify_totp": payments.Verified,
    "withdraw_request_agent": payments.AgentWithdrawal,
    "withdraw_request_crypto": payments.CryptoWithdrawal,
    "withdraw_request_partner": payments.PartnerWithdrawal,
}
EVENTS: dict[str, type[Wire]] = {
    "connected": events.Connected,
    "deposit_completed": events.DepositCompleted,
    "deposit_completed_agent": events.AgentDepositCompleted,
    "transfer_received": events.TransferReceived,
    "transfer_received_events_section": events.TransferReceived,
    "withdraw_completed": events.WithdrawCompleted,
}
ERRORS = ["create_account_error", "envelope_error", "verify_totp_error"]
# Every reply to a money mutation ends with these two (decisions.md, overrides).
ADDITIVE = {"balance_after": 0, "sequence": 0}


def example(name: str) -> str:
    return (EXAMPLES / f"{name}.json").read_text(encoding="utf-8")


def names(kind: str) -> list[str]:
    return sorted(p.name.removesuffix(f".{kind}.json") for p in EXAMPLES.glob(f"*.{kind}.json"))


def compact(text: str) -> str:
    """The example without white space, numbers spelled as the document spells them."""
    numbers: list[str] = []

    def keep(literal: str) -> str:
        numbers.append(literal)
        return f"\x00{len(numbers) - 1}\x00"

    loaded = json.loads(text, parse_float=keep, parse_int=keep)
    dense = json.dumps(loaded, separators=(",", ":"), ensure_ascii=False)
    for index, literal in enumerate(numbers):
        dense = dense.replace(f'"\\u0000{index}\\u0000"', literal)
    return dense


def payload_of(kind: type[Wire], data: dict[str, Any]) -> Wire:
    extra = {k: v for k, v in ADDITIVE.items() if k in kind.__struct_fields__}
    return msgspec.json.decode(json.dumps(data | extra), type=kind)


@pytest.mark.parametrize("name", [n for n in names("request") if n != "envelope"])
def test_every_documented_request_decodes_with_every_member_it_shows(name: str) -> None:
    """CASH-011, CASH-014, CASH-015 and the request members of every message."""
    envelope = codec.decode_envelope(example(f"{name}.request"))
    assert envelope is not None
    request = codec.decode_data(envelope.type, envelope.data)
    assert isinstance(request, codec.REQUESTS[envelope.type])
    shown = json.loads(example(f"{name}.request"))["data"]
    encoded = json.loads(codec.encode(request))
    assert {k: encoded[k] for k in shown} == shown


@pytest.mark.parametrize("name", sorted(PAYLOADS))
def test_every_documented_reply_is_written_exactly_as_the_document_writes_it(name: str) -> None:
    """CASH-016, CASH-019: same members, same order, same types, same notation of numbers."""
    shown = json.loads(example(f"{name}.response"))
    payload = rewritten(PAYLOADS[name], example(f"{name}.response"))
    reply = Reply(
        type="success",
        data=Success(message=shown["data"]["message"], data=payload),
        timestamp=shown["timestamp"],
    )
    written = codec.encode(reply).decode()
    for member in ADDITIVE:
        written = re.sub(rf',"{member}":0(?=[,}}])', "", written)
    assert written == compact(example(f"{name}.response"))


def rewritten(kind: type[Wire], text: str) -> Wire:
    """The example's payload, each amount read to units and written again."""
    body = msgspec.json.decode(text, type=dict[str, msgspec.Raw])
    inner = msgspec.json.decode(body["data"], type=dict[str, msgspec.Raw])
    data = msgspec.json.decode(inner["data"], type=dict[str, msgspec.Raw])
    extra = {k: msgspec.Raw(b"0") for k in ADDITIVE if k in kind.__struct_fields__}
    return reread(msgspec.json.decode(codec.encode(data | extra), type=kind))


def reread(value: Any) -> Any:
    """Every Raw of a payload through units_in and amount."""
    if isinstance(value, list):
        return [reread(item) for item in value]
    if isinstance(value, msgspec.Raw):
        units = codec.units_in(value)
        assert isinstance(units, int)
        literal = bytes(value)
        if literal == b"0":
            return value
        short = literal.count(b".") and len(literal.partition(b".")[2]) == 1
        return codec.percentage(units) if short else codec.amount(units)
    if isinstance(value, msgspec.Struct):
        return type(value)(**{f: reread(getattr(value, f)) for f in value.__struct_fields__})
    return value


def test_no_documented_reply_is_left_without_its_struct() -> None:
    flow_and_envelope = [n for n in names("response") if n.startswith(("flow_", "envelope"))]
    known = {*PAYLOADS, *ERRORS, *flow_and_envelope}
    assert set(names("response")) == known
    assert {n for n in names("event") if not n.startswith("flow_")} == set(EVENTS)


@pytest.mark.parametrize("name", sorted(EVENTS))
def test_every_documented_event_is_written_exactly_as_the_document_writes_it(name: str) -> None:
    """CASH-503: members are direct, no inner data, no message."""
    shown = json.loads(example(f"{name}.event"))
    body = msgspec.json.decode(example(f"{name}.event"), type=dict[str, msgspec.Raw])
    payload = reread(msgspec.json.decode(body["data"], type=EVENTS[name]))
    push = Push(type=shown["type"], data=payload, timestamp=shown["timestamp"])
    assert codec.encode(push).decode() == compact(example(f"{name}.event"))


@pytest.mark.parametrize("name", ERRORS)
def test_an_error_reply_is_its_text_and_nothing_else(name: str) -> None:
    """CASH-023."""
    shown = json.loads(example(f"{name}.response"))
    reply = Reply(
        type="error", data=Failure(message=shown["data"]["message"]), timestamp=shown["timestamp"]
    )
    assert codec.encode(reply).decode() == compact(example(f"{name}.response"))


def test_a_request_id_is_echoed_as_it_came_and_absent_when_none_came() -> None:
    """CASH-C03."""
    envelope = codec.decode_envelope('{"type":"x","request_id":{"n":12345678901234567890.10}}')
    assert envelope is not None
    reply = Reply(
        type="error", data=Failure(message="m"), timestamp=1, request_id=envelope.request_id
    )
    assert codec.encode(reply).endswith(b'"request_id":{"n":12345678901234567890.10}}')
    bare = Reply(type="error", data=Failure(message="m"), timestamp=1)
    assert b"request_id" not in codec.encode(bare)


def test_every_request_struct_belongs_to_a_message_type() -> None:
    structs = {
        v for v in vars(requests).values() if isinstance(v, type) and issubclass(v, Wire)
    } - {Wire, requests.SocketQuery}
    assert structs == set(codec.REQUESTS.values())
