"""Pays on Bitcoin: implements actors.chain_rail.Payer.

A withdrawal uses up coins; every version of its transaction spends exactly the same ones, so at
most one can ever be included. Only settled coins are spent: a payment that waits for a block is
never the ground another one stands on, so raising its fee breaks nothing.
"""

from collections.abc import Mapping, Sequence
from decimal import ROUND_CEILING, Decimal
from typing import Final

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
from domain.chains.addresses import bitcoin_script
from domain.chains.table import BITCOIN
from domain.chains.transfers import SignedTransaction, Withdrawal, WithdrawalKind
from providers.bitcoin.client import EsploraApi, Rejected
from providers.bitcoin.coins import (
    DUST,
    Coin,
    Terms,
    chosen,
    collected,
    dearer,
    dearer_sweep,
    rate_of,
    size_of,
    unsigned,
)
from providers.bitcoin.tx import serialized, signed
from providers.bitcoin.wire import Outspend, Transaction, Utxo
from providers.hdwallet.wallet import HotKey, Keys

_TARGET_BLOCKS: Final = ("3", "6", "2", "1")  # fee estimates we take, the first there is
_LEAST_RATE, _MOST_RATE = 1, 500  # satoshis a virtual byte
_USUAL_SIZE: Final = 141
_MOST_VERSIONS: Final = 12
_HAD_IT: Final = ("already in block chain", "txn-already-in-mempool", "txn-already-known",
                  "already in utxo set")  # fmt: skip
_decode_terms: Final = msgspec.msgpack.Decoder(Terms).decode
_encode_terms: Final = msgspec.msgpack.Encoder().encode


class BitcoinPayer:
    """The hot wallet on Bitcoin."""

    def __init__(self, api: EsploraApi, keys: Keys) -> None:
        self._api = api
        self._keys = keys
        script = bitcoin_script(keys.hot.address)
        assert script is not None
        self._own_script = script

    @property
    def address(self) -> str:
        return self._keys.hot.address

    async def prepare(
        self, withdrawal: Withdrawal, flights: Sequence[Flight], slots: WithdrawalStore, at_us: int
    ) -> SignedTransaction | Refused | NotNow:
        script = bitcoin_script(withdrawal.address)
        assert script is not None, "addresses are checked before they come here"
        key = self._keys.of(withdrawal)
        if key is None:
            return NotNow("the key of its address is not here")
        if withdrawal.amount_raw < DUST:
            return Refused("below what the network carries")
        coins = await self._coins(key.address, withdrawal.source, slots)
        rate = await self._rate()
        if withdrawal.kind is WithdrawalKind.SWEEP:
            terms = collected(coins, script, rate)
            if terms is None:
                return Refused("worth less than its fee")
        else:
            terms = chosen(coins, script, withdrawal.amount_raw, self._own_script, rate)
        if terms is None:
            if any(f.versions and not f.withdrawal.source for f in flights):
                return NotNow("the hot wallet is short until others are through")
            return Refused("the hot wallet holds too little")
        return self._signed(withdrawal.id, 0, terms, at_us, key)

    async def send(self, signed: SignedTransaction) -> Delivery:
        try:
            tx_id = await self._api.broadcast(signed.raw)
        except ChainUnavailable as error:
            return InDoubt(str(error))
        except Rejected as error:
            had_it = any(words in str(error).lower() for words in _HAD_IT)
            return Accepted() if had_it else InDoubt(str(error))
        return Accepted() if tx_id == signed.tx_hash else InDoubt("another id came back")

    async def look(self, flights: Sequence[Flight]) -> Sequence[Sighting]:
        if not flights:
            return []
        height = await self._height()
        return [await self._one(flight, height) for flight in flights]

    async def bump(self, flight: Flight, at_us: int) -> SignedTransaction | None:
        newest, key = flight.versions[-1], self._keys.of(flight.withdrawal)
        if newest.version + 1 >= _MOST_VERSIONS or key is None:
            return None
        terms = _decode_terms(newest.terms)
        rate = max(await self._rate(), rate_of(terms, self._own_script) * 5 // 4 + 1)
        rate = min(rate, _MOST_RATE)
        if flight.withdrawal.kind is WithdrawalKind.SWEEP:
            higher = dearer_sweep(terms, rate)
        else:
            higher = dearer(terms, self._own_script, rate)
        if higher is None:
            return None
        return self._signed(newest.withdrawal_id, newest.version + 1, higher, at_us, key)

    async def fee(self, token: str) -> int:
        return _USUAL_SIZE * await self._rate()

    async def held(self, address: str, tokens: Sequence[str]) -> Mapping[str, int]:
        total = sum(coin.value for coin in await self._settled(address))
        return {**dict.fromkeys(tokens, total), "": total}

    async def sweep_cost(self, source: str, token: str, amount_raw: int) -> int:
        coins = await self._settled(source)
        return size_of(len(coins), self._own_script) * await self._rate()

    def _signed(
        self, withdrawal_id: str, version: int, terms: Terms, at_us: int, key: HotKey
    ) -> SignedTransaction:
        values = [coin.value for coin in terms.coins]
        tx = signed(unsigned(terms, self._own_script), values, key.secret, key.public)
        return SignedTransaction(
            withdrawal_id=withdrawal_id,
            version=version,
            tx_hash=tx.tx_id,
            raw=serialized(tx),
            slots=tuple(coin.outpoint for coin in terms.coins),
            terms=_encode_terms(terms),
            signed_us=at_us,
        )

    async def _coins(self, address: str, source: str, slots: WithdrawalStore) -> list[Coin]:
        """Settled coins that nothing signed spends."""
        settled = await self._settled(address)
        outpoints = [coin.outpoint for coin in settled]
        used = await slots.used_slots(BITCOIN.key, outpoints, source)
        return [coin for coin in settled if coin.outpoint not in used]

    async def _settled(self, address: str) -> list[Coin]:
        height = await self._height()
        utxos = await self._api.json(f"/address/{address}/utxo", list[Utxo])
        return [
            Coin(utxo.txid, utxo.vout, utxo.value)
            for utxo in utxos or []
            if utxo.status.confirmed
            and height - utxo.status.block_height + 1 >= BITCOIN.confirmations
        ]

    async def _one(self, flight: Flight, height: int) -> Sighting:
        waiting = False
        for version in reversed(flight.versions):
            known = await self._api.json(f"/tx/{version.tx_hash}", Transaction)
            if known is None:
                continue
            if (status := known.status).confirmed:
                depth = max(height - status.block_height + 1, 0)
                fee = _decode_terms(version.terms).fee
                return Included(version.tx_hash, status.block_height, depth, True, fee)
            waiting = True
        if waiting:
            return Waiting()
        return await self._displaced(flight, height) or Missing()

    async def _displaced(self, flight: Flight, height: int) -> Displaced | None:
        """Whether somebody else has spent one of its coins, for good."""
        own = {version.tx_hash for version in flight.versions}
        for coin in _decode_terms(flight.versions[-1].terms).coins:
            spender = await self._api.json(f"/tx/{coin.tx_id}/outspend/{coin.index}", Outspend)
            if spender is None or not spender.status.confirmed or spender.txid in own:
                continue
            if height - spender.status.block_height + 1 >= BITCOIN.confirmations:
                return Displaced(f"coin {coin.outpoint} was spent by {spender.txid}")
        return None

    async def _height(self) -> int:
        height = await self._api.json("/blocks/tip/height", int)
        if height is None:
            raise ChainUnavailable("no height")
        return height

    async def _rate(self) -> int:
        """Satoshis a virtual byte, rounded up."""
        estimates = await self._api.json("/fee-estimates", dict[str, Decimal]) or {}
        for target in _TARGET_BLOCKS:
            if (estimate := estimates.get(target)) is not None and estimate.is_finite():
                rate = int(min(estimate, Decimal(_MOST_RATE)).to_integral_value(ROUND_CEILING))
                return max(rate, _LEAST_RATE)
        return _LEAST_RATE
