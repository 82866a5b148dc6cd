"""What settling a token payment posts. Amounts in units; pure.

Tokens come from and go to the main wallet on their chain, 1 % of them into the fees wallet
(NXPY-C60); the user's amount is untouched by it. Shillings pass between the M-Pesa float and the
position: what the platform earns or loses by the rate shows there.
"""

from domain.ledger import Posting, SystemPurpose, system
from domain.money import ASSETS
from domain.nexuspay.transactions import platform_fee
from domain.nexuspay.treasury import fees_wallet, main_wallet
from domain.payments import Payment


def fee_of(asset: str, amount: int) -> int:
    """The platform's fee on `amount` units of a token."""
    return platform_fee(amount, ASSETS[asset].decimals)


def bought(payment: Payment, label: str) -> tuple[Posting, ...]:
    """Shillings arrived: tokens to their buyer."""
    local = payment.local_asset
    float_, position = (
        system(local, SystemPurpose.MPESA_FLOAT),
        system(local, SystemPurpose.FX_POSITION),
    )
    cash = Posting(float_, position, payment.local_amount, "Float")
    return (cash, *delivered(payment, payment.amount, label))


def delivered(payment: Payment, amount: int, label: str) -> tuple[Posting, ...]:
    """`amount` tokens to their buyer, and the fee."""
    token, chain = payment.asset, payment.chain
    main, fee = main_wallet(token, chain), fee_of(token, amount)
    postings = [Posting(main, payment.account, amount, label)]
    if fee:
        postings.append(Posting(main, fees_wallet(token, chain), fee, "Platform fee"))
    return tuple(postings)


def sold(payment: Payment, label: str) -> tuple[Posting, ...]:
    """Shillings went out: tokens from their seller, whose hold pays for both parts."""
    token, chain, local = payment.asset, payment.chain, payment.local_asset
    fee = fee_of(token, payment.amount)
    postings = [
        Posting(payment.account, main_wallet(token, chain), payment.amount - fee, label),
        Posting(
            system(local, SystemPurpose.FX_POSITION),
            system(local, SystemPurpose.MPESA_FLOAT),
            payment.local_amount,
            "Float",
        ),
    ]
    if fee:
        postings.append(Posting(payment.account, fees_wallet(token, chain), fee, label))
    return tuple(postings)
