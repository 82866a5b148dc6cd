"""What operations cost: one schedule that reproduces every example of the cashier (CASH-C21).

Fees are units of the currency debited, rounded up at its decimals (X-C18). Minimums and network
fees are stated in USD and converted; `usd` is the stored quote between the currency and USD,
not looked at when the currency is USD itself.
"""

from enum import Enum
from typing import Final, NamedTuple

from domain.fx import Quote, cost
from domain.money import ASSETS, round_down, round_up, units_of

_PARTS: Final = 10_000


class FeeRule(NamedTuple):
    """`parts` in ten thousand of the amount, but at least `minimum_usd` units of USD."""

    parts: int
    minimum_usd: int

    @property
    def percent(self) -> int:
        """The percentage as units: 50 parts are 0.5."""
        return units_of("0.01") * self.parts


_MINIMUM: Final = units_of("0.50")
PARTNER_DEPOSIT: Final = FeeRule(50, _MINIMUM)
PARTNER_WITHDRAWAL: Final = FeeRule(100, _MINIMUM)
CRYPTO_WITHDRAWAL: Final = FeeRule(50, _MINIMUM)
CONVERSION: Final = FeeRule(50, _MINIMUM)
PEER_TO_PEER: Final = FeeRule(0, 0)


class Chain(Enum):
    """A chain the cashier pays out on; its value is the name the document uses (CASH-C58)."""

    BITCOIN = "BITCOIN"
    TRON = "TRON"
    TRC20 = "TRC20"
    POLYGON = "POLYGON"


CHAIN_OF: Final[dict[str, Chain]] = {
    "BTC": Chain.BITCOIN,
    "TRX": Chain.TRON,
    "USDT": Chain.TRC20,
    "USDC": Chain.POLYGON,
}
NETWORK_FEE_USD: Final[dict[Chain, int]] = {
    Chain.TRC20: units_of("1.50"),
    Chain.TRON: units_of("1.00"),
    Chain.POLYGON: units_of("0.10"),
    Chain.BITCOIN: units_of("1.50"),
}


class Fees(NamedTuple):
    """What one operation costs, in units of the currency debited."""

    platform: int
    network: int

    @property
    def total(self) -> int:
        return self.platform + self.network


def quote(rule: FeeRule, amount: int, currency: str, usd: Quote | None, network: int = 0) -> Fees:
    """Fees of moving `amount` units of `currency` by `rule`; `network` in units of USD."""
    share = round_up(-(-amount * rule.parts // _PARTS), ASSETS[currency].decimals)
    least = _from_usd(rule.minimum_usd, currency, usd)
    return Fees(max(share, least), _from_usd(network, currency, usd))


def agent(basis_points: int) -> FeeRule:
    """What a cash withdrawal at this agent costs: the agent's commission, no minimum."""
    return FeeRule(basis_points, 0)


def commission(amount: int, currency: str, basis_points: int) -> int:
    """What the platform pays an agent who fulfils a deposit, rounded down (CASH-C35)."""
    return round_down(amount * basis_points // _PARTS, ASSETS[currency].decimals)


def chain_of_address(address: str) -> Chain | None:
    """The chain an address looks like, for a quote that names no cryptocurrency."""
    if address.startswith("0x"):
        return Chain.POLYGON
    if address.startswith("T"):
        return Chain.TRC20
    if address.startswith(("bc1", "tb1", "1", "3")):
        return Chain.BITCOIN
    return None


def _from_usd(units: int, currency: str, usd: Quote | None) -> int:
    """Units of USD in `currency`, rounded up."""
    if currency == "USD" or units == 0:
        return units
    if usd is None:
        raise ValueError(f"a fee in {currency} needs a quote against USD")
    return cost(usd, "USD", units).units
