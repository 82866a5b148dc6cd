"""Withdrawals by partner, agent and chain (document, "Withdrawal Operations")."""

from dataclasses import dataclass
from typing import Any, Final

from msgspec.structs import replace

from actors.clock import US
from domain import fees
from domain.fees import NETWORK_FEE_USD, Chain
from domain.fx import receive
from domain.identity import Agent, Purpose, TokenConsumed
from domain.identity.contact import mask_middle
from domain.ledger import Recorded, receipt_code, wallet
from domain.money import Asset
from domain.partners import Partner
from domain.payments import SILENCE_US, Kind, Payment, State
from domain.settlement import whole_down
from protocols.cashier import checks, services
from protocols.cashier.calls import Call
from protocols.cashier.codec import amount, iso
from protocols.cashier.errors import Problem, Refused
from protocols.cashier.payments import Render, create, drafted
from protocols.cashier.service import Cashier
from protocols.cashier.services import Way
from protocols.cashier.spending import spend
from protocols.cashier.statuses import status
from protocols.cashier.wire.base import Amount, Success
from protocols.cashier.wire.payments import (
    AgentWithdrawal,
    CryptoWithdrawal,
    PartnerWithdrawal,
)
from protocols.cashier.wire.requests import WithdrawRequest

_PREFIX: Final = "WTH"
_BANK_MINUTES: Final = 24 * 60  # what is promised of transfers that a person makes


@dataclass(frozen=True, slots=True)
class _Order:
    """What every withdrawal has, after its checks: `units` of the wallet's `asset`."""

    user_id: int
    asset: Asset
    units: int


@dataclass(frozen=True, slots=True)
class _ToPartner(_Order):
    """`destination` is a phone, or an account at a bank."""

    partner: Partner
    destination: str
    at_bank: bool


@dataclass(frozen=True, slots=True)
class _ToAgent(_Order):
    agent: Agent


@dataclass(frozen=True, slots=True)
class _ToChain(_Order):
    chain: Chain
    address: str


async def withdraw_request(cashier: Cashier, call: Call, request: WithdrawRequest) -> Success:
    """Check order of CASH-C28; the token is spent with the hold or not at all (CASH-C12)."""
    units = checks.positive(request.amount)
    if request.consent is not True:
        raise Refused(Problem.NO_CONSENT)
    token = request.verification_token
    if not token:
        raise Refused(Problem.VERIFICATION_MISSING)
    asset = _wallet_currency(cashier, request.local_currency)
    checks.exact(units, asset)
    order = await _destination(cashier, call, request, _Order(call.user_id, asset, units))

    async def withdraw(consumed: TokenConsumed) -> Success:
        match order:
            case _ToPartner():
                return await _to_partner(cashier, call, order, consumed)
            case _ToAgent():
                return await _to_agent(cashier, call, order, consumed)
            case _ToChain():
                return await _to_chain(cashier, call, order, consumed)

    return await spend(cashier, call.user_id, token, Purpose.WITHDRAWAL, withdraw)


def _wallet_currency(cashier: Cashier, local_currency: str) -> Asset:
    """`amount` counts in USD for a partner's currency, else in that currency (CASH-C19)."""
    if local_currency not in checks.CURRENCIES and cashier.partners.serves(local_currency):
        return checks.CURRENCIES["USD"]
    return checks.currency(local_currency)


async def _destination(
    cashier: Cashier, call: Call, request: WithdrawRequest, order: _Order
) -> _ToPartner | _ToAgent | _ToChain:
    """Service, partner and agent errors belong to this step (contract.md, "Cashier")."""
    asset, units, text = order.asset, order.units, request.destination or ""
    match services.way(request):
        case Way.PARTNER:
            partner = services.partner(cashier, request)
            at_bank = partner.service != services.MPESA
            found = (checks.bank_account if at_bank else checks.mpesa_phone)(text)
            if found is None:
                raise Refused(Problem.INVALID_DESTINATION)
            return _ToPartner(call.user_id, asset, units, partner, found, at_bank)
        case Way.AGENT:
            checks.currency(request.local_currency)
            agent = await services.agent(cashier, request.agent_id or "")
            if agent.user_id == call.user_id:
                raise Refused(Problem.TO_YOURSELF)
            return _ToAgent(call.user_id, asset, units, agent)
        case Way.CRYPTO:
            without = Problem.NO_CRYPTO_WITHDRAWALS
            chains, chain = services.chain(cashier, request.local_currency, without)
            if not chains.is_address(chain, text):
                raise Refused(Problem.INVALID_DESTINATION)
            return _ToChain(call.user_id, asset, units, chain, text)


async def _to_partner(
    cashier: Cashier, call: Call, order: _ToPartner, consumed: TokenConsumed
) -> Success:
    """The fee is on top of the amount (CASH-C22); the shown rate is the applied one (CASH-C20).

    M-Pesa is asked at once; what goes to a bank waits for an operator, who transfers it.
    """
    partner, units, at_bank = order.partner, order.units, order.at_bank
    quote = await cashier.quote("USD", partner.currency)
    local = receive(quote, "USD", units).units
    if not (local if at_bank else whole_down(local)):
        raise Refused(Problem.TOO_SMALL)  # M-Pesa pays whole units of its currency
    fee = fees.quote(partner.withdrawal, units, order.asset.code, None).platform
    if local > cashier.settings.mpesa_largest and not at_bank:
        raise Refused(await _too_large(cashier, order, units + fee))
    draft = _drafted(
        cashier,
        Kind.BANK_WITHDRAWAL if at_bank else Kind.PARTNER_WITHDRAWAL,
        order,
        state=State.WAITING if at_bank else State.SENDING,
        wait_us=None if at_bank else SILENCE_US,
        local_asset=partner.currency,
        local_amount=local,
        usd_amount=units,
        rate=quote.rate,
        quote_id=quote.id,
        fee=fee,
        held=units + fee,
        phone="" if at_bank else order.destination,
        address=order.destination if at_bank else "",
        partner=partner.id,
    )

    minutes = _BANK_MINUTES if at_bank else cashier.settings.partner_minutes

    def render(payment: Payment, recorded: Recorded | None) -> Success:
        balance, sequence = _after(payment, recorded)
        shown = PartnerWithdrawal(
            request_ref=payment.ref,
            receipt_code=receipt_code(payment.receipt),
            amount_usd=amount(units),
            amount_local=amount(local),
            local_currency=partner.currency,
            exchange_rate=amount(quote.rate),
            fee=amount(fee),
            destination=mask_middle(order.destination),
            partner=services.partner_ref(partner),
            status=status(payment),
            estimated_completion=_expected(payment, minutes),
            balance_after=balance,
            sequence=sequence,
        )
        return Success(message="withdrawal initiated", data=shown)

    return await _create(cashier, call, draft, render, consumed)


async def _too_large(cashier: Cashier, order: _ToPartner, debit: int) -> Problem:
    """Account and balance come before what only M-Pesa minds (CASH-C28)."""
    account = await cashier.ledger.accounts.get(wallet(order.user_id, order.asset.code))
    if account is None:
        return Problem.ACCOUNT_NOT_FOUND
    return Problem.INSUFFICIENT_BALANCE if account.available < debit else Problem.TOO_LARGE


async def _to_agent(
    cashier: Cashier, call: Call, order: _ToAgent, consumed: TokenConsumed
) -> Success:
    """Held until the agent has paid the cash out; the fee is the agent's, on top (CASH-C38)."""
    agent, asset, units = order.agent, order.asset.code, order.units
    fee = fees.quote(fees.agent(agent.commission_bp), units, asset, None).platform
    draft = _drafted(
        cashier,
        Kind.AGENT_WITHDRAWAL,
        order,
        usd_amount=await cashier.in_usd(asset, units),
        fee=fee,
        held=units + fee,
        partner=agent.name,
        agent=agent.agent_id,
        agent_user=agent.user_id,
    )

    def render(payment: Payment, recorded: Recorded | None) -> Success:
        balance, sequence = _after(payment, recorded)
        shown = AgentWithdrawal(
            request_ref=payment.ref,
            receipt_code=receipt_code(payment.receipt),
            amount=amount(units),
            currency=asset,
            fee=amount(fee),
            agent=services.agent_ref(agent),
            status=status(payment),
            instructions=f"Visit {agent.name} with reference {payment.ref} to collect your cash",
            balance_after=balance,
            sequence=sequence,
        )
        return Success(message="withdrawal request created", data=shown)

    return await _create(cashier, call, draft, render, consumed)


async def _to_chain(
    cashier: Cashier, call: Call, order: _ToChain, consumed: TokenConsumed
) -> Success:
    """The fees are inside the amount (CASH-C22)."""
    asset, units, chain = order.asset.code, order.units, order.chain
    usd = await cashier.usd_quote(asset)
    network = NETWORK_FEE_USD[chain]
    charged = fees.quote(fees.CRYPTO_WITHDRAWAL, units, asset, usd, network)
    if charged.total >= units:
        raise Refused(Problem.TOO_SMALL)
    draft = _drafted(
        cashier,
        Kind.CRYPTO_WITHDRAWAL,
        order,
        state=State.SENDING,
        wait_us=SILENCE_US,
        local_amount=units - charged.total,
        usd_amount=await cashier.in_usd(asset, units),
        fee=charged.platform,
        network_fee=charged.network,
        held=units,
        address=order.address,
        chain=chain.value,
    )

    def render(payment: Payment, recorded: Recorded | None) -> Success:
        balance, sequence = _after(payment, recorded)
        shown = CryptoWithdrawal(
            request_ref=payment.ref,
            receipt_code=receipt_code(payment.receipt),
            amount=amount(units),
            currency=asset,
            chain=chain.value,
            destination_address=order.address,
            network_fee=amount(charged.network),
            platform_fee=amount(charged.platform),
            total_fee=amount(charged.total),
            amount_to_receive=amount(units - charged.total),
            status=status(payment),
            tx_hash=None,
            estimated_completion=_expected(payment, cashier.settings.crypto_minutes),
            balance_after=balance,
            sequence=sequence,
        )
        return Success(message="crypto withdrawal initiated", data=shown)

    return await _create(cashier, call, draft, render, consumed)


def _drafted(cashier: Cashier, kind: Kind, order: _Order, **members: Any) -> Payment:
    """What was ordered, with the consent's time (CASH-C27)."""
    account = wallet(order.user_id, order.asset.code)
    draft = drafted(cashier, kind, account, order.units, **members)
    return replace(draft, consented_us=draft.created_us)


def _expected(payment: Payment, minutes: int) -> str:
    """When it should be over (CASH-C63)."""
    return iso(payment.created_us + minutes * 60 * US)


def _after(payment: Payment, recorded: Recorded | None) -> tuple[Amount, int]:
    """Balance and sequence of the caller's account once the money was set aside."""
    line = recorded.line(payment.account) if recorded is not None else None
    assert line is not None, "a withdrawal holds its money"
    return amount(line.balance), line.sequence


async def _create(
    cashier: Cashier, call: Call, draft: Payment, render: Render, consumed: TokenConsumed
) -> Success:
    return await create(
        cashier,
        call,
        draft,
        _PREFIX,
        render,
        changes=(consumed,),
        on_conflict=Problem.VERIFICATION_INVALID,
    )
