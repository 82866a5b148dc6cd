"""A simulated Bitcoin: coins, what waits, and a regtest chain of real blocks.

Blocks have headers with a proof of work (regtest's, which takes two tries), coinbases and
commitments, so whoever reads them can check them. Coins of the outsider are older than anything
here, as if the chain's past had been pruned. Only P2WPKH coins can be spent. Blocking and not
thread-safe: its façade runs it in a thread, one call at a time.
"""

from typing import Any, Final

import msgspec

from domain.chains.addresses import bitcoin_script
from domain.chains.hashes import hash160, sha256
from providers.bitcoin.tx import Input, Malformed, Output, Tx, is_signed, parsed, serialized, signed
from providers.hdwallet import curve
from providers.sandbox.chains.bitcoin_blocks import Headers
from providers.sandbox.chains.log import Log, Record
from providers.sandbox.chains.pace import Pace

_OUTSIDER: Final = int.from_bytes(sha256(b"the outsider"), "big")
_OUTSIDER_KEY: Final = curve.compressed(curve.public_point(_OUTSIDER))
_OUTSIDER_SCRIPT: Final = b"\x00\x14" + hash160(_OUTSIDER_KEY)
_OLD_COINS: Final = 100
_OLD_VALUE: Final = 1_000 * 10**8
_ENDOWMENT: Final = 20 * 10**8
_ENDOWED_COINS: Final = 40
_DUST: Final = 294
_LEAST_RATE: Final = 1
_OUTSIDERS_FEE: Final = 10_000
_DEEPEST_POOL: Final = 4_096
_REPLACEABLE: Final = 0xFFFFFFFD


class Rejected(Exception):
    """What Bitcoin Core says to a transaction it does not take: code and text."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class Placed(msgspec.Struct):
    """A transaction, the height it came at, and the block it is in (0: none yet)."""

    tx: Tx
    tx_id: str
    fee: int
    came_at: int
    block: int = 0

    @property
    def rate(self) -> int:
        return self.fee // self.tx.virtual_size


class BitcoinChain:
    """State of the chain. Records: height, head (see pace, headers), wait, block, undo, gone.

    `least_rate`: satoshis a virtual byte that blocks ask for; what offers less waits.
    """

    def __init__(self, log: Log, pace: Pace) -> None:
        self.pace = pace
        self.least_rate = _LEAST_RATE
        self.known: dict[str, Placed] = {}
        self.spent_by: dict[str, str] = {}
        self._log = log
        self._headers = Headers(log)
        self._outputs: dict[str, Output] = {}
        self._contents: dict[int, list[str]] = {}
        self._endowed: set[str] = set()
        for number in range(_OLD_COINS):
            tx_id = sha256(b"old coin %d" % number).hex()
            self._outputs[f"{tx_id}:0"] = Output(_OLD_VALUE, _OUTSIDER_SCRIPT)
        for record in log.load():
            self._recall(record)
        self._headers.recalled()

    # --- looking ---------------------------------------------------------------------------

    def height(self) -> int:
        """Number of the newest block, with everything in blocks that is by now."""
        height = self.pace.height
        while due := [p.came_at for p in self.waiting() if p.came_at < height]:
            number = max(min(due) + 1, max(self._contents, default=0) + 1)
            if number > height or not self._make(number, height):
                break
        return height

    def hash_at(self, number: int) -> str | None:
        """None above the tip, and for blocks so old that nobody remembers them."""
        if number > self.height():
            return None
        return self._headers.hash_at(number, self._of_block)

    def raw_block(self, block_hash: str) -> bytes | None:
        self.height()
        return self._headers.raw(block_hash, self._of_block)

    def number_of(self, block_hash: str) -> int | None:
        return self._headers.number_of(block_hash)

    def waiting(self) -> list[Placed]:
        return [placed for placed in self.known.values() if not placed.block]

    def coins_of(self, address: str) -> list[tuple[str, int, Output, Placed | None]]:
        """Unspent outputs to an address; the transaction is None for old coins."""
        self.height()
        script = bitcoin_script(address)
        found = []
        for outpoint, output in self._outputs.items():
            if output.script == script and outpoint not in self.spent_by:
                tx_id, index = outpoint.split(":")
                found.append((tx_id, int(index), output, self.known.get(tx_id)))
        return found

    # --- what controls it ------------------------------------------------------------------

    def send(self, raw: bytes) -> str:
        """Take a signed transaction; its id. Raises Rejected."""
        self.height()
        try:
            tx = parsed(raw)
        except (Malformed, KeyError) as error:
            raise Rejected(-22, "TX decode failed") from error
        tx_id = tx.tx_id
        if tx_id in self.known:
            placed = self.known[tx_id]
            raise (
                Rejected(-27, "Transaction already in block chain")
                if placed.block
                else Rejected(-27, "txn-already-in-mempool")
            )
        placed = Placed(tx, tx_id, self._fee(tx), self.pace.height)
        self._replace(placed)
        if len(self.waiting()) >= _DEEPEST_POOL:
            raise Rejected(-26, "mempool full")
        self._add(placed)
        self._log.append("wait", raw, placed.came_at)
        return tx_id

    def pay(self, address: str, amount: int, coins: int = 1) -> str:
        """The outsider pays an address, in `coins` outputs of that amount each."""
        script = bitcoin_script(address)
        if script is None:
            raise ValueError(f"{address} is no bitcoin address")
        self.height()
        outputs = [Output(amount, script)] * coins
        needed, inputs, values = amount * coins + _OUTSIDERS_FEE, [], []
        for outpoint, output in self._outputs.items():
            if output.script == _OUTSIDER_SCRIPT and outpoint not in self.spent_by:
                tx_id, index = outpoint.split(":")
                inputs.append(Input(tx_id, int(index), _REPLACEABLE))
                values.append(output.value)
                if sum(values) >= needed + _DUST:
                    break
        outputs.append(Output(sum(values) - needed, _OUTSIDER_SCRIPT))
        tx = signed(Tx(tuple(inputs), tuple(outputs)), values, _OUTSIDER, _OUTSIDER_KEY)
        return self.send(serialized(tx))

    def endow(self, address: str) -> None:
        """Give an address plenty of coins, once in the life of the chain."""
        if address not in self._endowed:
            self._endowed.add(address)
            self._log.append("endowed", address)
            self.pay(address, _ENDOWMENT, _ENDOWED_COINS)
            self.pace.skip(3)  # settled from the start

    def undo(self, depth: int, *, drop: bool) -> None:
        """Replace the newest `depth` blocks by others. What was in them waits again, or with
        `drop` is gone for good, with everything that spends from it."""
        height = self.height()
        above = max(height - depth, 0)
        self._undo(above, drop=drop, height=height)
        self._log.append("undo", above, drop, height)

    def drop(self, tx_id: str) -> None:
        """Forget a transaction that waits, as full nodes do."""
        self._forget(tx_id)
        self._log.append("gone", tx_id)

    # --- how it works ----------------------------------------------------------------------

    def _fee(self, tx: Tx) -> int:
        """What it leaves to the miner, having checked it. Raises Rejected."""
        total = 0
        if len({item.outpoint for item in tx.inputs}) != len(tx.inputs) or not tx.inputs:
            raise Rejected(-26, "bad-txns-inputs-duplicate")
        for position, item in enumerate(tx.inputs):
            output = self._outputs.get(item.outpoint)
            if output is None:
                raise Rejected(-25, "bad-txns-inputs-missingorspent")
            if not is_signed(tx, position, output):
                raise Rejected(-26, "mandatory-script-verify-flag-failed")
            total += output.value
        fee = total - sum(output.value for output in tx.outputs)
        if fee < 0:
            raise Rejected(-26, "bad-txns-in-belowout")
        if any(output.value < _DUST for output in tx.outputs):
            raise Rejected(-26, "dust")
        if fee < tx.virtual_size * _LEAST_RATE:
            raise Rejected(-26, "min relay fee not met")
        return fee

    def _replace(self, placed: Placed) -> None:
        """Take out what spends the same coins, as BIP-125 has it. Raises Rejected."""
        spenders = {
            self.spent_by[i.outpoint] for i in placed.tx.inputs if i.outpoint in self.spent_by
        }
        for tx_id in spenders:
            other = self.known[tx_id]
            if other.block:
                raise Rejected(-25, "bad-txns-inputs-missingorspent")
            if all(item.sequence > _REPLACEABLE for item in other.tx.inputs):
                raise Rejected(-26, "txn-mempool-conflict")
            if placed.fee < other.fee + placed.tx.virtual_size * _LEAST_RATE:
                raise Rejected(-26, "insufficient fee, rejecting replacement")
        for tx_id in spenders:
            self.drop(tx_id)

    def _add(self, placed: Placed) -> None:
        self.known[placed.tx_id] = placed
        for item in placed.tx.inputs:
            self.spent_by[item.outpoint] = placed.tx_id
        for index, output in enumerate(placed.tx.outputs):
            self._outputs[f"{placed.tx_id}:{index}"] = output

    def _forget(self, tx_id: str) -> None:
        """And everything that spends from it."""
        placed = self.known.pop(tx_id, None)
        if placed is None:
            return
        for item in placed.tx.inputs:
            self.spent_by.pop(item.outpoint, None)
        for index in range(len(placed.tx.outputs)):
            self._outputs.pop(f"{tx_id}:{index}", None)
            spender = self.spent_by.get(f"{tx_id}:{index}")
            if spender is not None:
                self._forget(spender)

    def _make(self, number: int, height: int) -> bool:
        """One block of what came before it and pays enough; parents come before children."""
        taken = []
        for placed in self.waiting():
            if placed.came_at >= number:
                continue
            if placed.rate < self.least_rate:
                placed.came_at = height
                continue
            placed.block = number
            taken.append(placed.tx_id)
        if taken:
            self._contents[number] = taken
            self._log.append("block", number, taken)
            self._headers.changed(number)
        return bool(taken)

    def _of_block(self, number: int) -> list[Tx]:
        return [self.known[tx_id].tx for tx_id in self._contents.get(number, [])]

    def _undo(self, above: int, *, drop: bool, height: int) -> None:
        self._headers.undone(above)
        for number in sorted((n for n in self._contents if n > above), reverse=True):
            for tx_id in self._contents.pop(number):
                placed = self.known.get(tx_id)
                if placed is None:
                    continue
                placed.block, placed.came_at = 0, height
                if drop:
                    self._forget(tx_id)

    def _recall(self, record: Record) -> None:
        match record:
            case ["height", _]:
                self.pace.recall(record)
            case ["head", number, block_hash]:
                self._headers.recall(number, block_hash)
            case ["endowed", address]:
                self._endowed.add(address)
            case ["wait", raw, came_at]:
                tx = parsed(raw)
                spent = sum(self._outputs[item.outpoint].value for item in tx.inputs)
                fee = spent - sum(output.value for output in tx.outputs)
                self._add(Placed(tx, tx.tx_id, fee, came_at))
            case ["block", number, tx_ids]:
                self._contents[number] = tx_ids
                for tx_id in tx_ids:
                    self.known[tx_id].block = number
            case ["undo", above, drop, height]:
                self._undo(above, drop=drop, height=height)
            case ["gone", tx_id]:
                self._forget(tx_id)


def error_text(rejected: Rejected) -> str:
    """As Esplora passes it on."""
    detail: dict[str, Any] = {"code": rejected.code, "message": str(rejected)}
    return f"sendrawtransaction RPC error: {msgspec.json.encode(detail).decode()}"
