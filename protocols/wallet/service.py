"""The wallet's parts, as app.py puts them together."""

from dataclasses import dataclass
from enum import Enum
from typing import Final

from actors.clock import Clock
from actors.funding import Fundings
from actors.idempotency import Idempotency
from actors.identity_store import StoreUnavailable
from actors.ledger import Ledger
from actors.people import People
from domain.funding import CURRENCY
from domain.identity import Profile
from domain.identity.windows import MINUTE, WindowPolicy
from domain.ledger import wallet


class Access(Enum):
    """Who may call an endpoint; everybody needs a token."""

    ANY = "anybody with a token"
    ACTIVE = "whose wallet is active"  # WOTP-C17


class Rate(Enum):
    """Requests a person and minute, by endpoint (document, "Rate Limits").

    The two verify paths have none: their limit is the lock (WOTP-C08).
    """

    FUND = ("fund", 10)
    SEND = ("send", 3)
    STATUS = ("status", 10)

    def __init__(self, label: str, requests: int) -> None:
        self.label = label
        self.policy = WindowPolicy(requests, MINUTE)


# Who shows no good token is counted by address, over all endpoints: many share an address.
STRANGERS: Final = WindowPolicy(60, MINUTE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wallet:
    """Everything a request may need.

    `unavailable`: the exceptions by which storage says that it is away; nothing was moved then.
    """

    clock: Clock
    people: People
    ledger: Ledger
    fundings: Fundings
    idempotency: Idempotency
    unavailable: tuple[type[Exception], ...] = (StoreUnavailable,)

    async def is_active(self, profile: Profile) -> bool:
        """Whether neither the person's wallet nor the NGN account was switched off (WOTP-C17)."""
        if not profile.wallet_active:
            return False
        account = await self.ledger.accounts.get(wallet(profile.user_id, CURRENCY))
        return account is None or not account.frozen
