"""Headers and blocks of the simulated Bitcoin: made when somebody looks, one after the other.

Each names the one before, so they are made in order and kept for a while; where the chain has got
to is noted in the log now and then, and the next start goes on from there.
"""

from collections.abc import Callable
from typing import Final

from domain.chains.hashes import double_sha256
from providers.bitcoin.tx import Input, Output, Tx, serialized, varint
from providers.sandbox.chains.log import Log

_KEPT: Final = 4_096
_NOTED_EVERY: Final = 64
_NOTES_KEPT: Final = 8  # 512 blocks: more than anybody who reads on may have missed
_BORN: Final = 1_700_000_000  # time of block 0; blocks are a second apart, pauses left out
_VERSION: Final = 0x20000000
_BITS: Final = 0x207FFFFF  # regtest: every other hash will do
_TARGET: Final = 0x7FFFFF << 232
_NULL: Final = "00" * 32
_COMMITMENT: Final = bytes.fromhex("6a24aa21a9ed")

Contents = Callable[[int], list[Tx]]


class Headers:
    """Hashes and headers of the newest blocks. Records: ["head", number, hash].

    A block is the same whenever it is made: its time and contents follow from its number, so
    after a restart those since an older note are made again as they were.
    """

    def __init__(self, log: Log) -> None:
        self._log = log
        self._blocks: dict[int, tuple[str, bytes, Tx]] = {}
        self._numbers: dict[str, int] = {}
        self._notes: list[tuple[int, str]] = [(0, _NULL)]
        self._first = self._notes[0]  # the parent of the first block that is made
        self._newest = 0
        self._forks: list[int] = []

    def recall(self, number: int, block_hash: str) -> None:
        """A note of an earlier run."""
        if number > self._notes[-1][0]:
            self._notes.append((number, block_hash))

    def recalled(self) -> None:
        """Everything was recalled: go on from a note that is old enough for every reader."""
        del self._notes[:-_NOTES_KEPT]
        self._first = self._notes[0]
        self._newest, block_hash = self._first
        self._numbers[block_hash] = self._newest

    def hash_at(self, number: int, contents: Contents) -> str | None:
        """None for blocks before the first that is remembered."""
        self._reach(number, contents)
        if number == self._first[0]:
            return self._first[1]
        block = self._blocks.get(number)
        return block[0] if block else None

    def raw(self, block_hash: str, contents: Contents) -> bytes | None:
        """The whole block."""
        number = self._numbers.get(block_hash)
        if number is None or number not in self._blocks:
            return None
        _, header, coinbase = self._blocks[number]
        transactions = [coinbase, *contents(number)]
        body = b"".join(serialized(tx) for tx in transactions)
        return header + varint(len(transactions)) + body

    def number_of(self, block_hash: str) -> int | None:
        return self._numbers.get(block_hash)

    def changed(self, number: int) -> None:
        """A block got contents; nobody has looked at it, or it and its followers are made anew."""
        if number <= self._newest:
            self._cut(number - 1)

    def undone(self, above: int) -> None:
        """Blocks above that number are replaced by others."""
        self._forks.append(above)
        while self._notes[-1][0] > above and len(self._notes) > 1:
            self._notes.pop()
        self._cut(above)

    def _cut(self, above: int) -> None:
        for number in range(max(above, self._first[0]) + 1, self._newest + 1):
            block = self._blocks.pop(number, None)
            if block is not None:
                self._numbers.pop(block[0], None)
        self._newest = max(min(self._newest, above), self._first[0])

    def _reach(self, number: int, contents: Contents) -> None:
        while self._newest < number:
            self._make(self._newest + 1, contents)

    def _make(self, number: int, contents: Contents) -> None:
        parent = self._first[1] if number - 1 == self._first[0] else self._blocks[number - 1][0]
        transactions = contents(number)
        fork = max((n for n, above in enumerate(self._forks, 1) if above < number), default=0)
        coinbase = _coinbase(number, fork, transactions)
        root = _merkle_root([coinbase.tx_id, *(tx.tx_id for tx in transactions)])
        header = _header(parent, root, _BORN + number)
        block_hash = double_sha256(header)[::-1].hex()
        self._blocks[number] = (block_hash, header, coinbase)
        self._numbers[block_hash] = number
        self._newest = number
        oldest = self._blocks.pop(number - _KEPT, None)
        if oldest is not None:
            self._numbers.pop(oldest[0], None)
        if number % _NOTED_EVERY == 0 and number > self._notes[-1][0]:
            self.recall(number, block_hash)
            del self._notes[: -8 * _NOTES_KEPT]
            self._log.append("head", number, block_hash)


def _coinbase(number: int, fork: int, transactions: list[Tx]) -> Tx:
    """Names its height (BIP-34) and commits to the witnesses (BIP-141); claims nothing."""
    height = number.to_bytes((number.bit_length() + 8) // 8, "little")
    script = bytes([len(height)]) + height + bytes([4]) + fork.to_bytes(4, "little")
    reserved = bytes(32)
    hashes = [_NULL, *(double_sha256(serialized(tx))[::-1].hex() for tx in transactions)]
    root = bytes.fromhex(_merkle_root(hashes))[::-1]
    commitment = Output(0, _COMMITMENT + double_sha256(root + reserved))
    item = Input(_NULL, 0xFFFFFFFF, 0xFFFFFFFF, script, (reserved,))
    return Tx((item,), (commitment,))


def _header(parent: str, root: str, time: int) -> bytes:
    front = _VERSION.to_bytes(4, "little") + bytes.fromhex(parent)[::-1]
    front += bytes.fromhex(root)[::-1] + time.to_bytes(4, "little") + _BITS.to_bytes(4, "little")
    nonce = 0
    while True:
        header = front + nonce.to_bytes(4, "little")
        if int.from_bytes(double_sha256(header), "little") <= _TARGET:
            return header
        nonce += 1


def _merkle_root(hashes: list[str]) -> str:
    level = [bytes.fromhex(text)[::-1] for text in hashes]
    while len(level) > 1:
        if len(level) % 2:
            level.append(level[-1])
        pairs = zip(level[::2], level[1::2], strict=True)
        level = [double_sha256(left + right) for left, right in pairs]
    return level[0][::-1].hex()
