"""Orders of tokens for shillings and shillings for tokens, as payments (document 002).

Nothing is kept here: an order is a payment with its money set aside, and its actor does the
rest. A purchase sets the platform's tokens aside, a sale the person's.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from actors.clock import Clock
from actors.payments import OutcomeOf, Payments
from actors.token_transfers import Quotes, value_of
from domain.fx import Quote, cost, receive
from domain.ledger import AccountKey, Recorded, Refusal, Ticket
from domain.nexuspay.codes import SUCCESS_CODE_BYTES, success_code, transaction_id
from domain.nexuspay.token_payments import ASK_AFTER_US
from domain.nexuspay.token_settlement import fee_of
from domain.nexuspay.treasury import main_wallet, personal
from domain.payments import SILENCE_US, Kind, Payment, State

KES = "KES"
_PREFIX = "NXP"  # of references nobody sees: these payments bring their own


class Made(NamedTuple):
    """An order that is recorded."""

    payment: Payment
    recorded: Recorded


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is ordered: `amount` units of `token` on `chain` for `local` units of KES.

    `phone` in the form 2547…; `bill` and `bill_account` of what is paid to a business, which
    `partner` says the kind of.
    """

    kind: Kind
    user_id: int
    token: str
    chain: str
    amount: int
    local: int
    quote: Quote
    phone: str = ""
    partner: str = ""
    bill: str = ""
    bill_account: str = ""
    description: str = ""


class TokenOrders:
    """Prices orders and makes payments of them."""

    def __init__(
        self,
        payments: Payments,
        rates: Quotes,
        clock: Clock,
        random_bytes: Callable[[int], bytes],
    ) -> None:
        self.payments = payments
        self._rates = rates
        self._clock = clock
        self._random_bytes = random_bytes

    async def quote(self, token: str) -> Quote:
        """KES for one whole token, the same for two minutes; raises RatesUnavailable."""
        return await self._rates.quote(token, KES)

    def bought(self, quote: Quote, local: int) -> int:
        """Units of the token that `local` units of KES buy, rounded down."""
        return receive(quote, KES, local).units

    def price(self, quote: Quote, token: str, amount: int) -> int:
        """Units of KES that buy `amount` units of the token: whole shillings, rounded up."""
        return cost(quote, token, amount, 0).units

    def spent(self, quote: Quote, local: int) -> int:
        """Units of the token that `local` units of KES cost, rounded up."""
        return cost(quote, KES, local).units

    async def place(
        self, order: Order, ticket: Ticket | None = None, outcome: OutcomeOf | None = None
    ) -> Made | Refusal:
        """Record the order and set its money aside; M-Pesa is asked after that.

        INSUFFICIENT_FUNDS and ACCOUNT_NOT_FOUND are the platform's of a purchase, the person's of
        a sale. Raises RatesUnavailable and what storage raises.
        """
        draft = await self._draft(order)
        made = await self.payments.create(draft, _PREFIX, ticket=ticket, outcome=outcome)
        if isinstance(made, Refusal):
            return made
        payment, recorded = made
        assert recorded is not None, "every order sets money aside"
        return Made(payment, recorded)

    async def _draft(self, order: Order) -> Payment:
        now_us = self._clock.now_us()
        buys = order.kind in (Kind.TOKEN_DEPOSIT, Kind.TOKEN_PURCHASE)
        patience_us = ASK_AFTER_US if order.kind is Kind.TOKEN_ESCROW else SILENCE_US
        _, usd = await value_of(self._rates, order.token, order.amount)
        held_on: AccountKey | None = None
        held = order.amount
        if buys:
            held_on = main_wallet(order.token, order.chain)
            held += fee_of(order.token, order.amount)
        return Payment(
            id=0,
            ref=transaction_id(self._random_bytes(16)),
            kind=order.kind,
            state=State.SENDING,
            account=personal(order.user_id, order.token, order.chain),
            user_id=order.user_id,
            asset=order.token,
            amount=order.amount,
            local_asset=KES,
            local_amount=order.local,
            created_us=now_us,
            due_us=now_us + patience_us,
            usd_amount=usd.units,
            usd_rate=usd.rate,
            rate=order.quote.rate,
            quote_id=order.quote.id,
            held=held,
            held_on=held_on,
            phone=order.phone,
            partner=order.partner,
            bill=order.bill,
            bill_account=order.bill_account,
            chain=order.chain,
            description=order.description,
            success_code=success_code(self._random_bytes(SUCCESS_CODE_BYTES)),
        )
