"""Reads TRON block by block: implements actors.chain_rail.BlockSource.

Whole blocks rather than each address's history: what it costs does not grow with the number of
our users, nobody learns which addresses are ours, and every log comes with its place.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from actors.chain_rail import Block, ChainUnavailable, Incoming, Outcome, Tip
from domain.chains.addresses import tron_address, tron_payload
from domain.chains.tokens import TokenTable
from providers.evm.codec import TRANSFER_TOPIC
from providers.tron import wire
from providers.tron.client import TronGridApi

_AT_ONCE: Final = 10
_TRANSFER: Final = TRANSFER_TOPIC[2:]


class TronBlocks:
    """Blocks of TRON; of `tokens` only its own are looked at."""

    def __init__(self, api: TronGridApi, tokens: TokenTable) -> None:
        self._api = api
        ours = [token for (chain, _), token in tokens.items() if chain == "tron"]
        self._native = next((token for token in ours if token.is_native), None)
        self._contracts = {}
        for token in ours:
            payload = tron_payload(token.contract) if token.contract else None
            if payload is not None:
                self._contracts[payload[1:].hex()] = token

    async def tip(self) -> Tip:
        block = await self._api.ask("/wallet/getnowblock", {}, wire.Block)
        if not block.block_id:
            raise ChainUnavailable("no newest block")
        return Tip(block.block_header.raw_data.number, block.block_id)

    async def hash_at(self, number: int) -> str | None:
        return (await self._block(number)).block_id or None

    async def outcome(self, tx_hash: str) -> Outcome:
        path = "/wallet/gettransactioninfobyid"
        info = await self._api.ask(path, {"value": tx_hash}, wire.Info)
        if not info.id:
            raise ChainUnavailable("nothing known of a transaction in a block")
        return Outcome(info.succeeded, info.receipt.energy_usage_total, info.fee)

    async def blocks(self, first: int, last: int) -> Sequence[Block]:
        read: list[Block] = []
        for number in range(first, min(last, first + _AT_ONCE - 1) + 1):
            block = await self._block(number)
            if not block.block_id:
                break
            incoming = self._native_transfers(block)
            if block.transactions:
                incoming += self._token_transfers(await self._infos(number, block))
            parent = block.block_header.raw_data.parent_hash
            read.append(Block(number, block.block_id, parent, tuple(incoming)))
        return read

    async def _block(self, number: int) -> wire.Block:
        return await self._api.ask("/wallet/getblockbynum", {"num": number}, wire.Block)

    async def _infos(self, number: int, block: wire.Block) -> list[wire.Info]:
        path = "/wallet/gettransactioninfobyblocknum"
        infos = await self._api.ask(path, {"num": number}, list[wire.Info])
        if {info.id for info in infos} != {tx.tx_id for tx in block.transactions}:
            raise ChainUnavailable("the chain moved while it was read")
        return infos

    def _native_transfers(self, block: wire.Block) -> list[Incoming]:
        found: list[Incoming] = []
        for tx in block.transactions if self._native else ():
            contract = tx.raw_data.contract[0] if tx.raw_data.contract else wire.Contract()
            succeeded = not tx.ret or tx.ret[0].contract_ret in ("", "SUCCESS")
            if contract.type != "TransferContract" or not succeeded:
                continue
            value = _decoded(contract.parameter.value)
            to = _spelled(value.to_address[2:])
            if to is not None and value.amount > 0:
                sender = _spelled(value.owner_address[2:]) or ""
                found.append(Incoming(tx.tx_id, "TRX", 0, to, value.amount, sender=sender))
        return found

    def _token_transfers(self, infos: list[wire.Info]) -> list[Incoming]:
        found: list[Incoming] = []
        for info in infos:
            ordinals: dict[str, int] = {}
            for log in info.log if info.succeeded else ():
                token = self._contracts.get(log.address)
                if token is None or len(log.topics) != 3 or log.topics[0] != _TRANSFER:
                    continue
                ordinal = ordinals[token.symbol] = ordinals.get(token.symbol, -1) + 1
                to, amount = _spelled(log.topics[2][24:]), _amount(log.data)
                if to is not None and amount:
                    sender = _spelled(log.topics[1][24:]) or ""
                    found.append(
                        Incoming(info.id, token.symbol, ordinal, to, amount, sender=sender)
                    )
        return found


def _decoded(value: msgspec.Raw) -> wire.Value:
    try:
        return msgspec.json.decode(value, type=wire.Value)
    except msgspec.MsgspecError as error:
        raise ChainUnavailable("unreadable transfer") from error


def _spelled(account: str) -> str | None:
    try:
        decoded = bytes.fromhex(account)
    except ValueError:
        return None
    return tron_address(decoded) if len(decoded) == 20 else None


def _amount(data: str) -> int:
    try:
        return int(data[:64], 16)
    except ValueError:
        return 0
