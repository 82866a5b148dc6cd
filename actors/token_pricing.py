"""What a deposit buys: the quote it was begun at, or a newer one when that has grown old."""

from typing import Any, Final

from actors.clock import US, Clock
from actors.ledger import Ledger
from actors.rates import RatesUnavailable
from actors.token_transfers import Quotes, value_of
from domain.fx import receive
from domain.nexuspay.token_settlement import fee_of
from domain.nexuspay.treasury import main_wallet
from domain.payments import Kind, Payment

FRESH_US: Final = 120 * US  # how long a deposit's own quote holds (NXPY-C21)


class Pricing:
    """Implements actors.payment_parts.Parts.terms."""

    def __init__(self, rates: Quotes, ledger: Ledger, clock: Clock) -> None:
        self._rates = rates
        self._ledger = ledger
        self._clock = clock

    async def terms(self, payment: Payment) -> dict[str, Any]:
        """Amount and rate of a deposit whose quote is old; nothing of any other payment.

        The old quote holds when there is no newer one, or the main wallet could not pay it.
        """
        old = self._clock.now_us() - payment.created_us > FRESH_US
        if payment.kind is not Kind.TOKEN_DEPOSIT or not old:
            return {}
        try:
            quote = await self._rates.quote(payment.asset, payment.local_asset)
            amount = receive(quote, payment.local_asset, payment.local_amount).units
            _, usd = await value_of(self._rates, payment.asset, amount)
        except RatesUnavailable:
            return {}
        if not amount or not await self._affordable(payment, amount):
            return {}
        return {
            "amount": amount,
            "rate": quote.rate,
            "quote_id": quote.id,
            "usd_amount": usd.units,
            "usd_rate": usd.rate,
        }

    async def _affordable(self, payment: Payment, amount: int) -> bool:
        account = await self._ledger.accounts.get(main_wallet(payment.asset, payment.chain))
        needed = amount + fee_of(payment.asset, amount) - payment.held
        return needed <= 0 or (account is not None and account.available >= needed)
