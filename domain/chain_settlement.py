"""What moving money over a chain posts. Amounts in units; pure.

What lies on a chain for everybody together is the platform's custody account there; it falls
when a deposit is credited and rises when a withdrawal has left, as the account of a bank would.
"""

from domain.chains.table import chain_key
from domain.ledger import SYSTEM, AccountKey, Posting, SystemPurpose, system
from domain.payments import Payment


def custody(asset: str, chain: str) -> AccountKey:
    """The platform's account for what is on that chain."""
    return AccountKey(SYSTEM, asset, SystemPurpose.CUSTODY, chain)


def received(account: AccountKey, chain: str, units: int, label: str) -> Posting:
    """A deposit that is deep enough, credited."""
    return Posting(custody(account.asset, chain), account, units, label)


def sent_on_chain(payment: Payment) -> int:
    """Units that arrive at the address: the fees are inside the amount (CASH-C22)."""
    return payment.amount - payment.fee - payment.network_fee


def paid_on_chain(payment: Payment, label: str) -> tuple[Posting, ...]:
    """A withdrawal has left: to custody what was sent, the fees to what they are income of."""
    asset, account = payment.asset, payment.account
    there = custody(asset, chain_key(payment.chain))
    fees = (
        (payment.fee, SystemPurpose.FEE_INCOME, "Platform fee"),
        (payment.network_fee, SystemPurpose.NETWORK_INCOME, "Network fee"),
    )
    return (
        Posting(account, there, sent_on_chain(payment), label),
        *(
            Posting(account, system(asset, purpose), fee, text)
            for fee, purpose, text in fees
            if fee
        ),
    )


def transaction_cost(asset: str, chain: str, units: int) -> Posting:
    """What a transaction of ours cost in the chain's own coin."""
    cost = system(asset, SystemPurpose.NETWORK_COST)
    return Posting(cost, custody(asset, chain), units, "Transaction fee")
