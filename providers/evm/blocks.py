"""Reads an EVM chain: implements actors.chain_rail.BlockSource."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from actors.chain_rail import Block, ChainUnavailable, Incoming, Outcome, Tip
from domain.chains.addresses import canonical
from domain.chains.table import Chain
from domain.chains.tokens import Token, TokenTable
from providers.evm.client import Call, EvmRpc, RpcError
from providers.evm.codec import DECIMALS, SYMBOL, TRANSFER_TOPIC, address_of_topic, text_result
from providers.evm.wire import FullBlock, Header, Log, Receipt, number

# Blocks with all their transactions are large where the chain's own coin is one of our tokens.
_FULL_BLOCKS_AT_ONCE: Final = 10
_BLOCKS_AT_ONCE: Final = 50


class WrongChain(ChainUnavailable):
    """The node is not of the chain, or a contract not of the token, it is configured as."""


class EvmBlocks:
    """Blocks of one chain. `tokens` is the whole table; only this chain's are looked at.

    Transfers of the chain's own coin are seen when they are a transaction's own value; those
    that contracts make inside a transaction leave no trace in blocks or logs.
    """

    def __init__(self, rpc: EvmRpc, chain: Chain, tokens: TokenTable) -> None:
        self._rpc = rpc
        self._chain = chain
        ours = [token for (key, _), token in tokens.items() if key == chain.key]
        self._contracts = {token.contract: token for token in ours if token.contract}
        self._native = next((token for token in ours if token.is_native), None)
        self._checked = False
        self._most = _BLOCKS_AT_ONCE if self._native is None else _FULL_BLOCKS_AT_ONCE
        self._span = self._most

    async def verify(self) -> None:
        """Ask chain and contracts who they are. Raises WrongChain or ChainUnavailable."""
        await self._check_chain()
        for contract, token in self._contracts.items():
            calls = [
                ("eth_call", [{"to": contract, "data": data}, "latest"], str)
                for data in (SYMBOL, DECIMALS)
            ]
            symbol, decimals = await self._rpc.batch(calls)
            if isinstance(symbol, RpcError) or isinstance(decimals, RpcError):
                raise WrongChain(f"{token.symbol} on {self._chain.key}: no such contract")
            _check_token(token, text_result(symbol), decimals)

    async def tip(self) -> Tip:
        if not self._checked:
            await self._check_chain()
        header = await self._one("eth_getBlockByNumber", ["latest", False], Header)
        if header is None:
            raise ChainUnavailable("no newest block")
        return Tip(number(header.number), header.hash)

    async def hash_at(self, number: int) -> str | None:
        header = await self._one("eth_getBlockByNumber", [hex(number), False], Header)
        return None if header is None else str(header.hash)

    async def outcome(self, tx_hash: str) -> Outcome:
        receipt = await self._one("eth_getTransactionReceipt", [tx_hash], Receipt)
        if receipt is None:
            raise ChainUnavailable("no receipt of a transaction in a block")
        return Outcome(number(receipt.status) == 1, number(receipt.gas_used), receipt.fee_raw)

    async def blocks(self, first: int, last: int) -> Sequence[Block]:
        """As many as the node gives logs for at once: it refuses a range with too many in it."""
        last = min(last, first + self._span - 1)
        while True:
            answers = await self._rpc.batch(self._calls(first, last))
            refused = [answer for answer in answers if isinstance(answer, RpcError)]
            if not refused:
                break
            if last == first or refused != answers[-1:]:
                raise ChainUnavailable(str(refused[0]))
            self._span = max((last - first + 1) // 2, 1)
            last = first + self._span - 1
        self._span = min(self._span * 2, self._most)
        logs = answers.pop() if self._contracts else []
        return self._read(answers, logs)

    def _calls(self, first: int, last: int) -> list[Call]:
        full = self._native is not None
        kind: Any = FullBlock if full else Header
        calls: list[tuple[str, list[Any], Any]] = [
            ("eth_getBlockByNumber", [hex(n), full], kind | None) for n in range(first, last + 1)
        ]
        if self._contracts:
            calls.append(("eth_getLogs", [self._filter(first, last)], list[Log]))
        return calls

    async def _check_chain(self) -> None:
        chain_id = number(await self._one("eth_chainId", [], str))
        if chain_id != self._chain.chain_id:
            raise WrongChain(f"the node for {self._chain.key} is of chain {chain_id}")
        self._checked = True

    async def _one(self, method: str, params: list[Any], kind: Any) -> Any:
        try:
            return await self._rpc.call(method, params, kind if kind is str else kind | None)
        except RpcError as error:
            raise ChainUnavailable(str(error)) from error

    def _filter(self, first: int, last: int) -> Mapping[str, Any]:
        return {
            "fromBlock": hex(first),
            "toBlock": hex(last),
            "address": list(self._contracts),
            "topics": [TRANSFER_TOPIC],
        }

    def _read(self, blocks: list[Any], logs: list[Log]) -> list[Block]:
        """Blocks up to the first that is missing; logs of another fork than the blocks' mean
        that the chain moved between the two, and are asked for again."""
        read: list[Block] = []
        by_block: dict[int, list[Log]] = {}
        for log in logs:
            by_block.setdefault(number(log.block_number), []).append(log)
        for block in blocks:
            if block is None:
                break
            own = by_block.get(number(block.number), [])
            if any(log.block_hash != block.hash or log.removed for log in own):
                raise ChainUnavailable("the chain moved while it was read")
            incoming = (*self._native_transfers(block), *self._token_transfers(own))
            read.append(Block(number(block.number), block.hash, block.parent_hash, incoming))
        return read

    def _native_transfers(self, block: Header | FullBlock) -> list[Incoming]:
        if self._native is None:
            return []
        found = []
        for tx in block.transactions:
            value = number(tx.value)
            to = canonical(self._chain.key, tx.to.lower()) if value and tx.to else None
            if to is not None:
                symbol = self._native.symbol
                sender = canonical(self._chain.key, tx.sender.lower()) or ""
                tx_hash = tx.hash.lower()
                found.append(Incoming(tx_hash, symbol, 0, to, value, proven=False, sender=sender))
        return found

    def _token_transfers(self, logs: list[Log]) -> list[Incoming]:
        found: list[Incoming] = []
        ordinals: dict[tuple[str, str], int] = {}
        for log in sorted(logs, key=lambda log: number(log.log_index)):
            token = self._token(log.address)
            topics = [topic.lower() for topic in log.topics]
            if token is None or len(topics) != 3 or topics[0] != TRANSFER_TOPIC:
                continue
            place = (log.transaction_hash.lower(), token.symbol)
            ordinal = ordinals[place] = ordinals.get(place, -1) + 1
            to, amount = address_of_topic(topics[2]), number(log.data[:66])
            if to is not None and amount:
                sender = address_of_topic(topics[1]) or ""
                tx_hash = log.transaction_hash.lower()
                found.append(Incoming(tx_hash, token.symbol, ordinal, to, amount, sender=sender))
        return found

    def _token(self, contract: str) -> Token | None:
        spelled = canonical(self._chain.key, contract.lower())
        return None if spelled is None else self._contracts.get(spelled)


def _check_token(token: Token, symbol: str, decimals: str) -> None:
    found = int(decimals, 16) if decimals not in ("0x", "") else -1
    if found != token.decimals:
        raise WrongChain(f"{token.symbol} on {token.chain} has {found} decimals")
    if token.symbol.removeprefix("W") not in symbol.upper().replace("₮", "T"):
        raise WrongChain(f"{token.contract} on {token.chain} is {symbol}, not {token.symbol}")
