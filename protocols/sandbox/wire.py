"""Bodies of the sandbox control endpoints."""

from decimal import Decimal
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

# PostgreSQL's text cannot hold NUL.
Text = Annotated[str, Meta(max_length=200, pattern=r"^[^\x00]*$")]
Name = Annotated[str, Meta(min_length=1, max_length=100, pattern=r"^[^\x00]*$")]


class _Body(msgspec.Struct, frozen=True, kw_only=True):
    pass


class AgentBody(_Body, frozen=True, kw_only=True):
    agent_id: Name
    name: Name


class NewUser(_Body, frozen=True, kw_only=True):
    """Left-out addresses are generated; null means the person has none."""

    email: str | UnsetType | None = UNSET
    phone: str | UnsetType | None = UNSET
    first_name: Text = "Sandbox"
    password: str | None = None
    admin: bool = False
    agent: AgentBody | None = None
    totp: bool = False
    balances: dict[str, str] = {}


class AccountRow(_Body, frozen=True, kw_only=True):
    account_number: str
    currency: str
    account_type: str
    chain: str | None


class UserMade(_Body, frozen=True, kw_only=True):
    user_id: str
    object_id: str
    email: str | None
    phone: str | None
    first_name: str
    token: str
    totp_secret: str | None
    wallet_address: str | None
    accounts: list[AccountRow]


class UserChanged(_Body, frozen=True, kw_only=True):
    user_id: str


class TokenMade(_Body, frozen=True, kw_only=True):
    token: str


class MessagesQuery(_Body, frozen=True, kw_only=True):
    """Whose messages; everybody's without `to`. Phones with or without +, e-mail in any case."""

    to: str | UnsetType = UNSET


class MessageRow(_Body, frozen=True, kw_only=True):
    """One message; `channel` is email, sms or whatsapp."""

    channel: str
    to: str
    subject: str | None
    text: str
    code: str | None
    sent_at: str


class Messages(_Body, frozen=True, kw_only=True):
    messages: list[MessageRow]


class ClockShown(_Body, frozen=True, kw_only=True):
    now: str


class Ok(_Body, frozen=True, kw_only=True):
    ok: bool = True


class Refusal(_Body, frozen=True, kw_only=True):
    error: str


class OperationsQuery(_Body, frozen=True, kw_only=True):
    """Whose operations; all without either."""

    phone: str | UnsetType = UNSET
    target: str | UnsetType = UNSET


class OperationRow(_Body, frozen=True, kw_only=True):
    """One operation: `target` of a b2b, else `phone`."""

    operation: str
    phone: str | UnsetType = UNSET
    target: str | UnsetType = UNSET
    amount: int
    checkout: str | None
    conversation: str | None
    receipt: str | None
    outcome: str
    callback_url: str
    state: str


class Operations(_Body, frozen=True, kw_only=True):
    operations: list[OperationRow]


class UserChange(_Body, frozen=True, kw_only=True):
    wallet_active: bool | None = None
    deleted: bool | None = None
    account_locked: Text | None = None


class WhoBody(_Body, frozen=True, kw_only=True):
    user: str


class ClockBody(_Body, frozen=True, kw_only=True):
    advance_seconds: int = 0


class RuleBody(_Body, frozen=True, kw_only=True):
    """What the simulated M-Pesa does with the next matching operations."""

    outcome: str
    phone: str = ""
    target: str = ""
    operation: str = ""
    delay_seconds: float | None = None
    times: int | None = None


class CallbackBody(_Body, frozen=True, kw_only=True):
    outcome: str
    checkout: str = ""
    conversation: str = ""


class FaultBody(_Body, frozen=True, kw_only=True):
    target: str
    fault: str
    seconds: float | None = None
    times: int | None = None
    bot_id: str | None = None


class ChainDepositBody(_Body, frozen=True, kw_only=True):
    address: Text
    token: Text
    amount: Decimal


class Deposited(_Body, frozen=True, kw_only=True):
    tx_hash: str


class ReorgBody(_Body, frozen=True, kw_only=True):
    """The newest `depth` blocks are replaced; with `drop` their transactions are gone for good."""

    depth: Annotated[int, Meta(ge=1, le=1000)]
    drop: bool = False


class BlocksBody(_Body, frozen=True, kw_only=True):
    """So many blocks are made at once."""

    count: Annotated[int, Meta(ge=1, le=1000)]


class RateBody(_Body, frozen=True, kw_only=True):
    pair: str
    rate: Decimal


class MarketBody(_Body, frozen=True, kw_only=True):
    """The simulated exchange's next tick, or how it moves from here: one of the two."""

    platform: str
    symbol: str
    price: Decimal | None = None
    script: str | None = None


class LedgerReport(_Body, frozen=True, kw_only=True):
    balanced: bool
    journals: int
    accounts: int
    totals: dict[str, str]
    differences: list[Any]
