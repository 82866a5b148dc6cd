"""Which of the three ways a deposit or withdrawal goes, and who is asked (CASH-C24, CASH-C25)."""

from enum import Enum
from typing import Final

from domain.fees import CHAIN_OF, Chain
from domain.identity import Agent
from domain.identity.contact import mask_tail
from domain.money import ASSETS, Asset
from domain.partners import NoPartner, Partner
from protocols.cashier.errors import Problem, Refused
from protocols.cashier.interfaces import Chains
from protocols.cashier.service import Cashier
from protocols.cashier.wire.payments import AgentRef, PartnerRef
from protocols.cashier.wire.requests import DepositRequest, WithdrawRequest

MPESA: Final = "mpesa"
_PARTNER_SERVICES = (MPESA, "bank_transfer")


class Way(Enum):
    """The three kinds of deposit and withdrawal."""

    PARTNER = "partner"
    AGENT = "agent"
    CRYPTO = "crypto"


def way(request: DepositRequest | WithdrawRequest) -> Way:
    """The way the request's hints agree on; hints that contradict each other are refused."""
    service, ways = request.service or None, set[Way]()
    if service is not None:
        if service in _PARTNER_SERVICES:
            ways.add(Way.PARTNER)
        elif service in (Way.AGENT.value, Way.CRYPTO.value):
            ways.add(Way(service))
        else:
            raise Refused(Problem.INVALID_DATA)
    if request.agent_id:
        ways.add(Way.AGENT)
    if request.partner_id:
        ways.add(Way.PARTNER)
    if len(ways) != 1 or (Way.AGENT in ways and not request.agent_id):
        raise Refused(Problem.INVALID_DATA)
    return ways.pop()


def partner(cashier: Cashier, request: DepositRequest | WithdrawRequest) -> Partner:
    """The partner the request means, in its local currency."""
    found = cashier.partners.choose(
        request.service or None, request.partner_id or None, request.local_currency
    )
    match found:
        case NoPartner.NOT_FOUND:
            raise Refused(Problem.PARTNER_NOT_FOUND)
        case NoPartner.WRONG_CURRENCY:
            raise Refused(Problem.CURRENCY_NOT_SUPPORTED)
        case Partner():
            return found


async def agent(cashier: Cashier, agent_id: str) -> Agent:
    """The active agent of that id (CASH-C33)."""
    profile = await cashier.people.by_agent_id(agent_id)
    if profile is None or profile.deleted or profile.agent is None or not profile.agent.active:
        raise Refused(Problem.AGENT_NOT_FOUND)
    return profile.agent


async def as_agent(cashier: Cashier, user_id: int) -> Agent | None:
    """The caller's own agent profile, None when they are no active agent."""
    profile = await cashier.people.profile(user_id)
    if profile is None or profile.agent is None or not profile.agent.active:
        return None
    return profile.agent


def chain(cashier: Cashier, currency: str, without: Problem) -> tuple[Chains, Chain]:
    """The chain a cryptocurrency moves on (CASH-C58); `without` where none is configured."""
    found = CHAIN_OF.get(currency)
    if found is None:
        raise Refused(Problem.CURRENCY_NOT_SUPPORTED)
    chains = cashier.chains
    if chains is None or not chains.carries(found, currency):
        raise Refused(without)
    return chains, found


def known_currency(code: str) -> Asset:
    """A currency somebody might pay in; whether this service can comes later."""
    asset = ASSETS.get(code)
    if asset is None:
        raise Refused(Problem.CURRENCY_NOT_SUPPORTED)
    return asset


def partner_ref(chosen: Partner) -> PartnerRef:
    """The partner as replies name it."""
    return PartnerRef(id=chosen.id, name=chosen.name)


def agent_ref(chosen: Agent) -> AgentRef:
    """The agent as replies name it; the phone masked (CASH-C13)."""
    return AgentRef(id=chosen.agent_id, name=chosen.name, phone=mask_tail(chosen.phone))
