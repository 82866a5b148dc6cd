"""What people and topics are told, as facts; each surface renders the ones it documents.

An event is committed with the journal that caused it and has an offset in its feed, so that a
client can resume (architecture.md, "Sockets and HTTP on one port").
"""

import msgspec

from domain.trading.records import AlertLevel, Bot, Trade


class TransferReceived(msgspec.Struct, frozen=True, gc=False, kw_only=True, tag=True):
    """Money came from another person (CASH-346). `amount` in units."""

    from_user: int
    amount: int
    asset: str
    description: str
    receipt: int
    transfer_type: str = "p2p"


class DepositCompleted(msgspec.Struct, frozen=True, gc=False, kw_only=True, tag=True):
    """A partner or crypto deposit was credited (CASH-504)."""

    ref: str
    amount: int
    asset: str
    receipt: int
    completed_us: int


class AgentDepositCompleted(msgspec.Struct, frozen=True, gc=False, kw_only=True, tag=True):
    """An agent fulfilled a deposit (CASH-523)."""

    ref: str
    amount: int
    asset: str
    receipt: int
    agent_id: str
    agent_name: str


class DepositFailed(msgspec.Struct, frozen=True, gc=False, kw_only=True, tag=True):
    """A deposit ended without money: failed or expired (CASH-C41)."""

    ref: str
    amount: int
    asset: str
    status: str


class DepositRequested(msgspec.Struct, frozen=True, gc=False, kw_only=True, tag=True):
    """Somebody will bring an agent cash (CASH-C37)."""

    ref: str
    from_user: int
    amount: int
    asset: str


class WithdrawalCompleted(msgspec.Struct, frozen=True, gc=False, kw_only=True, tag=True):
    """A payout reached its destination (CASH-513)."""

    ref: str
    amount: int
    asset: str
    receipt: int
    completed_us: int


class WithdrawalFailed(msgspec.Struct, frozen=True, gc=False, kw_only=True, tag=True):
    """A payout did not happen and its hold was released (CASH-C42)."""

    ref: str
    amount: int
    asset: str
    receipt: int
    status: str


class TransactionMoved(msgspec.Struct, frozen=True, gc=False, kw_only=True, tag=True):
    """A transaction of document 002 reached a status; `mpesa`: it has an M-Pesa leg (NXPY-C38)."""

    id: str
    status: str
    at_us: int
    mpesa: bool = False


class PushMoved(msgspec.Struct, frozen=True, gc=False, kw_only=True, tag=True):
    """A push of the M-Pesa surface has ended (MPWS-019, MPWS-C01). `state` is the payment's;
    `code`, `message` and `receipt` are the provider's, "" where it named none."""

    checkout: str
    state: str
    code: str
    message: str
    phone: str
    amount: int
    receipt: str


class PayoutMoved(msgspec.Struct, frozen=True, gc=False, kw_only=True, tag=True):
    """A withdrawal of the M-Pesa surface has moved on (MPWS-033, MPWS-C01)."""

    conversation: str
    state: str
    code: str
    message: str
    phone: str
    amount: int
    description: str
    receipt: str


class BotUpdated(msgspec.Struct, frozen=True, gc=False, kw_only=True, tag=True):
    """A bot's status or capital has changed (AMKT-265, AMKT-C38)."""

    bot: Bot


class BotCountChanged(msgspec.Struct, frozen=True, gc=False, kw_only=True, tag=True):
    """A bot was created or deleted; how many the user has now (AMKT-248)."""

    total_bots: int


class TradeExecuted(msgspec.Struct, frozen=True, gc=False, kw_only=True, tag=True):
    """A bot of the user has traded (AMKT-270)."""

    trade: Trade


class BotAlert(msgspec.Struct, frozen=True, gc=False, kw_only=True, tag=True):
    """Something the user should know about a bot, or with `bot_id` "" about all (AMKT-277)."""

    bot_id: str
    level: AlertLevel
    message: str


Fact = (
    TransferReceived
    | DepositCompleted
    | AgentDepositCompleted
    | DepositFailed
    | DepositRequested
    | WithdrawalCompleted
    | WithdrawalFailed
    | TransactionMoved
    | PushMoved
    | PayoutMoved
    | BotUpdated
    | BotCountChanged
    | TradeExecuted
    | BotAlert
)


class Event(msgspec.Struct, frozen=True, gc=False):
    """`fact` for everyone who listens to `feed`."""

    feed: str
    fact: Fact


def person(user_id: int) -> str:
    """The feed of one person."""
    return f"user:{user_id}"


encode = msgspec.json.Encoder().encode
decode = msgspec.json.Decoder(Fact).decode
