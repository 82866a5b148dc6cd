"""Partners: the companies through which money comes in and goes out in a local currency."""

from collections.abc import Sequence
from enum import Enum

import msgspec

from domain.fees import FeeRule


class Partner(msgspec.Struct, frozen=True, kw_only=True):
    """One partner: a service in one local currency, and what it costs (CASH-C21)."""

    id: str
    name: str
    service: str
    currency: str
    is_active: bool
    deposit: FeeRule
    withdrawal: FeeRule


class NoPartner(Enum):
    """Why there is no partner for a request, in order of precedence (CASH-C25)."""

    NOT_FOUND = "partner not found"
    WRONG_CURRENCY = "currency not supported"


class Partners:
    """All partners, in the order in which the first active one of a service is chosen."""

    def __init__(self, partners: Sequence[Partner]) -> None:
        self._partners = tuple(partners)

    def of_service(self, service: str | None) -> tuple[Partner, ...]:
        """Partners that offer `service`, active or not; all of them for None (CASH-C61)."""
        return tuple(p for p in self._partners if service is None or p.service == service)

    def serves(self, currency: str) -> bool:
        """Whether some active partner pays in or out in `currency`."""
        return any(p.is_active and p.currency == currency for p in self._partners)

    def choose(
        self, service: str | None, partner_id: str | None, currency: str
    ) -> Partner | NoPartner:
        """The partner a request means: the one it names, else the first active one (CASH-C25)."""
        meant = [
            p
            for p in self.of_service(service)
            if p.is_active and (not partner_id or partner_id == p.id)
        ]
        if not meant:
            return NoPartner.NOT_FOUND
        return next((p for p in meant if p.currency == currency), NoPartner.WRONG_CURRENCY)
