"""Tokens sent from a person's wallet to an address outside, over its chain (NXPY-C16).

Nothing is kept here: what is sent is a payment with its tokens set aside, and the rail does the
rest (actors/chain_desk.py).
"""

from collections.abc import Callable
from typing import NamedTuple

from actors.chain_desk import ChainDesk, TokenSend
from actors.payments import OutcomeOf
from actors.token_transfers import Quotes, value_of
from domain.ledger import AccountKey, Recorded, Refusal, Ticket
from domain.nexuspay.codes import TRANSACTION_CODE_BYTES, transaction_code, transaction_id
from domain.payments import Payment


class OnItsWay(NamedTuple):
    """What was set aside for an address outside."""

    payment: Payment
    recorded: Recorded


class TokenSends:
    """Sends tokens over chains."""

    def __init__(
        self, desk: ChainDesk, rates: Quotes, random_bytes: Callable[[int], bytes]
    ) -> None:
        self._desk = desk
        self._rates = rates
        self._random_bytes = random_bytes

    def reaches(self, chain: str, address: str) -> bool:
        """Whether that address can be paid: its chain is in use, and it is none of the rail's."""
        return self._desk.takes(chain, address)

    async def send(
        self,
        user_id: int,
        account: AccountKey,
        amount: int,
        address: str,
        ticket: Ticket | None = None,
        outcome: OutcomeOf | None = None,
    ) -> OnItsWay | Refusal:
        """Set `amount` units of `account` aside; the chain is asked after that.

        Raises RatesUnavailable while the value of the token is not known, and what storage
        raises.
        """
        kes, usd = await value_of(self._rates, account.asset, amount)
        order = TokenSend(
            id=transaction_id(self._random_bytes(16)),
            user_id=user_id,
            account=account,
            address=address,
            amount=amount,
            kes=kes.units,
            usd=usd.units,
            rate=kes.rate,
            usd_rate=usd.rate,
            code=transaction_code(self._random_bytes(TRANSACTION_CODE_BYTES)),
        )
        made = await self._desk.send(order, ticket, outcome)
        return made if isinstance(made, Refusal) else OnItsWay(*made)
