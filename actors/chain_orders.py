"""What a payment asks of the chain rail, and what it is answered."""

from collections.abc import Mapping
from typing import Final, Protocol

import msgspec
import trio

from actors.chain_rail import Refused
from actors.chain_store import Owner
from actors.chains import ChainRail, Sent, Unknown
from actors.identity_store import StoreUnavailable
from domain.chain_settlement import sent_on_chain
from domain.chains.amounts import raw_of
from domain.chains.table import chain_key
from domain.chains.tokens import Token
from domain.chains.transfers import Deposit, DepositState
from domain.nexuspay.codes import transfer_hash
from domain.payments import Payment

_WITHIN_S: Final = 30.0  # for a broadcast; past it the answer is told as a fact


class OnUs(msgspec.Struct, frozen=True):
    """The address is of this house: it is settled in the ledger, and no chain hears of it.

    `deposit` is what arrives there, told like any other.
    """

    deposit: Deposit


class OnUsArrived(msgspec.Struct, frozen=True):
    """A row change: a deposit that another of our customers paid, confirmed and not told yet."""

    deposit: Deposit
    at_us: int


ChainAnswer = Sent | Refused | Unknown | OnUs


class ChainPayments(Protocol):
    """The rail as payments see it."""

    async def pay(self, payment: Payment) -> ChainAnswer:
        """Pay it, once however often this is asked. Never raises."""
        ...

    def tell(self, chain: str) -> None:
        """Something stored for that chain was not told yet: tell it soon. Never waits."""
        ...


class NoChains(ChainPayments):
    """Where no chain is configured."""

    async def pay(self, payment: Payment) -> ChainAnswer:
        return Refused(f"no chain is configured for {payment.chain}")

    def tell(self, chain: str) -> None:
        return None


class ChainOrders(ChainPayments):
    """Pays by the rail. `aliases` are addresses that stand for others: those of documents."""

    def __init__(self, rail: ChainRail, aliases: Mapping[str, str]) -> None:
        self._rail = rail
        self._aliases = aliases

    async def pay(self, payment: Payment) -> ChainAnswer:
        chain, asset = chain_key(payment.chain), payment.asset
        units, token = sent_on_chain(payment), self._rail.token(chain, asset)
        if token is None:
            return Refused(f"{asset} is not carried on {chain}")
        address = self._aliases.get(payment.address, payment.address)
        # People write one address in several ways; a request that waits for what arrives has ours.
        address = self._rail.canonical(chain, address) or address
        try:
            # What a chain may have heard of is never settled any other way.
            if await self._rail.status(payment.ref) is None:
                owner = await self._rail.owner_of(chain, address)
                if owner is not None:
                    return _on_us(payment, token, owner, address, units)
            deadline = trio.current_time() + _WITHIN_S
            return await self._rail.broadcast(payment.ref, chain, asset, address, units, deadline)
        except StoreUnavailable:
            return Unknown()

    def tell(self, chain: str) -> None:
        self._rail.tell(chain)


def _on_us(
    payment: Payment, token: Token, owner: Owner, address: str, units: int
) -> OnUs | Refused:
    """What arrives when `payment` is settled on us: for ever the same."""
    raw = raw_of(units, token)
    if not raw:
        return Refused("invalid amount")
    return OnUs(
        Deposit(
            id=0,
            chain=token.chain,
            token=token.symbol,
            tx_hash=transfer_hash(payment.ref),
            ordinal=0,
            address=address,
            owner=owner.id,
            purpose=owner.purpose,
            amount_raw=raw,
            block=0,
            block_hash="",
            state=DepositState.CONFIRMED,
            units=units,
        )
    )
