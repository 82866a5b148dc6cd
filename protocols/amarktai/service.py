"""The surface's parts, as app.py puts them together; handlers and sessions work with these."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum
from typing import Final

from actors.assistant import Assistant
from actors.audit import AuditLog
from actors.balance_mirror import BalanceMirror
from actors.bots import Bots
from actors.clock import Clock
from actors.exchange_keys import ExchangeKeys
from actors.feed import EventStore, Feeds
from actors.fund_transfers import FundTransfers
from actors.holdings import Holdings
from actors.idempotency import Idempotency
from actors.ledger import Ledger
from actors.people import People
from domain.trading.platforms import BOT_LIMIT
from protocols.expiry import Expiries

CURRENCY: Final = "ZAR"  # of every total (AMKT-C32)


class Access(Enum):
    """Who may call an endpoint."""

    ANYBODY = "no token"
    USER = "a token"
    STREAM = "a token, in the query too (AMKT-C34)"
    ADMIN = "an administrator's token"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What configuration decides (docs/configuration.md).

    `requests_per_minute` of one person, or of an address without a token (X-C20).
    `invite_codes`: with any, registration needs one of them (AMKT-C03). Seconds of the stream
    are real time (AMKT-C35).
    """

    requests_per_minute: int = 120
    invite_codes: frozenset[str] = frozenset()
    bot_limit: int = BOT_LIMIT
    heartbeat_s: float = 15.0
    update_s: float = 5.0
    retry_ms: int = 3_000
    recent_trades: int = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Amarktai:
    """Everything a request may need.

    `unavailable`: the exceptions by which storage and rates say that they are away; nothing was
    moved then. `database_answers` asks whether the database does.
    """

    clock: Clock
    people: People
    bots: Bots
    keys: ExchangeKeys
    holdings: Holdings
    mirror: BalanceMirror
    transfers: FundTransfers
    assistant: Assistant
    ledger: Ledger
    idempotency: Idempotency
    feeds: Feeds
    events: EventStore
    audit: AuditLog
    expiries: Expiries
    database_answers: Callable[[], Awaitable[bool]]
    unavailable: tuple[type[Exception], ...]
    settings: Settings
