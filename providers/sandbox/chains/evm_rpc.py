"""The JSON-RPC of a simulated EVM chain: hex quantities, camel case, a node's own errors."""

from collections.abc import Callable
from typing import Any, Final

import msgspec

from domain.chains.addresses import evm_address
from providers.sandbox.chains.evm_chain import TIP, EvmChain
from providers.sandbox.chains.executed import Refusal, Sim, SimBlock

_SERVER_ERROR: Final = -32000
_INVALID_REQUEST: Final = -32600
_UNKNOWN_METHOD: Final = -32601
_INVALID_PARAMS: Final = -32602
_REVERTED: Final = 3
_GAS_LIMIT: Final = 30_000_000
_MOST_BLOCKS: Final = 10_000
_decode: Final = msgspec.json.Decoder().decode
_encode: Final = msgspec.json.Encoder().encode


class _Failed(Exception):
    def __init__(self, code: int, message: str, data: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.data = data


class EvmNode:
    """Answers one chain's requests. Blocking: executing takes milliseconds."""

    def __init__(self, chain: EvmChain) -> None:
        self._chain = chain
        self._methods: dict[str, Callable[..., Any]] = {
            "eth_chainId": lambda: hex(chain.chain_id),
            "net_version": lambda: str(chain.chain_id),
            "web3_clientVersion": lambda: "sandbox/1",
            "eth_blockNumber": lambda: hex(chain.height()),
            "eth_gasPrice": lambda: hex(chain.base_fee + TIP),
            "eth_maxPriorityFeePerGas": lambda: hex(TIP),
            "eth_feeHistory": self._fee_history,
            "eth_getBlockByNumber": self._block,
            "eth_getLogs": self._logs,
            "eth_getTransactionByHash": self._transaction,
            "eth_getTransactionReceipt": self._receipt,
            "eth_getTransactionCount": self._count,
            "eth_getBalance": self._balance,
            "eth_getCode": self._code,
            "eth_call": self._call,
            "eth_estimateGas": self._estimate,
            "eth_sendRawTransaction": lambda raw: _hex(chain.send(_bytes(raw))),
        }

    def answer(self, body: bytes) -> bytes:
        """One request or a batch of them."""
        try:
            request = _decode(body)
        except msgspec.DecodeError:
            return _encode(_error(None, -32700, "parse error"))
        if isinstance(request, list):
            return _encode([self._one(item) for item in request])
        return _encode(self._one(request))

    def _one(self, request: Any) -> dict[str, Any]:
        if not isinstance(request, dict) or not isinstance(request.get("method"), str):
            return _error(None, _INVALID_REQUEST, "invalid request")
        number, name = request.get("id"), request["method"]
        method = self._methods.get(name)
        if method is None:
            return _error(number, _UNKNOWN_METHOD, f"the method {name} does not exist")
        try:
            result = method(*request.get("params", []))
        except Refusal as refusal:
            return _error(number, _SERVER_ERROR, str(refusal))
        except _Failed as failed:
            return _error(number, failed.code, str(failed), failed.data)
        except (TypeError, ValueError, KeyError, AttributeError) as error:
            return _error(number, _INVALID_PARAMS, f"invalid argument: {error}")
        return {"jsonrpc": "2.0", "id": number, "result": result}

    def _number(self, tag: str) -> int:
        head = self._chain.height()
        if tag in ("latest", "pending", "safe", "finalized"):
            return head
        number = 0 if tag == "earliest" else int(tag, 16)
        if number > head:
            raise _Failed(_SERVER_ERROR, "header not found")
        return number

    def _fee_history(self, count: str | int, newest: str, percentiles: list[float]) -> Any:
        blocks = count if isinstance(count, int) else int(count, 16)
        last = self._number(newest)
        blocks = max(1, min(blocks, last, 1024))
        return {
            "oldestBlock": hex(last - blocks + 1),
            "baseFeePerGas": [hex(self._chain.base_fee)] * (blocks + 1),
            "gasUsedRatio": [0.1] * blocks,
            "reward": [[hex(TIP)] * len(percentiles)] * blocks,
        }

    def _block(self, tag: str, full: bool) -> Any:
        chain = self._chain
        head = chain.height()
        number = head if not tag.startswith("0x") else int(tag, 16)
        if number > head:
            return None
        block = chain.block(number)
        sims = block.transactions if block else []
        return {
            "number": hex(number),
            "hash": _hex(chain.hash(number)),
            "parentHash": _hex(chain.hash(number - 1)),
            "timestamp": hex(chain.pace.time_of(number)),
            "miner": "0x" + "00" * 20,
            "gasLimit": hex(_GAS_LIMIT),
            "gasUsed": hex(sum(sim.gas_used for sim in sims)),
            "baseFeePerGas": hex(chain.base_fee),
            "stateRoot": _hex(block.root) if block else "0x" + "00" * 32,
            "transactions": [
                self._shown(sim, block, place) if full else _hex(sim.hash)
                for place, sim in enumerate(sims)
            ],
        }

    def _shown(self, sim: Sim, block: SimBlock | None, place: int) -> dict[str, Any]:
        chain = self._chain
        return {
            "hash": _hex(sim.hash),
            "type": "0x2",
            "chainId": hex(chain.chain_id),
            "nonce": hex(sim.nonce),
            "from": evm_address(sim.sender).lower(),
            "to": evm_address(sim.to).lower() if sim.to else None,
            "value": hex(int(sim.value)),
            "gas": hex(sim.gas),
            "maxFeePerGas": hex(sim.max_fee),
            "maxPriorityFeePerGas": hex(sim.tip),
            "input": _hex(sim.data),
            "blockNumber": hex(block.number) if block else None,
            "blockHash": _hex(chain.hash(block.number)) if block else None,
            "transactionIndex": hex(place) if block else None,
        }

    def _transaction(self, tx_hash: str) -> Any:
        self._chain.height()
        found = self._chain.find(_bytes(tx_hash))
        if found is not None:
            block, sim = found
            return self._shown(sim, block, block.transactions.index(sim))
        waiting = self._chain.waiting.get(_bytes(tx_hash))
        return self._shown(waiting, None, 0) if waiting else None

    def _receipt(self, tx_hash: str) -> Any:
        self._chain.height()
        found = self._chain.find(_bytes(tx_hash))
        if found is None:
            return None
        block, sim = found
        place = block.transactions.index(sim)
        return {
            "transactionHash": _hex(sim.hash),
            "transactionIndex": hex(place),
            "blockNumber": hex(block.number),
            "blockHash": _hex(self._chain.hash(block.number)),
            "from": evm_address(sim.sender).lower(),
            "to": evm_address(sim.to).lower() if sim.to else None,
            "contractAddress": evm_address(sim.contract).lower() if sim.contract else None,
            "status": hex(int(sim.succeeded)),
            "type": "0x2",
            "gasUsed": hex(sim.gas_used),
            "cumulativeGasUsed": hex(sum(s.gas_used for s in block.transactions[: place + 1])),
            "effectiveGasPrice": hex(sim.price),
            "logs": [log for log in self._shown_logs(block) if log["transactionHash"] == tx_hash],
            "logsBloom": "0x" + "00" * 256,
        }

    def _logs(self, wanted: dict[str, Any]) -> Any:
        first = self._number(wanted.get("fromBlock", "latest"))
        last = self._last(wanted.get("toBlock", "latest"))
        if last - first > _MOST_BLOCKS:
            raise _Failed(_SERVER_ERROR, "query exceeds max block range")
        contracts = {a.lower() for a in _listed(wanted.get("address"))}
        topics = wanted.get("topics", [])
        return [
            log
            for block in self._chain.between(first, last)
            for log in self._shown_logs(block)
            if (not contracts or log["address"] in contracts) and _fits(log["topics"], topics)
        ]

    def _last(self, tag: str) -> int:
        head = self._chain.height()
        return min(int(tag, 16), head) if tag.startswith("0x") else head

    def _shown_logs(self, block: SimBlock) -> list[dict[str, Any]]:
        shown: list[dict[str, Any]] = []
        for place, sim in enumerate(block.transactions):
            for contract, topics, data in sim.logs:
                log = {
                    "address": evm_address(contract).lower(),
                    "topics": [_hex(topic) for topic in topics],
                    "data": _hex(data),
                    "blockNumber": hex(block.number),
                    "blockHash": _hex(self._chain.hash(block.number)),
                    "transactionHash": _hex(sim.hash),
                    "transactionIndex": hex(place),
                    "logIndex": hex(len(shown)),
                    "removed": False,
                }
                shown.append(log)
        return shown

    def _count(self, account: str, tag: str) -> str:
        number = self._number(tag)
        if tag == "pending":
            return hex(self._chain.next_nonce(_bytes(account)))
        return hex(self._chain.machine.nonce(self._chain.root(number), _bytes(account)))

    def _balance(self, account: str, tag: str) -> str:
        root = self._chain.root(self._number(tag))
        return hex(self._chain.machine.balance(root, _bytes(account)))

    def _code(self, account: str, tag: str) -> str:
        root = self._chain.root(self._number(tag))
        return _hex(self._chain.machine.code(root, _bytes(account)))

    def _call(self, call: dict[str, Any], tag: str = "latest") -> str:
        done = self._tried(call, tag)
        return _hex(done.output)

    def _estimate(self, call: dict[str, Any], tag: str = "latest") -> str:
        # A little more than was used: what is refunded at the end is needed on the way.
        return hex(self._tried(call, tag).gas_used * 21 // 20)

    def _tried(self, call: dict[str, Any], tag: str) -> Any:
        number = self._number(tag)
        sender = _bytes(call.get("from") or "0x" + "00" * 20)
        value, data = int(call.get("value") or "0x0", 16), _bytes(call.get("data") or "0x")
        done = self._chain.call(number, sender, _bytes(call["to"]), value, data)
        if not done.succeeded:
            raise _Failed(_REVERTED, "execution reverted", _hex(done.output))
        return done


def _hex(data: bytes) -> str:
    return "0x" + data.hex()


def _bytes(text: str) -> bytes:
    if not text.startswith("0x"):
        raise ValueError("hex string without 0x prefix")
    return bytes.fromhex(text[2:])


def _listed(value: Any) -> list[str]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _fits(topics: list[str], wanted: list[Any]) -> bool:
    if len(topics) < len(wanted):
        return False
    return all(
        want is None or topic in [w.lower() for w in _listed(want)]
        for topic, want in zip(topics, wanted, strict=False)
    )


def _error(number: Any, code: int, message: str, data: str | None = None) -> dict[str, Any]:
    error: dict[str, Any] = {"code": code, "message": message}
    if data is not None:
        error["data"] = data
    return {"jsonrpc": "2.0", "id": number, "error": error}
