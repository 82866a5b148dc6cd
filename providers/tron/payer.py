"""Pays on TRON: implements actors.chain_rail.Payer.

TRON has no nonces. What makes a withdrawal unique is that exactly one transaction is ever signed
for it, and that a transaction says when it dies: after that, and when the chain's own final
blocks are past it by a good margin without having included it, nothing was paid.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from actors.chain_rail import (
    Accepted,
    ChainUnavailable,
    Dead,
    Delivery,
    Included,
    InDoubt,
    Missing,
    NotNow,
    Refused,
    Sighting,
    Waiting,
)
from actors.chain_store import Flight, WithdrawalStore
from domain.chains.table import TRON
from domain.chains.tokens import Token, TokenTable
from domain.chains.transfers import SignedTransaction, Withdrawal, WithdrawalKind
from providers.hdwallet.wallet import HotKey, Keys
from providers.tron import codec, wire
from providers.tron.client import TronGridApi

_LIVES_MS: Final = 600_000
# The node that tells how far the chain is may be ahead of the one that tells what is in it.
_SURE_MS: Final = 600_000
_SUN: Final = 1_000_000  # to the TRX
_BANDWIDTH_SUN: Final = 400_000  # burned for the bytes of one transaction when there is no stake
_ACTIVATION_SUN: Final = 1_100_000  # burned for the first coins an address ever gets
_USUAL_ENERGY: Final = 65_000
_ENERGY_PRICE: Final = "getEnergyFee"
_MOST_FEE: Final = 150 * _SUN
_HAS_IT: Final = ("SUCCESS", "DUP_TRANSACTION_ERROR")
_SHORT: Final = "the hot wallet holds too little"
_decode_terms: Final = msgspec.json.Decoder(codec.Terms).decode


class TronPayer:
    """The hot wallet on TRON."""

    def __init__(self, api: TronGridApi, tokens: TokenTable, keys: Keys) -> None:
        self._api = api
        self._tokens = tokens
        self._keys = keys

    @property
    def address(self) -> str:
        return self._keys.hot.address

    async def prepare(
        self, withdrawal: Withdrawal, flights: Sequence[Flight], slots: WithdrawalStore, at_us: int
    ) -> SignedTransaction | Refused | NotNow:
        key = self._keys.of(withdrawal)
        if key is None:
            return NotNow("the key of its address is not here")
        token, is_sweep = self._token(withdrawal.token), withdrawal.kind is WithdrawalKind.SWEEP
        coins = (await self._account(key.address)).balance
        held = coins if token.is_native else await self._held(key.address, token)
        if held < withdrawal.amount_raw:
            return Refused(_SHORT)
        fee, amount = _BANDWIDTH_SUN, withdrawal.amount_raw
        if not token.is_native:
            energy = await self._energy(key.address, token, withdrawal.address, amount)
            if isinstance(energy, Refused):
                return energy
            fee += energy * 6 // 5 * await self._energy_price()
        elif withdrawal.kind is WithdrawalKind.GAS:
            fee += _ACTIVATION_SUN
        elif is_sweep:
            amount -= fee
            if amount <= 0:
                return Refused("worth less than its fee")
        if coins < fee + (amount if token.is_native else 0) or fee > _MOST_FEE:
            return NotNow("its fee is not there yet") if is_sweep else Refused(_SHORT)
        under_way = sum(f.withdrawal.amount_raw for f in flights if _pays(f, withdrawal))
        if held < withdrawal.amount_raw + under_way:
            return NotNow("the hot wallet is short until others are through")
        contract = codec.transfer(token, key.address, withdrawal.address, amount)
        limit = 0 if token.is_native else fee
        return await self._signed(withdrawal.id, contract, limit, at_us, key)

    async def send(self, signed: SignedTransaction) -> Delivery:
        try:
            body = {"transaction": signed.raw.hex()}
            answer = await self._api.ask("/wallet/broadcasthex", body, wire.Broadcast)
        except ChainUnavailable as error:
            return InDoubt(str(error))
        if answer.result or answer.code in _HAS_IT:
            return Accepted()
        return InDoubt(answer.code or "no code")

    async def look(self, flights: Sequence[Flight]) -> Sequence[Sighting]:
        if not flights:
            return []
        # First how far the final blocks are; what is asked afterwards is at least as new.
        solid = (await self._api.ask("/walletsolidity/getnowblock", {}, wire.Block)).block_header
        return [await self._one(flight, solid.raw_data) for flight in flights]

    async def bump(self, flight: Flight, at_us: int) -> SignedTransaction | None:
        """Never: a second transaction could be paid beside the first."""
        return None

    async def fee(self, token: str) -> int:
        if self._tokens["tron", token].is_native:
            return _BANDWIDTH_SUN
        return _BANDWIDTH_SUN + _USUAL_ENERGY * await self._energy_price()

    async def _signed(
        self, withdrawal_id: str, contract: bytes, fee_limit: int, at_us: int, key: HotKey
    ) -> SignedTransaction:
        head = (await self._api.ask("/wallet/getnowblock", {}, wire.Block)).block_header.raw_data
        # Refers to a final block: one that the chain may still drop would take the payment with it.
        solid = await self._api.ask("/walletsolidity/getnowblock", {}, wire.Block)
        try:
            reference = codec.Reference(
                solid.block_header.raw_data.number, bytes.fromhex(solid.block_id)
            )
        except ValueError as error:
            raise ChainUnavailable("unreadable block id") from error
        if len(reference.id) != 32 or not head.timestamp:
            raise ChainUnavailable("no newest block")
        expires_ms = head.timestamp + _LIVES_MS
        raw = codec.raw_data(
            contract, reference, expires_ms=expires_ms, made_ms=at_us // 1000, fee_limit=fee_limit
        )
        transaction, tx_id = codec.signed(raw, key.secret)
        return SignedTransaction(
            withdrawal_id=withdrawal_id,
            version=0,
            tx_hash=tx_id,
            raw=transaction,
            slots=(),
            terms=msgspec.json.encode(codec.Terms(expires_ms)),
            signed_us=at_us,
        )

    async def _one(self, flight: Flight, solid: wire.BlockRaw) -> Sighting:
        signed = flight.versions[-1]
        body = {"value": signed.tx_hash}
        final = await self._api.ask("/walletsolidity/gettransactioninfobyid", body, wire.Info)
        if final.id:
            depth = max(solid.number - final.block_number + 1, 1)
            energy = final.receipt.energy_usage_total
            return Included(final.id, final.block_number, depth, final.succeeded, final.fee, energy)
        for path in ("/wallet/gettransactionbyid", "/wallet/gettransactionfrompending"):
            if (await self._api.ask(path, body, wire.Transaction)).tx_id:
                return Waiting()
        if solid.timestamp > _decode_terms(signed.terms).expires_ms + _SURE_MS:
            return Dead("expired without having been included")
        return Missing()

    async def _account(self, address: str) -> wire.Account:
        body = {"address": address, "visible": True}
        return await self._api.ask("/wallet/getaccount", body, wire.Account)

    async def held(self, address: str, tokens: Sequence[str]) -> Mapping[str, int]:
        coins = (await self._account(address)).balance
        found = {"": coins}
        for symbol in tokens:
            token = self._token(symbol)
            found[symbol] = coins if token.is_native else await self._held(address, token)
        return found

    async def sweep_cost(self, source: str, token: str, amount_raw: int) -> int:
        contract = self._token(token)
        if contract.is_native:
            return _BANDWIDTH_SUN
        energy = await self._energy(source, contract, self.address, amount_raw)
        if isinstance(energy, Refused):
            raise ChainUnavailable(energy.reason)
        return _BANDWIDTH_SUN + energy * 3 // 2 * await self._energy_price()

    def _token(self, symbol: str) -> Token:
        return self._tokens["tron", symbol or TRON.native]

    async def _held(self, address: str, token: Token) -> int:
        parameter = codec.address_parameter(address)
        answer = await self._constant(address, token, "balanceOf(address)", parameter)
        if not answer.constant_result:
            raise ChainUnavailable("no balance")
        try:
            return int(answer.constant_result[0][:64], 16)
        except ValueError as error:
            raise ChainUnavailable("unreadable balance") from error

    async def _energy(self, owner: str, token: Token, to: str, amount_raw: int) -> int | Refused:
        parameter = codec.transfer_parameter(to, amount_raw)
        answer = await self._constant(owner, token, "transfer(address,uint256)", parameter)
        if not answer.result.result or answer.result.message:  # a revert has a message
            return Refused("the chain would refuse it")
        return answer.energy_used

    async def _constant(
        self, owner: str, token: Token, function: str, parameter: str
    ) -> wire.Constant:
        body = {
            "owner_address": owner,
            "contract_address": token.contract,
            "function_selector": function,
            "parameter": parameter,
            "visible": True,
        }
        return await self._api.ask("/wallet/triggerconstantcontract", body, wire.Constant)

    async def _energy_price(self) -> int:
        """Sun for a unit of energy."""
        answer = await self._api.ask("/wallet/getchainparameters", {}, wire.ChainParameters)
        for parameter in answer.parameters:
            if parameter.key == _ENERGY_PRICE and parameter.value > 0:
                return parameter.value
        raise ChainUnavailable("no price of energy")


def _pays(flight: Flight, withdrawal: Withdrawal) -> bool:
    other = flight.withdrawal
    same = (other.token, other.source) == (withdrawal.token, withdrawal.source)
    return bool(flight.versions) and same
