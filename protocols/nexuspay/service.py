"""The surface's parts, as app.py puts them together; handlers and sessions work with these."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, Protocol

from actors.audit import AuditLog
from actors.business import Businesses
from actors.clock import Clock
from actors.feed import EventStore, Feeds
from actors.idempotency import Idempotency
from actors.ledger import Ledger
from actors.ledger_reads import AccountReads, LedgerReads
from actors.nexus_store import TransactionStore
from actors.people import People
from actors.registration import Registrations
from actors.token_orders import TokenOrders
from actors.token_sends import TokenSends
from actors.token_transfers import TokenTransfers
from actors.treasury import Treasury
from domain.fx import Quote
from domain.identity.windows import MINUTE, WindowPolicy
from protocols.nexuspay.register import Sockets


class Rate(Enum):
    """Requests a minute by class of endpoint (document, "Rate Limits"; NXPY-C40)."""

    AUTHENTICATION = ("auth", 10)
    TRANSACTION = ("transaction", 30)
    QUERY = ("query", 60)

    def __init__(self, label: str, requests: int) -> None:
        self.label = label
        self.policy = WindowPolicy(requests, MINUTE)


class Access(Enum):
    """Who may call an endpoint (NXPY-C03)."""

    ANYBODY = "no token"
    USER = "a token"
    MONEY = "a token, of a login with a code where that is required (X-C05)"
    ADMIN = "an administrator's token"
    ADMIN_MONEY = "an administrator's token, as for MONEY"

    @property
    def moves_money(self) -> bool:
        return self in (Access.MONEY, Access.ADMIN_MONEY)

    @property
    def is_admin(self) -> bool:
        return self in (Access.ADMIN, Access.ADMIN_MONEY)


class Rates(Protocol):
    """Stored quotes; actors.rates.RateService is one."""

    async def quote(self, one: str, other: str) -> Quote:
        """The market quote between two assets; raises RatesUnavailable while there is none."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What configuration and mode decide (docs/configuration.md).

    `paybill` is where pushes pay into; a receipt must be of it (NXPY-C28).
    `short_addresses` lets the document's own `0x123` be asked about (NXPY-C19); `show_float`
    tells customers the platform's balance as documented (NXPY-C30). With `own_admins` whom an
    administrator promotes administers this surface alone (X-C08).
    """

    paybill: str
    require_otp: bool = False
    short_addresses: bool = False
    show_float: bool = True
    own_admins: bool = False
    queries_a_minute: int = 60

    def policy(self, rate: Rate) -> WindowPolicy:
        """How many requests of a class a minute has."""
        if rate is Rate.QUERY:
            return WindowPolicy(self.queries_a_minute, MINUTE)
        return rate.policy


class Logins:
    """Which tokens a person had when their password was checked, until the code comes.

    A reset in between changes them and so ends the login. A restart forgets, and the login
    begins anew.
    """

    _LIMIT: Final = 100_000

    def __init__(self) -> None:
        self._versions: OrderedDict[int, int] = OrderedDict()

    def checked(self, user_id: int, token_version: int) -> None:
        """The password was right at this version of the person's tokens."""
        self._versions[user_id] = token_version
        self._versions.move_to_end(user_id)
        if len(self._versions) > self._LIMIT:
            self._versions.popitem(last=False)

    def is_current(self, user_id: int, token_version: int) -> bool:
        """Whether the check still counts."""
        return self._versions.get(user_id) == token_version

    def done(self, user_id: int) -> None:
        """The login is over."""
        self._versions.pop(user_id, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class NexusPay:
    """Everything a request may need.

    `unavailable`: the exceptions by which storage and rates say that they are away; nothing was
    moved then. `carries` says whether a chain has a token.
    """

    clock: Clock
    people: People
    registrations: Registrations
    businesses: Businesses
    transfers: TokenTransfers
    sends: TokenSends
    transactions: TransactionStore
    treasury: Treasury
    orders: TokenOrders
    ledger: Ledger
    accounts: AccountReads
    reads: LedgerReads
    rates: Rates
    idempotency: Idempotency
    feeds: Feeds
    events: EventStore
    audit: AuditLog
    sockets: Sockets
    carries: Callable[[str, str], bool]
    unavailable: tuple[type[Exception], ...]
    settings: Settings
    logins: Logins = field(default_factory=Logins)
