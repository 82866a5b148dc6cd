"""Reads Bitcoin block by block: implements actors.chain_rail.BlockSource.

One raw block rather than each address's history: what it costs does not grow with the number of
our users, and the server learns none of their addresses. A block's hash is computed, not believed.
"""

from collections.abc import Sequence
from typing import Final

from actors.chain_rail import Block, ChainUnavailable, Incoming, Outcome, Tip
from domain.chains.addresses import bitcoin_address
from providers.bitcoin.client import EsploraApi
from providers.bitcoin.tx import Malformed, parsed_block
from providers.bitcoin.wire import Transaction

_AT_ONCE: Final = 10


class BitcoinBlocks:
    """Blocks of Bitcoin."""

    def __init__(self, api: EsploraApi) -> None:
        self._api = api

    async def tip(self) -> Tip:
        number = await self._api.json("/blocks/tip/height", int)
        block_hash = await self.hash_at(number) if number is not None else None
        if number is None or block_hash is None:
            raise ChainUnavailable("no newest block")
        return Tip(number, block_hash)

    async def hash_at(self, number: int) -> str | None:
        return await self._api.text(f"/block-height/{number}")

    async def outcome(self, tx_hash: str) -> Outcome:
        """What is in a block has been done."""
        known = await self._api.json(f"/tx/{tx_hash}", Transaction)
        return Outcome(True, fee_raw=known.fee if known is not None else 0)

    async def blocks(self, first: int, last: int) -> Sequence[Block]:
        read: list[Block] = []
        for number in range(first, min(last, first + _AT_ONCE - 1) + 1):
            block_hash = await self.hash_at(number)
            if block_hash is None:
                break
            read.append(await self._block(number, block_hash))
        return read

    async def _block(self, number: int, block_hash: str) -> Block:
        raw = await self._api.raw(f"/block/{block_hash}/raw")
        try:
            found, parent, transactions = parsed_block(raw or b"")
        except (Malformed, KeyError) as error:
            raise ChainUnavailable("unreadable block") from error
        if found != block_hash:
            raise ChainUnavailable("another block came")
        incoming = [
            Incoming(tx.tx_id, "BTC", index, address, output.value)
            for tx in transactions
            for index, output in enumerate(tx.outputs)
            if output.value and (address := bitcoin_address(output.script)) is not None
        ]
        return Block(number, block_hash, parent, tuple(incoming))
