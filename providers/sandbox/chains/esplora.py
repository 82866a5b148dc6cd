"""Esplora's HTTP in front of the simulated Bitcoin."""

from typing import Any

import msgspec

from providers.sandbox.chains.bitcoin_chain import BitcoinChain, Placed, Rejected, error_text
from providers.sandbox.server import HttpReply, HttpRequest


class Esplora:
    """Answers the chain's requests. Blocking."""

    def __init__(self, chain: BitcoinChain) -> None:
        self._chain = chain

    def answer(self, path: str, request: HttpRequest) -> HttpReply:
        """One request; an unknown thing is 404 with a line of text."""
        try:
            match (request.method, path.strip("/").split("/")):
                case ("POST", ["tx"]):
                    raw = bytes.fromhex(request.body.decode("ascii").strip())
                    return _text(self._chain.send(raw))
                case ("GET", ["blocks", "tip", "height"]):
                    return _text(str(self._chain.height()))
                case ("GET", ["blocks", "tip", "hash"]):
                    return _text(self._chain.hash_at(self._chain.height()))
                case ("GET", ["block-height", number]):
                    return _text(self._chain.hash_at(int(number)))
                case ("GET", ["block", block_hash, "raw"]):
                    return _binary(self._chain.raw_block(block_hash))
                case ("GET", ["address", address, "utxo"]):
                    return _json(self._coins(address))
                case ("GET", ["tx", tx_id, *rest]):
                    return self._transaction(tx_id, rest)
                case ("GET", ["fee-estimates"]):
                    rate = float(self._chain.least_rate)
                    return _json({str(target): rate for target in (1, 2, 3, 6, 144, 1008)})
        except Rejected as rejected:
            return HttpReply(400, error_text(rejected).encode(), "text/plain")
        except ValueError as error:
            return HttpReply(400, str(error).encode(), "text/plain")
        return _text(None)

    def _transaction(self, tx_id: str, rest: list[str]) -> HttpReply:
        self._chain.height()
        placed = self._chain.known.get(tx_id)
        match rest:
            case ["outspend", index]:
                return _json(self._outspend(f"{tx_id}:{int(index)}"))
            case ["status"]:
                return _json(self._status(placed))
            case [] if placed is not None:
                return _json(self._shown(placed))
        return _text(None)

    def _shown(self, placed: Placed) -> dict[str, Any]:
        tx = placed.tx
        return {
            "txid": placed.tx_id,
            "version": tx.version,
            "locktime": tx.lock_time,
            "vin": [{"txid": i.tx_id, "vout": i.index, "sequence": i.sequence} for i in tx.inputs],
            "vout": [{"scriptpubkey": o.script.hex(), "value": o.value} for o in tx.outputs],
            "weight": tx.weight,
            "fee": placed.fee,
            "status": self._status(placed),
        }

    def _status(self, placed: Placed | None) -> dict[str, Any]:
        if placed is None or not placed.block:
            return {"confirmed": False}
        block_hash = self._chain.hash_at(placed.block)
        return {"confirmed": True, "block_height": placed.block, "block_hash": block_hash}

    def _outspend(self, outpoint: str) -> dict[str, Any]:
        spender = self._chain.spent_by.get(outpoint)
        if spender is None:
            return {"spent": False}
        status = self._status(self._chain.known[spender])
        return {"spent": True, "txid": spender, "vin": 0, "status": status}

    def _coins(self, address: str) -> list[dict[str, Any]]:
        return [
            {"txid": tx_id, "vout": index, "value": output.value, "status": self._status(placed)}
            for tx_id, index, output, placed in self._chain.coins_of(address)
        ]


def _text(text: str | None) -> HttpReply:
    if text is None:
        return HttpReply(404, b"Not Found", "text/plain")
    return HttpReply(200, text.encode(), "text/plain")


def _binary(data: bytes | None) -> HttpReply:
    if data is None:
        return HttpReply(404, b"Block not found", "text/plain")
    return HttpReply(200, data, "application/octet-stream")


def _json(value: Any) -> HttpReply:
    return HttpReply(200, msgspec.json.encode(value))
