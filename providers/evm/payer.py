"""Pays on an EVM chain: implements actors.chain_rail.Payer.

A withdrawal uses one nonce of its address, whatever becomes of it; every version of its
transaction carries the same one, so at most one of them can ever be included.
"""

from collections.abc import Mapping, Sequence
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
from domain.chains.transfers import SignedTransaction, Withdrawal, WithdrawalKind
from providers.evm.client import Call, EvmRpc, RpcError
from providers.evm.codec import Terms, balance_call, signed, transfer_call
from providers.evm.fees import FEES, priced
from providers.evm.wire import Receipt, number
from providers.hdwallet.wallet import HotKey, Keys

_TRANSFER_GAS: Final = 90_000  # what fee() assumes of a token; payments estimate their own
_PLAIN_GAS: Final = 21_000
# What a sweep leaves of the own coin, in fees: one to pay, one for what a rollup charges beside it.
_SWEEP_RESERVE: Final = 2
# Nodes replace a transaction for ten per cent more; an eighth is clear of their rounding.
_RAISE: Final = (9, 8)
_MOST_VERSIONS: Final = 12
_HAD_IT: Final = ("already known", "known transaction", "already imported", "alreadyknown")
_REVERT_CODE: Final = 3
_SHORT: Final = "the hot wallet holds too little"
_decode_terms: Final = msgspec.json.Decoder(Terms).decode


class EvmPayer:
    """The hot wallet of one chain."""

    def __init__(self, rpc: EvmRpc, chain: Chain, tokens: TokenTable, keys: Keys) -> None:
        self._rpc = rpc
        self._chain = chain
        self._tokens = tokens
        self._keys = keys

    @property
    def address(self) -> str:
        return self._keys.hot.address

    async def prepare(
        self, withdrawal: Withdrawal, flights: Sequence[Flight], slots: WithdrawalStore, at_us: int
    ) -> SignedTransaction | Refused | NotNow:
        """Refused when the chain says that the payment would fail or the wallet holds too little;
        NotNow when only what is under way makes it too little, or a sweep's fee is not there."""
        key = self._keys.of(withdrawal)
        if key is None:
            return NotNow("the key of its address is not here")
        token = self._token(withdrawal.token)
        to, value, data = _message(token, withdrawal)
        answers = await self._rpc.batch(self._questions(key.address, token, to, value, data))
        count, coins, held, gas, *fees = answers
        for answer in (count, coins, held):
            if isinstance(answer, RpcError):
                raise ChainUnavailable(str(answer))
        balance = number(coins if token.is_native else held[:66])
        if balance < withdrawal.amount_raw:
            return Refused(_SHORT)
        if isinstance(gas, RpcError):
            if _is_revert(gas):
                return Refused(f"the chain would refuse it: {gas.message}")
            return NotNow(str(gas))  # of this payment: others need not wait for it
        under_way = sum(f.withdrawal.amount_raw for f in flights if _pays(f, withdrawal))
        max_fee, tip = priced(fees)
        limit = number(gas) * 6 // 5
        is_sweep = withdrawal.kind is WithdrawalKind.SWEEP
        if is_sweep and token.is_native:
            value -= _SWEEP_RESERVE * limit * max_fee
            if value <= 0:
                return Refused("worth less than its fee")
        if number(coins) < limit * max_fee + value:
            return NotNow("its fee is not there yet") if is_sweep else Refused(_SHORT)
        if balance < withdrawal.amount_raw + under_way:
            return NotNow("the hot wallet is short until others are through")
        last = await slots.last_slot(self._chain.key, withdrawal.source)
        nonce = max(number(count), 0 if last is None else int(last) + 1)
        terms = Terms(nonce, to, str(value), data, limit, max_fee, tip)
        return self._sign(withdrawal.id, 0, terms, at_us, key)

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
        # The counts first: what they count is in blocks whose receipts were there before them.
        counts = {
            address: number(await self._ask("eth_getTransactionCount", [address, hex(deep)], str))
            for address in {self._from(flight.withdrawal) for flight in flights}
        }
        sightings = await self._included(flights, head)
        return [
            await self._not_included(flight, counts[self._from(flight.withdrawal)], head)
            if sighting is None
            else sighting
            for flight, sighting in zip(flights, sightings, strict=True)
        ]

    async def bump(self, flight: Flight, at_us: int) -> SignedTransaction | None:
        newest, withdrawal = flight.versions[-1], flight.withdrawal
        key = self._keys.of(withdrawal)
        if newest.version + 1 >= _MOST_VERSIONS or key is None:
            return None
        terms = _decode_terms(newest.terms)
        max_fee, tip = await self._priced()
        more, than = _RAISE
        raised = msgspec.structs.replace(
            terms,
            max_fee=max(max_fee, -(-terms.max_fee * more // than)),
            priority_fee=max(tip, -(-terms.priority_fee * more // than)),
        )
        if withdrawal.kind is WithdrawalKind.SWEEP:
            # It pays its own fees, of what lies at its address.
            value = int(terms.value)
            value -= terms.gas * (raised.max_fee - terms.max_fee) if value else 0
            coins = number(await self._ask("eth_getBalance", [withdrawal.source, "latest"], str))
            if value < 0 or coins < value + terms.gas * raised.max_fee:
                return None
            raised = msgspec.structs.replace(raised, value=str(value))
        return self._sign(newest.withdrawal_id, newest.version + 1, raised, at_us, key)

    async def fee(self, token: str) -> int:
        max_fee, _ = await self._priced()
        native = self._tokens[self._chain.key, token].is_native
        return max_fee * (_PLAIN_GAS if native else _TRANSFER_GAS)

    async def held(self, address: str, tokens: Sequence[str]) -> Mapping[str, int]:
        contracts = [self._token(symbol) for symbol in tokens]
        calls: list[Call] = [
            ("eth_call", [{"to": t.contract, "data": balance_call(address)}, "latest"], str)
            for t in contracts
            if not t.is_native
        ]
        calls.append(("eth_getBalance", [address, "latest"], str))
        answers = await self._rpc.batch(calls)
        for answer in answers:
            if isinstance(answer, RpcError):
                raise ChainUnavailable(str(answer))
        coins = number(answers.pop())
        of_contracts = iter(answers)
        found = {
            t.symbol: coins if t.is_native else number(next(of_contracts)[:66]) for t in contracts
        }
        return {**found, "": coins}

    async def sweep_cost(self, source: str, token: str, amount_raw: int) -> int:
        max_fee, _ = await self._priced()
        contract = self._token(token)
        if contract.is_native:
            return _SWEEP_RESERVE * _PLAIN_GAS * max_fee
        data = "0x" + transfer_call(self.address, amount_raw)
        call = {"from": source, "to": contract.contract, "value": "0x0", "data": data}
        gas = number(await self._ask("eth_estimateGas", [call], str)) * 6 // 5
        return max_fee * gas * 3 // 2  # until it is signed fees may rise by half

    def _token(self, symbol: str) -> Token:
        """`symbol` "" is the chain's own coin, whether that is a token of ours or not."""
        return self._tokens.get((self._chain.key, symbol)) or Token(self._chain.key, "", "", 18)

    def _from(self, withdrawal: Withdrawal) -> str:
        return withdrawal.source or self.address

    def _questions(self, sender: str, token: Token, to: str, value: int, data: str) -> list[Call]:
        held = {"to": token.contract or sender, "data": balance_call(sender)}
        call = {"from": sender, "to": to, "value": hex(value), "data": "0x" + data}
        return [
            ("eth_getTransactionCount", [sender, "pending"], str),
            ("eth_getBalance", [sender, "latest"], str),
            ("eth_call", [held, "latest"], str),
            ("eth_estimateGas", [call], str),
            *FEES,
        ]

    def _sign(
        self, withdrawal_id: str, version: int, terms: Terms, at_us: int, key: HotKey
    ) -> SignedTransaction:
        raw, tx_hash = signed(terms, self._chain.chain_id, key.secret)
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
        for tx_hash, answer in zip(hashes, await self._rpc.batch(calls), strict=True):
            if isinstance(answer, RpcError):
                raise ChainUnavailable(str(answer))
            if answer is not None and answer.block_number is not None:
                found[tx_hash] = _seen(tx_hash, answer, number(answer.block_number), head)
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

    async def _priced(self) -> tuple[int, int]:
        return priced(await self._rpc.batch(FEES))

    async def _ask(self, method: str, params: list[Any], kind: Any) -> Any:
        try:
            return await self._rpc.call(method, params, kind)
        except RpcError as error:
            raise ChainUnavailable(str(error)) from error


def _message(token: Token, withdrawal: Withdrawal) -> tuple[str, int, str]:
    """Receiver, value and data of the transaction."""
    if token.is_native:
        return withdrawal.address, withdrawal.amount_raw, ""
    return token.contract, 0, transfer_call(withdrawal.address, withdrawal.amount_raw)


def _pays(flight: Flight, withdrawal: Withdrawal) -> bool:
    other = flight.withdrawal
    same = (other.token, other.source) == (withdrawal.token, withdrawal.source)
    return bool(flight.versions) and same


def _is_revert(error: RpcError) -> bool:
    return error.code == _REVERT_CODE or "revert" in error.message.lower()


def _seen(tx_hash: str, receipt: Receipt, block: int, head: int) -> Included:
    return Included(
        tx_hash=tx_hash,
        block=block,
        confirmations=max(head - block + 1, 0),
        succeeded=number(receipt.status) == 1,
        fee_raw=receipt.fee_raw,
        gas_used=number(receipt.gas_used),
    )
