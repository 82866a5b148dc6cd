"""Deposits by partner, agent and chain (document, "Deposit Operations")."""

from typing import Final

from domain import fees
from domain.events import DepositRequested, Event, person
from domain.fx import receive
from domain.identity.contact import mask_middle
from domain.ledger import AccountKey, Recorded, receipt_code, wallet
from domain.money import Asset, plain
from domain.partners import Partner
from domain.payments import SILENCE_US, Kind, Payment, State
from protocols.cashier import checks, services
from protocols.cashier.calls import Call
from protocols.cashier.codec import amount, iso
from protocols.cashier.errors import Problem, Refused, cannot_cancel
from protocols.cashier.payments import DAY_US, create, drafted, unwrapped
from protocols.cashier.service import Cashier
from protocols.cashier.services import Way
from protocols.cashier.statuses import DEPOSITS, status
from protocols.cashier.wire.base import Success
from protocols.cashier.wire.payments import (
    AgentDeposit,
    CryptoDeposit,
    DepositCancelled,
    DepositStatus,
    PartnerDeposit,
)
from protocols.cashier.wire.requests import ByReference, DepositRequest

_PREFIX: Final = "DEP"
_BANK_US: Final = 7 * DAY_US  # transfers between banks take days
_PIN: Final = "Please enter your M-Pesa PIN to complete the deposit"


async def deposit_request(cashier: Cashier, call: Call, request: DepositRequest) -> Success:
    """Check order: shape, amount, currency, service, account (contract.md, "Cashier")."""
    way = services.way(request)
    units = checks.positive(request.amount)
    checks.exact(units, services.known_currency(request.local_currency))
    match way:
        case Way.PARTNER:
            return await _by_partner(cashier, call, request, units)
        case Way.AGENT:
            return await _by_agent(cashier, call, request, units)
        case Way.CRYPTO:
            return await _by_chain(cashier, call, request, units)


async def get_deposit_status(cashier: Cashier, call: Call, request: ByReference) -> Success:
    """The same seven members for every kind and state (CASH-C43)."""
    payment = await _own(cashier, call, request.request_ref)
    completed = payment.state is State.COMPLETED
    shown = DepositStatus(
        request_ref=payment.ref,
        status=status(payment),
        amount_local=amount(payment.local_amount),
        local_currency=payment.local_asset,
        amount_usd=amount(payment.usd_amount),
        receipt_code=receipt_code(payment.receipt) if completed else None,
        completed_at=iso(payment.completed_us) if completed else None,
    )
    return Success(message="deposit status", data=shown)


async def cancel_deposit(cashier: Cashier, call: Call, request: ByReference) -> Success:
    """Only while it is open; of a cancel and a callback at once exactly one wins (CASH-C39)."""
    payment = await _own(cashier, call, request.request_ref)
    if payment.is_open:
        payment = unwrapped(await cashier.payments.cancel(payment.id))
        if payment.state is State.CANCELLED:
            done = DepositCancelled(request_ref=payment.ref, status=status(payment))
            return Success(message="deposit cancelled", data=done)
    raise Refused(cannot_cancel(status(payment)))


async def _by_partner(cashier: Cashier, call: Call, request: DepositRequest, units: int) -> Success:
    """A push to the caller's own phone, or a bank transfer that a person sees arrive (CASH-C60);
    the whole amount is credited (CASH-C22)."""
    target = checks.currency(request.target_currency or "USD")
    partner = services.partner(cashier, request)
    pushed = partner.service == services.MPESA
    if pushed and units > cashier.settings.mpesa_largest:
        raise Refused(Problem.TOO_LARGE)
    phone = await _phone(cashier, call.user_id) if pushed else ""
    account = await _open_for_credit(cashier, wallet(call.user_id, target.code))
    quote = await cashier.quote("USD", partner.currency)
    usd = receive(quote, partner.currency, units).units
    credited = await _credited(cashier, usd, target)
    if not credited:
        raise Refused(Problem.TOO_SMALL)
    draft = drafted(
        cashier,
        Kind.PARTNER_DEPOSIT if pushed else Kind.BANK_DEPOSIT,
        account,
        credited,
        state=State.SENDING if pushed else State.WAITING,
        wait_us=SILENCE_US if pushed else _BANK_US,
        local_asset=partner.currency,
        local_amount=units,
        usd_amount=usd,
        rate=quote.rate,
        quote_id=quote.id,
        fee=fees.quote(partner.deposit, usd, "USD", None).platform,
        phone=phone,
        partner=partner.id,
    )

    def render(payment: Payment, _recorded: Recorded | None) -> Success:
        shown = PartnerDeposit(
            request_ref=payment.ref,
            amount_local=amount(units),
            local_currency=partner.currency,
            amount_usd=amount(usd),
            exchange_rate=amount(quote.rate),
            status=status(payment),
            partner=services.partner_ref(partner),
            phone_number=mask_middle(phone) if pushed else None,
            instructions=_PIN if pushed else _transfer_to(partner, units, payment.ref),
        )
        return Success(message="deposit request created", data=shown)

    return await create(cashier, call, draft, _PREFIX, render)


async def _by_agent(cashier: Cashier, call: Call, request: DepositRequest, units: int) -> Success:
    """Waits for the agent's transfer; the agent is told only where configured (CASH-C37)."""
    asset = checks.currency(request.local_currency)
    agent = await services.agent(cashier, request.agent_id or "")
    if agent.user_id == call.user_id:
        raise Refused(Problem.TO_YOURSELF)
    account = await _open_for_credit(cashier, wallet(call.user_id, asset.code))
    draft = drafted(
        cashier,
        Kind.AGENT_DEPOSIT,
        account,
        units,
        usd_amount=await cashier.in_usd(asset.code, units),
        partner=agent.name,
        agent=agent.agent_id,
        agent_user=agent.user_id,
    )

    def render(payment: Payment, _recorded: Recorded | None) -> Success:
        shown = AgentDeposit(
            request_ref=payment.ref,
            amount=amount(units),
            currency=asset.code,
            status=status(payment),
            agent=services.agent_ref(agent),
            instructions="Visit the agent with this reference code to complete your deposit",
        )
        return Success(message="deposit request created", data=shown)

    def events(payment: Payment) -> tuple[Event, ...]:
        fact = DepositRequested(
            ref=payment.ref, from_user=call.user_id, amount=units, asset=asset.code
        )
        return (Event(person(agent.user_id), fact),)

    told = events if cashier.settings.notify_agents else None
    return await create(cashier, call, draft, _PREFIX, render, events=told)


async def _by_chain(cashier: Cashier, call: Call, request: DepositRequest, units: int) -> Success:
    """An address of the caller's own; what arrives there is credited (CASH-C58)."""
    asset = checks.currency(request.local_currency)
    chains, chain = services.chain(cashier, asset.code, Problem.NO_CRYPTO_DEPOSITS)
    account = await _open_for_credit(cashier, wallet(call.user_id, asset.code))
    address = await chains.deposit_address(call.user_id, chain)
    quote = await cashier.quote(asset.code, "USD")
    draft = drafted(
        cashier,
        Kind.CRYPTO_DEPOSIT,
        account,
        units,
        usd_amount=receive(quote, asset.code, units).units,
        usd_rate=quote.rate,
        address=address,
        chain=chain.value,
    )

    def render(payment: Payment, _recorded: Recorded | None) -> Success:
        shown = CryptoDeposit(
            request_ref=payment.ref,
            amount=amount(units),
            currency=asset.code,
            chain=chain.value,
            wallet_address=address,
            qr_code_url=cashier.settings.qr_code_url + address,
            status=status(payment),
            instructions=f"Send exactly {plain(units, 2)} {asset.code} to the address above",
            minimum_confirmations=chains.confirmations(chain),
        )
        return Success(message="crypto deposit address generated", data=shown)

    return await create(cashier, call, draft, _PREFIX, render)


def _transfer_to(partner: Partner, units: int, ref: str) -> str:
    return f"Transfer {plain(units, 2)} {partner.currency} to {partner.name} with reference {ref}"


async def _own(cashier: Cashier, call: Call, ref: str) -> Payment:
    """The caller's deposit: "deposit request not found", then "unauthorized" (CASH-C44)."""
    payment = await cashier.payments.store.by_ref(ref)
    if payment is None or payment.kind not in DEPOSITS:
        raise Refused(Problem.DEPOSIT_NOT_FOUND)
    if payment.user_id != call.user_id:
        raise Refused(Problem.UNAUTHORIZED)
    return payment


async def _phone(cashier: Cashier, user_id: int) -> str:
    """The caller's proved phone as M-Pesa writes it (CASH-161, X-C02)."""
    profile = await cashier.people.profile(user_id)
    phone = checks.mpesa_phone(profile.verified_phone or "") if profile is not None else None
    if phone is None:
        raise Refused(Problem.NO_PHONE)
    return phone


async def _open_for_credit(cashier: Cashier, key: AccountKey) -> AccountKey:
    """The account that will be credited: missing is fine (CASH-C16), locked is not."""
    account = await cashier.ledger.accounts.get(key)
    if account is not None and account.frozen:
        raise Refused(Problem.ACCOUNT_LOCKED)
    return key


async def _credited(cashier: Cashier, usd: int, target: Asset) -> int:
    """The USD value in the wallet's currency, rounded down (CASH-C26)."""
    if target.code == "USD":
        return usd
    return receive(await cashier.quote("USD", target.code), "USD", usd).units
