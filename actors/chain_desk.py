"""The chains as surfaces use them. One instance, made by assembly; keeps nothing between calls.

    desk.carries(chain, token)           whether that pair can be received and sent here
    await desk.address_for(user, chain)  where a person receives, for ever the same; "cashier",
                                         "user" and "business" addresses are different ones
    desk.takes(chain, address)           whether an address can be sent to (checksum, not ours)
    await desk.owner_of(chain, address)  whose address of ours it is: Owner(id, purpose) or None
    await desk.send(order, ticket, outcome)   tokens of a chain to any address

What comes to a "user" or "business" address is credited to `personal`/`business` (domain/nexuspay/
treasury) once it has its confirmations: a journal, a row with Operation.RECEIVE in the owner's
history, and TransactionMoved(status="confirmed") in the owner's feed. What comes to a "cashier"
address completes the request that waits for it, and is credited to the wallet.

`send` sets the amount aside and answers (payment, recorded), or a Refusal of the ledger; the
chain is asked after that. The payment (Kind.TOKEN_SEND, its `ref` the transaction's id) stands in
its sender's history from then on: pending, then completed once the transaction has its
confirmations, or failed and given back, or error while a person decides; each end is told by
TransactionMoved in the sender's feed. `payment.conversation` is the newest hash of the transaction,
"" before it is signed; `payments.until(payment.id, lambda p: p.conversation or not p.is_open,
seconds)` waits for it. An address of this house is settled in the ledger instead, without a hash.
"""

from dataclasses import dataclass
from typing import Final

from actors.chain_store import Owner
from actors.chains import ChainRail
from actors.clock import Clock
from actors.payments import OutcomeOf, Payments
from domain.chains.table import CHAINS, Chain
from domain.ledger import AccountKey, Recorded, Refusal, Ticket
from domain.nexuspay.treasury import TREASURY
from domain.payments import SILENCE_US, Kind, Payment, State

MAIN: Final = "treasury"  # purpose of the addresses that the operator sends to
_PREFIX: Final = "NXP"  # of references nobody sees: these payments bring their own


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenSend:
    """`amount` units of `account.asset` from `account`, on `account.chain`, to `address`.

    `id` is the transaction's (domain/nexuspay/codes.transaction_id), paid once whatever happens.
    `kes` and `usd` are the amount's value in units, `rate` and `usd_rate` those of one whole
    token; `code` is shown to the sender (transaction_code).
    """

    id: str
    user_id: int
    account: AccountKey
    address: str
    amount: int
    kes: int
    usd: int
    rate: int
    usd_rate: int
    code: str = ""
    description: str = ""


class ChainDesk:
    """See the module."""

    def __init__(self, rail: ChainRail, payments: Payments, clock: Clock) -> None:
        self.payments = payments
        self._rail = rail
        self._clock = clock

    def carries(self, chain: str, token: str) -> bool:
        """Whether the chain is in use and has the token."""
        return self._rail.token(chain, token) is not None

    def chain(self, key: str) -> Chain:
        """What is fixed about a chain in use, with the confirmations asked for here."""
        return self._rail.chain(key) or CHAINS[key]

    async def address_for(self, user_id: int, chain: str, purpose: str = "user") -> str:
        """Where `user_id` receives on `chain`, watched from now on. Raises StoreUnavailable.

        A "user" address made here is only for people without a wallet address: theirs is
        watched without being asked for.
        """
        return await self._rail.address_of(user_id, chain, purpose)

    def takes(self, chain: str, address: str) -> bool:
        """Whether something can be sent to that address on a chain in use."""
        return self._rail.carries(chain) and self._rail.takes(chain, address)

    async def owner_of(self, chain: str, address: str) -> Owner | None:
        """Whose address of ours it is. Raises StoreUnavailable."""
        return await self._rail.owner_of(chain, address)

    async def watch_treasury(self) -> dict[str, str]:
        """What comes to these addresses, by chain, is the platform's: tokens for sale, on the
        main wallet (domain/nexuspay/treasury). Raises StoreUnavailable.

        Not the hot wallets': what is collected there from addresses of customers is in the books
        already, and so is the change of Bitcoin payments.
        """
        return {
            chain: await self._rail.address_of(TREASURY, chain, MAIN, number=0)
            for chain in self._rail.chains
        }

    def hot_address(self, chain: str) -> str:
        """Where withdrawals leave from."""
        return self._rail.hot_address(chain)

    async def send(
        self, order: TokenSend, ticket: Ticket | None = None, outcome: OutcomeOf | None = None
    ) -> tuple[Payment, Recorded] | Refusal:
        """Set the tokens aside and let the rail pay; see the module. Raises what storage raises."""
        now_us = self._clock.now_us()
        draft = Payment(
            id=0,
            ref=order.id,
            kind=Kind.TOKEN_SEND,
            state=State.SENDING,
            account=order.account,
            user_id=order.user_id,
            asset=order.account.asset,
            amount=order.amount,
            local_asset="KES",
            local_amount=order.kes,
            usd_amount=order.usd,
            rate=order.rate,
            usd_rate=order.usd_rate,
            held=order.amount,
            address=order.address,
            chain=order.account.chain,
            description=order.description,
            success_code=order.code,
            created_us=now_us,
            due_us=now_us + SILENCE_US,
        )
        made = await self.payments.create(draft, _PREFIX, ticket=ticket, outcome=outcome)
        if isinstance(made, Refusal):
            return made
        payment, recorded = made
        assert recorded is not None, "what is sent was set aside"
        return payment, recorded
