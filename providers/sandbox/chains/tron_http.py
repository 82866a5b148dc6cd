"""TronGrid's HTTP in front of a simulated TRON: the paths of a full node and of solidity."""

from collections.abc import Callable
from typing import Any, Final

import msgspec

from domain.chains.addresses import tron_payload
from domain.chains.hashes import keccak256
from providers.sandbox.chains.executed import Refusal, Sim, SimBlock
from providers.sandbox.chains.tron_chain import ENERGY_PRICE_SUN, TronChain
from providers.sandbox.server import HttpReply, HttpRequest

_MOST_BALANCE: Final = 2**63 - 1
_decode: Final = msgspec.json.Decoder(dict[str, Any]).decode
_encode: Final = msgspec.json.Encoder().encode


class TronGrid:
    """Answers one chain's requests. Blocking: executing takes milliseconds."""

    def __init__(self, chain: TronChain) -> None:
        self._chain = chain
        self._paths: dict[str, Callable[[dict[str, Any]], Any]] = {
            "/wallet/getnowblock": lambda _: self._block(chain.height()),
            "/walletsolidity/getnowblock": lambda _: self._block(chain.solid()),
            "/wallet/getblockbynum": lambda body: self._block(int(body["num"])),
            "/wallet/gettransactioninfobyblocknum": self._infos,
            "/wallet/gettransactioninfobyid": lambda body: self._info_by_id(body, chain.height()),
            "/walletsolidity/gettransactioninfobyid": lambda body: self._info_by_id(
                body, chain.solid()
            ),
            "/wallet/gettransactionbyid": self._transaction,
            "/wallet/gettransactionfrompending": self._pending,
            "/wallet/getaccount": self._account,
            "/wallet/triggerconstantcontract": self._constant,
            "/wallet/getchainparameters": lambda _: {
                "chainParameter": [{"key": "getEnergyFee", "value": ENERGY_PRICE_SUN}]
            },
            "/wallet/broadcasthex": self._broadcast,
        }

    def answer(self, path: str, request: HttpRequest) -> HttpReply:
        """One request; an unknown thing is {}, as TRON's API has it."""
        method = self._paths.get(path)
        if method is None:
            return HttpReply(404, b"Not Found", "text/plain")
        try:
            return HttpReply(200, _encode(method(_decode(request.body or b"{}"))))
        except (msgspec.MsgspecError, KeyError, TypeError, ValueError) as error:
            return HttpReply(200, _encode({"Error": f"{type(error).__name__} : {error}"}))

    def _block(self, number: int) -> dict[str, Any]:
        chain = self._chain
        if not 0 <= number <= chain.height():
            return {}
        block = chain.block(number)
        shown: dict[str, Any] = {
            "blockID": chain.hash(number).hex(),
            "block_header": {
                "raw_data": {
                    "number": number,
                    "timestamp": chain.pace.time_of(number) * 1000,
                    "parentHash": chain.hash(number - 1).hex() if number else "00" * 32,
                    "version": 30,
                }
            },
        }
        if block is not None:
            shown["transactions"] = [
                {**chain.shown(sim), "ret": [{"contractRet": _result(sim)}]}
                for sim in block.transactions
            ]
        return shown

    def _infos(self, body: dict[str, Any]) -> list[dict[str, Any]]:
        self._chain.height()
        block = self._chain.block(int(body["num"]))
        return [self._info(block, sim) for sim in block.transactions] if block else []

    def _info(self, block: SimBlock, sim: Sim) -> dict[str, Any]:
        energy = sim.gas_used if sim.data else 0
        info: dict[str, Any] = {
            "id": sim.hash.hex(),
            "fee": energy * sim.price,
            "blockNumber": block.number,
            "blockTimeStamp": self._chain.pace.time_of(block.number) * 1000,
            "contractResult": [""],
            "receipt": {"energy_usage_total": energy, "net_usage": 345},
        }
        if sim.data:
            info["contract_address"] = "41" + sim.to.hex()
            info["receipt"]["result"] = _result(sim)
        if not sim.succeeded:
            info["result"] = "FAILED"
        if sim.logs:
            info["log"] = [
                {"address": address.hex(), "topics": [t.hex() for t in topics], "data": data.hex()}
                for address, topics, data in sim.logs
            ]
        return info

    def _info_by_id(self, body: dict[str, Any], newest: int) -> dict[str, Any]:
        found = self._chain.find(bytes.fromhex(body["value"]))
        if found is None or found[0].number > newest:
            return {}
        return self._info(*found)

    def _transaction(self, body: dict[str, Any]) -> dict[str, Any]:
        self._chain.height()
        found = self._chain.find(bytes.fromhex(body["value"]))
        if found is None:
            return {}
        return {**self._chain.shown(found[1]), "ret": [{"contractRet": _result(found[1])}]}

    def _pending(self, body: dict[str, Any]) -> dict[str, Any]:
        self._chain.height()
        waiting = self._chain.waiting.get(bytes.fromhex(body["value"]))
        return self._chain.shown(waiting) if waiting else {}

    def _account(self, body: dict[str, Any]) -> dict[str, Any]:
        self._chain.height()
        account = _account(body["address"])
        balance = self._chain.machine.balance(self._chain.root(), account)
        if not balance:
            return {}
        return {"address": body["address"], "balance": min(balance, _MOST_BALANCE)}

    def _constant(self, body: dict[str, Any]) -> dict[str, Any]:
        selector = keccak256(body["function_selector"].encode())[:4]
        data = selector + bytes.fromhex(body.get("parameter", ""))
        owner, contract = _account(body["owner_address"]), _account(body["contract_address"])
        try:
            done = self._chain.call(owner, contract, data)
        except Refusal as refusal:
            return {"result": {"code": "OTHER_ERROR", "message": str(refusal).encode().hex()}}
        answer: dict[str, Any] = {
            "result": {"result": True},
            "energy_used": done.gas_used,
            "constant_result": [done.output.hex()],
        }
        if not done.succeeded:
            answer["result"]["message"] = b"REVERT opcode executed".hex()
        return answer

    def _broadcast(self, body: dict[str, Any]) -> dict[str, Any]:
        try:
            tx_id = self._chain.send(bytes.fromhex(body["transaction"]))
        except Refusal as refusal:
            return {"code": str(refusal), "txid": "", "message": str(refusal).encode().hex()}
        return {"result": True, "code": "SUCCESS", "txid": tx_id.hex(), "message": ""}


def _result(sim: Sim) -> str:
    return "SUCCESS" if sim.succeeded else "REVERT"


def _account(address: str) -> bytes:
    payload = tron_payload(address) or bytes.fromhex(address)
    if len(payload) != 21:
        raise ValueError("INVALID address")
    return payload[1:]
