"""Fee quotes and the list of partners (document, "Fee Calculation", "Partner Operations")."""

from domain import fees
from domain.fees import CHAIN_OF, NETWORK_FEE_USD, FeeRule, chain_of_address
from domain.fx import percentage as fee_percentage
from domain.money import ASSETS
from domain.partners import Partner
from protocols.cashier import checks
from protocols.cashier.calls import Call
from protocols.cashier.codec import amount, percentage
from protocols.cashier.errors import Problem, Refused
from protocols.cashier.service import Cashier
from protocols.cashier.wire.base import Success
from protocols.cashier.wire.payments import FeeQuote, PartnerFees, PartnerItem, Partners
from protocols.cashier.wire.requests import CalculateFee, GetPartners


async def calculate_fee(cashier: Cashier, _call: Call, request: CalculateFee) -> Success:
    """What the matching operation would charge (CASH-450, CASH-C23)."""
    units = checks.positive(request.amount)
    source = checks.currency(request.source_currency)
    rule, network, inside = _schedule(request)
    checks.exact(units, source)
    usd = await cashier.usd_quote(source.code)
    charged = fees.quote(rule, units, source.code, usd, network)
    if inside and charged.total >= units:
        raise Refused(Problem.TOO_SMALL)
    quote = FeeQuote(
        platform_fee=amount(charged.platform),
        network_fee=amount(charged.network),
        total_fee=amount(charged.total),
        fee_percentage=percentage(fee_percentage(charged.total, units)),
        amount_after_fee=amount(units - charged.total),
        currency=source.code,
    )
    return Success(message="fee calculated", data=quote)


async def get_partners(cashier: Cashier, _call: Call, request: GetPartners) -> Success:
    """Of one service, or all; "crypto" and unknown services have none (CASH-C61)."""
    items = [_item(partner) for partner in cashier.partners.of_service(request.service)]
    return Success(message="partners retrieved", data=Partners(partners=items, count=len(items)))


def _schedule(request: CalculateFee) -> tuple[FeeRule, int, bool]:
    """(rule, network fee in USD, whether the fee is taken out of the amount)."""
    target = request.target_currency or None
    match request.transaction_type:
        case "transfer":
            return fees.PEER_TO_PEER, 0, False
        case "conversion":
            if target is not None and checks.currency(target).code == request.source_currency:
                raise Refused(Problem.SAME_CURRENCY)
            return fees.CONVERSION, 0, True
        case "withdrawal" if request.to_address:
            return fees.CRYPTO_WITHDRAWAL, _network_fee(request, target, request.to_address), True
        case "withdrawal":
            if target is not None and target not in ASSETS:
                raise Refused(Problem.CURRENCY_NOT_SUPPORTED)
            return fees.PARTNER_WITHDRAWAL, 0, False


def _network_fee(request: CalculateFee, target: str | None, address: str) -> int:
    """Of the chain of the target currency, else of the source's, else of the address itself."""
    code = checks.currency(target).code if target is not None else ""
    chain = CHAIN_OF.get(code) or CHAIN_OF.get(request.source_currency) or chain_of_address(address)
    if chain is None:
        raise Refused(Problem.INVALID_DESTINATION)
    return NETWORK_FEE_USD[chain]


def _item(partner: Partner) -> PartnerItem:
    return PartnerItem(
        id=partner.id,
        name=partner.name,
        service=partner.service,
        currency=partner.currency,
        is_active=partner.is_active,
        fees=PartnerFees(
            deposit=percentage(partner.deposit.percent),
            withdrawal=percentage(partner.withdrawal.percent),
        ),
    )
