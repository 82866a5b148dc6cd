"""What each settlement of a payment posts. Amounts in units; pure.

Local amounts are whole units of their currency outside: rounded up where somebody pays us, down
where we pay (contract.md, "Money"); what that leaves goes to the rounding account.
"""

from typing import Final

from msgspec import structs

from domain.chain_settlement import paid_on_chain, sent_on_chain
from domain.ledger import SUSPENSE, AccountKey, Posting, SystemPurpose, system
from domain.money import ASSETS, UNITS_PER_WHOLE, round_up
from domain.nexuspay import token_settlement
from domain.payments import BANKED, CHAIN_PAYOUTS, COLLECTIONS, TOKENS, Kind, Payment

WHOLE: Final = UNITS_PER_WHOLE


def whole_up(units: int) -> int:
    """Units rounded up to a whole: what a payer is asked for (contract.md, "Money")."""
    return -(-units // WHOLE) * WHOLE


def whole_down(units: int) -> int:
    """Units rounded down to a whole: what is paid out."""
    return units // WHOLE * WHOLE


def collected(payment: Payment, label: str) -> tuple[Posting, ...]:
    """A deposit by a partner arrived: float, position and wallet (CASH-C22). Shillings that are
    credited as shillings (whole ones, without a fee) go straight from the float.

    What rounding up to a whole made the payer add stays in the rounding account; the partner's
    fee is a cost of ours.
    """
    if payment.kind in TOKENS:
        return token_settlement.bought(payment, label)
    local, usd = payment.local_asset, payment.asset
    if local == usd:
        source = system(local, SystemPurpose.MPESA_FLOAT)
        return (Posting(source, payment.account, payment.amount, label),)
    floated = whole_up(payment.local_amount)
    postings = [
        _floated(local, payment.local_amount),
        Posting(system(usd, SystemPurpose.FX_POSITION), payment.account, payment.amount, label),
    ]
    if extra := floated - payment.local_amount:
        postings.append(
            Posting(
                system(local, SystemPurpose.MPESA_FLOAT),
                system(local, SystemPurpose.ROUNDING),
                extra,
                "Rounding",
            )
        )
    return (*postings, *_partners_fee(payment))


def _floated(asset: str, amount: int) -> Posting:
    return Posting(
        system(asset, SystemPurpose.MPESA_FLOAT),
        system(asset, SystemPurpose.FX_POSITION),
        amount,
        "Float",
    )


def banked(payment: Payment, label: str) -> tuple[Posting, ...]:
    """A bank transfer arrived, cents and all; else as `collected`."""
    local = payment.local_asset
    bank, position = (
        system(local, purpose) for purpose in (SystemPurpose.BANK_FLOAT, SystemPurpose.FX_POSITION)
    )
    credited = system(payment.asset, SystemPurpose.FX_POSITION)
    postings = (
        Posting(bank, position, payment.local_amount, "Float"),
        Posting(credited, payment.account, payment.amount, label),
    )
    return (*postings, *_partners_fee(payment))


def _partners_fee(payment: Payment) -> tuple[Posting, ...]:
    """What the partner takes of a deposit is a cost of ours (CASH-C22)."""
    if not payment.fee:
        return ()
    cost = system("USD", SystemPurpose.COST_OF_FLOAT)
    payable = system("USD", SystemPurpose.PARTNER_PAYABLE)
    return (Posting(cost, payable, payment.fee, "Partner fee"),)


def expected_cash(payment: Payment) -> int:
    """Units of the local currency that change hands outside when all goes as recorded."""
    if payment.kind in COLLECTIONS:
        return whole_up(payment.local_amount)
    if payment.kind in CHAIN_PAYOUTS:
        return sent_on_chain(payment)
    if payment.kind in BANKED:
        return payment.local_amount
    return whole_down(payment.local_amount)


def paid_out(payment: Payment, label: str) -> tuple[Posting, ...]:
    """A payout reached the phone: wallet, position, float, fee; or an address, or a bank."""
    if payment.kind in CHAIN_PAYOUTS:
        return paid_on_chain(payment, label)
    if payment.kind in TOKENS:
        return token_settlement.sold(payment, label)
    local, usd = payment.local_asset, payment.asset
    if local == usd:
        destination = system(local, SystemPurpose.MPESA_FLOAT)
        return (Posting(payment.account, destination, payment.amount, label),)
    position = system(local, SystemPurpose.FX_POSITION)
    at_bank = payment.kind is Kind.BANK_WITHDRAWAL
    floated = SystemPurpose.BANK_FLOAT if at_bank else SystemPurpose.MPESA_FLOAT
    sent = expected_cash(payment)
    postings = [
        Posting(payment.account, system(usd, SystemPurpose.FX_POSITION), payment.amount, label),
        Posting(position, system(local, floated), sent, "Float"),
    ]
    if rest := payment.local_amount - sent:
        postings.append(Posting(position, system(local, SystemPurpose.ROUNDING), rest, "Rounding"))
    if payment.fee:
        postings.append(
            Posting(
                payment.account,
                system(usd, SystemPurpose.FEE_INCOME),
                payment.fee,
                "Platform fee",
            )
        )
    return tuple(postings)


def into_suspense(payment: Payment, local_amount: int) -> tuple[Posting, ...]:
    """Cash came in for a payment that may not be credited any more (X-C15)."""
    return (
        Posting(
            system(payment.local_asset, SystemPurpose.MPESA_FLOAT),
            suspense(payment),
            local_amount,
            f"Unmatched cash for {payment.ref}",
        ),
    )


def approved(payment: Payment, credit: int, label: str) -> tuple[Posting, ...]:
    """An operator credits cash that waited in suspense; `credit` in units of the wallet."""
    local = payment.local_asset
    if local == payment.asset:
        return (Posting(suspense(payment), payment.account, payment.cash, label),)
    if payment.kind in TOKENS:
        position = system(local, SystemPurpose.FX_POSITION)
        cash = Posting(suspense(payment), position, payment.cash, label)
        return (cash, *token_settlement.delivered(payment, credit, label))
    return (
        Posting(suspense(payment), system(local, SystemPurpose.FX_POSITION), payment.cash, label),
        Posting(system(payment.asset, SystemPurpose.FX_POSITION), payment.account, credit, label),
    )


def out_of_suspense(payment: Payment, local_amount: int) -> tuple[Posting, ...]:
    """Cash went out that no hold paid for (released already, or paid twice): we are short."""
    return (
        Posting(
            system(payment.local_asset, SystemPurpose.SUSPENSE),
            system(payment.local_asset, SystemPurpose.MPESA_FLOAT),
            local_amount,
            f"Paid after release: {payment.ref}",
        ),
    )


def as_paid_out(payment: Payment) -> Payment:
    """A payout of which so much `cash` went out: what it takes from the wallet is in proportion,
    rounded up (X-C18). Unchanged where the cash is what was agreed."""
    expected, cash = expected_cash(payment), payment.cash
    if cash == expected:
        return payment
    amount = -(-payment.amount * cash // expected)
    return structs.replace(
        payment,
        amount=round_up(amount, ASSETS[payment.asset].decimals),
        local_amount=cash,
        usd_amount=round_up(-(-payment.usd_amount * cash // expected), ASSETS["USD"].decimals),
    )


def charged(payment: Payment, label: str) -> tuple[Posting, ...]:
    """The owner pays for cash that went out of suspense: as `paid_out`, but that the float has
    paid already."""
    local = payment.local_asset
    paid, short = (
        system(local, purpose) for purpose in (SystemPurpose.MPESA_FLOAT, SystemPurpose.SUSPENSE)
    )
    return tuple(
        structs.replace(posting, destination=short) if posting.destination == paid else posting
        for posting in paid_out(payment, label)
    )


def borne(payment: Payment) -> tuple[Posting, ...]:
    """The platform pays for cash that went out of suspense."""
    local = payment.local_asset
    return (
        Posting(
            system(local, SystemPurpose.PAYOUT_LOSS),
            system(local, SystemPurpose.SUSPENSE),
            payment.cash,
            f"Borne by the platform: {payment.ref}",
        ),
    )


def suspense(payment: Payment) -> AccountKey:
    """Where cash waits that came for this payment's person."""
    return payment.account._replace(asset=payment.local_asset, purpose=SUSPENSE, chain="")


def fulfilled(payment: Payment, agent: AccountKey, commission: int) -> tuple[Posting, ...]:
    """An agent handed over a deposit, and earns a commission the platform pays (CASH-C35)."""
    label = f"Deposit fulfillment via agent {payment.agent}"
    postings = [Posting(agent, payment.account, payment.amount, label)]
    if commission:
        expense = system(payment.asset, SystemPurpose.COMMISSION)
        postings.append(Posting(expense, agent, commission, "Agent commission"))
    return tuple(postings)


def cashed(payment: Payment, agent: AccountKey) -> tuple[Posting, ...]:
    """An agent paid cash: amount and fee go to the agent (CASH-C38)."""
    label = f"Cash withdrawal via agent {payment.agent}"
    postings = [Posting(payment.account, agent, payment.amount, label)]
    if payment.fee:
        postings.append(Posting(payment.account, agent, payment.fee, "Agent fee"))
    return tuple(postings)
