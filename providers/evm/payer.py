"""Pays on an EVM chain: implements actors.chain_rail.Payer.

A withdrawal uses one nonce, whatever becomes of it; every version of its transaction carries the
same one, so at most one of them can ever be included.
"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from actors.chain_rail import (
    Accepted,
    ChainUnavailable,
    Delivery,
    Displaced,
    Included,
    InDoubt,
    Missing,
    NotNow,
    Refused,
    Sighting,
    Waiting,
)
from actors.chain_store import Flight, WithdrawalStore
from domain.chains.table import Chain
from domain.chains.tokens import Token, TokenTable
from domain.chains.transfers import SignedTransaction, Withdrawal
from providers.evm.client import Call, EvmRpc, RpcError
from providers.evm.codec import Terms, balance_call, signed, transfer_call
from providers.evm.wire import FeeHistory, Receipt, number
from providers.hdwallet.wallet import HotKey

_TRANSFER_GAS: Final = 90_000  # what fee() assumes of a token; payments estimate their own
_PLAIN_GAS: Final = 21_000
_LEAST_TIP: Final = 1_000_000  # wei: some chains report none and still want a little
# Nodes replace a transaction for ten per cent more; an eighth is clear of their rounding.
_RAISE: Final = (9, 8)
_MOST_VERSIONS: Final = 12
_HAD_IT: Final = ("already known", "known transaction", "already imported", "alreadyknown")
_REVERT_CODE: Final = 3
_SHORT: Final = "the hot wallet holds too little"
_decode_terms: Final = msgspec.json.Decoder(Terms).decode


class EvmPayer:
    """The hot wallet of one chain."""

    def __init__(self, rpc: EvmRpc, chain: Chain, tokens: TokenTable, key: HotKey) -> None:
        self._rpc = rpc
        self._chain = chain
        self._tokens = tokens
        self._key = key

    @property
    def address(self) -> str:
        return self._key.address

    async def prepare(
        self, withdrawal: Withdrawal, flights: Sequence[Flight], slots: WithdrawalStore, at_us: int
    ) -> SignedTransaction | Refused | NotNow:
        """Refused when the chain says that the payment would fail or the wallet holds too little;
        NotNow when only what is under way makes it too little."""
        token = self._tokens[self._chain.key, withdrawal.token]
        to, value, data = _message(token, withdrawal)
        answers = await self._rpc.batch(self._questions(token, to, value, data))
        count, fees, coins, held, gas = answers
        for answer in answers[:-1]:
            if isinstance(answer, RpcError):
                raise ChainUnavailable(str(answer))
        balance = number(coins if token.is_native else held[:66])
        if balance < withdrawal.amount_raw:
            return Refused(_SHORT)
        if isinstance(gas, RpcError):
            if _is_revert(gas):
                return Refused(f"the chain would refuse it: {gas.message}")
            raise ChainUnavailable(str(gas))
        under_way = sum(f.withdrawal.amount_raw for f in flights if _pays(f, withdrawal))
        max_fee, tip = _fees(fees)
        limit = number(gas) * 6 // 5
        if number(coins) < limit * max_fee + value:
            return Refused(_SHORT)
        if balance < withdrawal.amount_raw + under_way:
            return NotNow("the hot wallet is short until others are through")
        last = await slots.last_slot(self._chain.key)
        nonce = max(number(count), 0 if last is None else int(last) + 1)
        terms = Terms(nonce, to, str(value), data, limit, max_fee, tip)
        return self._sign(withdrawal.id, 0, terms, at_us)

    async def send(self, signed: SignedTransaction) -> Delivery:
        raw = "0x" + signed.raw.hex()
        try:
            tx_hash = await self._rpc.call("eth_sendRawTransaction", [raw], str)
        except ChainUnavailable as error:
            return InDoubt(str(error))
        except RpcError as error:
            had_it = any(words in error.message.lower() for words in _HAD_IT)
            return Accepted() if had_it else InDoubt(error.message)
        return (
            Accepted() if tx_hash.lower() == signed.tx_hash else InDoubt("another hash came back")
        )

    async def look(self, flights: Sequence[Flight]) -> Sequence[Sighting]:
        if not flights:
            return []
        head = number(await self._ask("eth_blockNumber", [], str))
        deep = max(head - self._chain.confirmations, 0)
        # The count first: what it counts is in blocks whose receipts were there before it.
        count = number(await self._ask("eth_getTransactionCount", [self.address, hex(deep)], str))
        sightings = await self._included(flights, head)
        return [
            await self._not_included(flight, count, head) if sighting is None else sighting
            for flight, sighting in zip(flights, sightings, strict=True)
        ]

    async def bump(self, flight: Flight, at_us: int) -> SignedTransaction | None:
        newest = flight.versions[-1]
        if newest.version + 1 >= _MOST_VERSIONS:
            return None
        terms = _decode_terms(newest.terms)
        max_fee, tip = _fees(await self._ask(*_FEES))
        more, than = _RAISE
        raised = msgspec.structs.replace(
            terms,
            max_fee=max(max_fee, -(-terms.max_fee * more // than)),
            priority_fee=max(tip, -(-terms.priority_fee * more // than)),
        )
        return self._sign(newest.withdrawal_id, newest.version + 1, raised, at_us)

    async def fee(self, token: str) -> int:
        max_fee, _ = _fees(await self._ask(*_FEES))
        native = self._tokens[self._chain.key, token].is_native
        return max_fee * (_PLAIN_GAS if native else _TRANSFER_GAS)

    def _questions(self, token: Token, to: str, value: int, data: str) -> list[Call]:
        held = {"to": token.contract or self.address, "data": balance_call(self.address)}
        call = {"from": self.address, "to": to, "value": hex(value), "data": "0x" + data}
        return [
            ("eth_getTransactionCount", [self.address, "pending"], str),
            _FEES,
            ("eth_getBalance", [self.address, "latest"], str),
            ("eth_call", [held, "latest"], str),
            ("eth_estimateGas", [call], str),
        ]

    def _sign(
        self, withdrawal_id: str, version: int, terms: Terms, at_us: int
    ) -> SignedTransaction:
        raw, tx_hash = signed(terms, self._chain.chain_id, self._key.secret)
        return SignedTransaction(
            withdrawal_id=withdrawal_id,
            version=version,
            tx_hash=tx_hash,
            raw=raw,
            slots=(f"{terms.nonce:020d}",),
            terms=msgspec.json.encode(terms),
            signed_us=at_us,
        )

    async def _included(self, flights: Sequence[Flight], head: int) -> list[Included | None]:
        """For each flight its version that is in a block, newest first."""
        hashes = [v.tx_hash for flight in flights for v in flight.versions]
        kind: Any = Receipt | None
        calls = [("eth_getTransactionReceipt", [tx_hash], kind) for tx_hash in hashes]
        found: dict[str, Included] = {}
        for answer in await self._rpc.batch(calls):
            if isinstance(answer, RpcError):
                raise ChainUnavailable(str(answer))
            if answer is not None:
                found[answer.transaction_hash] = _seen(answer, head)
        return [
            next((found[v.tx_hash] for v in reversed(f.versions) if v.tx_hash in found), None)
            for f in flights
        ]

    async def _not_included(self, flight: Flight, count: int, head: int) -> Sighting:
        nonce = _decode_terms(flight.versions[-1].terms).nonce
        if count > nonce:
            # Asked a second time, lest the chain moved between count and receipts.
            again = (await self._included([flight], head))[0]
            return again or Displaced(f"nonce {nonce} was used by another transaction")
        newest = flight.versions[-1].tx_hash
        kind: Any = msgspec.Raw
        known = await self._ask("eth_getTransactionByHash", [newest], kind)
        return Missing() if bytes(known) == b"null" else Waiting()

    async def _ask(self, method: str, params: list[Any], kind: Any) -> Any:
        try:
            return await self._rpc.call(method, params, kind)
        except RpcError as error:
            raise ChainUnavailable(str(error)) from error


_FEES: Final[Call] = ("eth_feeHistory", ["0x5", "latest", [50]], FeeHistory)


def _message(token: Token, withdrawal: Withdrawal) -> tuple[str, int, str]:
    """Receiver, value and data of the transaction."""
    if token.is_native:
        return withdrawal.address, withdrawal.amount_raw, ""
    return token.contract, 0, transfer_call(withdrawal.address, withdrawal.amount_raw)


def _pays(flight: Flight, withdrawal: Withdrawal) -> bool:
    return bool(flight.versions) and flight.withdrawal.token == withdrawal.token


def _fees(history: FeeHistory) -> tuple[int, int]:
    """Maximum fee and tip per gas: the next base fee may double before the payment fails to
    keep up, and what is not needed is not charged."""
    base = number(history.base_fee_per_gas[-1])
    tips = sorted(number(reward[0]) for reward in history.reward or [] if reward)
    tip = max(tips[len(tips) // 2] if tips else 0, _LEAST_TIP)
    return 2 * base + tip, tip


def _is_revert(error: RpcError) -> bool:
    return error.code == _REVERT_CODE or "revert" in error.message.lower()


def _seen(receipt: Receipt, head: int) -> Included:
    block = number(receipt.block_number)
    return Included(
        tx_hash=receipt.transaction_hash,
        block=block,
        confirmations=max(head - block + 1, 0),
        succeeded=number(receipt.status) == 1,
        fee_raw=receipt.fee_raw,
        gas_used=number(receipt.gas_used),
    )
