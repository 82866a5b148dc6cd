"""Bytes of Bitcoin's transactions and blocks. Pure.

Reads any transaction; signs inputs that spend P2WPKH coins (BIP-143), the only coins the hot
wallet has. Transaction ids are texts in the reversed order everybody shows them in.
"""

from typing import Final

import msgspec

from domain.chains.hashes import double_sha256, hash160
from providers.hdwallet import curve

REPLACEABLE: Final = 0xFFFFFFFD
_ALL: Final = 1
HEADER_BYTES: Final = 80


class Malformed(ValueError):
    """Not a transaction or a block."""


class Input(msgspec.Struct, frozen=True, array_like=True):
    tx_id: str
    index: int
    sequence: int = REPLACEABLE
    script: bytes = b""
    witness: tuple[bytes, ...] = ()

    @property
    def outpoint(self) -> str:
        return f"{self.tx_id}:{self.index}"


class Output(msgspec.Struct, frozen=True, array_like=True):
    """`value` in satoshis."""

    value: int
    script: bytes


class Tx(msgspec.Struct, frozen=True, array_like=True):
    inputs: tuple[Input, ...]
    outputs: tuple[Output, ...]
    version: int = 2
    lock_time: int = 0

    @property
    def tx_id(self) -> str:
        return double_sha256(serialized(self, witness=False))[::-1].hex()

    @property
    def weight(self) -> int:
        """Three times the bytes without witnesses, and once all bytes (BIP-141)."""
        return 3 * len(serialized(self, witness=False)) + len(serialized(self))

    @property
    def virtual_size(self) -> int:
        return -(-self.weight // 4)


def serialized(tx: Tx, *, witness: bool = True) -> bytes:
    """As it goes over the wire, or as it is hashed into its id."""
    witness = witness and any(item.witness for item in tx.inputs)
    parts = [_u32(tx.version)]
    if witness:
        parts.append(b"\x00\x01")
    parts.append(varint(len(tx.inputs)))
    for item in tx.inputs:
        parts += [_outpoint(item), _text(item.script), _u32(item.sequence)]
    parts.append(varint(len(tx.outputs)))
    parts += [_output(output) for output in tx.outputs]
    if witness:
        for item in tx.inputs:
            parts.append(varint(len(item.witness)))
            parts += [_text(element) for element in item.witness]
    parts.append(_u32(tx.lock_time))
    return b"".join(parts)


def digest(tx: Tx, position: int, public: bytes, value: int) -> bytes:
    """What the owner of the coin at `position` signs (BIP-143, SIGHASH_ALL)."""
    item = tx.inputs[position]
    script = b"\x76\xa9\x14" + hash160(public) + b"\x88\xac"
    return double_sha256(
        _u32(tx.version)
        + double_sha256(b"".join(_outpoint(i) for i in tx.inputs))
        + double_sha256(b"".join(_u32(i.sequence) for i in tx.inputs))
        + _outpoint(item)
        + _text(script)
        + value.to_bytes(8, "little")
        + _u32(item.sequence)
        + double_sha256(b"".join(_output(o) for o in tx.outputs))
        + _u32(tx.lock_time)
        + _u32(_ALL)
    )


def signed(tx: Tx, values: list[int], secret: int, public: bytes) -> Tx:
    """Every input signed by one key; `values` are what the coins are worth."""
    inputs = []
    for position, (item, value) in enumerate(zip(tx.inputs, values, strict=True)):
        signature = curve.sign(secret, digest(tx, position, public, value))
        witness = (signature.der + bytes([_ALL]), public)
        inputs.append(msgspec.structs.replace(item, witness=witness))
    return msgspec.structs.replace(tx, inputs=tuple(inputs))


def is_signed(tx: Tx, position: int, output: Output) -> bool:
    """Whether the witness at `position` may spend `output`, a P2WPKH coin."""
    witness = tx.inputs[position].witness
    if len(witness) != 2 or output.script[:2] != b"\x00\x14":
        return False
    signature, public = witness
    if hash160(public) != output.script[2:] or signature[-1:] != bytes([_ALL]):
        return False
    return curve.verifies(public, digest(tx, position, public, output.value), signature[:-1])


def parsed(data: bytes) -> Tx:
    """One transaction and nothing after it. Raises Malformed."""
    reader = _Reader(data)
    tx = reader.transaction()
    if reader.place != len(data):
        raise Malformed("bytes after the transaction")
    return tx


def parsed_block(data: bytes) -> tuple[str, str, list[Tx]]:
    """A block's own hash, its parent's, and its transactions. Raises Malformed."""
    reader = _Reader(data)
    header = reader.take(HEADER_BYTES)
    transactions = [reader.transaction() for _ in range(reader.varint())]
    if reader.place != len(data):
        raise Malformed("bytes after the block")
    return double_sha256(header)[::-1].hex(), header[4:36][::-1].hex(), transactions


def varint(number: int) -> bytes:
    """CompactSize."""
    if number < 0xFD:
        return bytes([number])
    if number <= 0xFFFF:
        return b"\xfd" + number.to_bytes(2, "little")
    return b"\xfe" + number.to_bytes(4, "little")


class _Reader:
    """Takes a transaction apart from the front."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.place = 0

    def take(self, length: int) -> bytes:
        taken = self._data[self.place : self.place + length]
        if len(taken) != length:
            raise Malformed("cut off")
        self.place += length
        return taken

    def number(self, length: int) -> int:
        return int.from_bytes(self.take(length), "little")

    def varint(self) -> int:
        first = self.number(1)
        return first if first < 0xFD else self.number({0xFD: 2, 0xFE: 4, 0xFF: 8}[first])

    def transaction(self) -> Tx:
        version, count = self.number(4), self.varint()
        with_witness = count == 0
        if with_witness:
            if self.number(1) != 1:
                raise Malformed("unknown extension")
            count = self.varint()
        inputs = [self._input() for _ in range(count)]
        outputs = [self._output() for _ in range(self.varint())]
        if with_witness:
            inputs = [self._with_witness(item) for item in inputs]
        return Tx(tuple(inputs), tuple(outputs), version, self.number(4))

    def _input(self) -> Input:
        tx_id, index = self.take(32)[::-1].hex(), self.number(4)
        script = self.take(self.varint())
        return Input(tx_id, index, self.number(4), script)

    def _output(self) -> Output:
        value = self.number(8)
        return Output(value, self.take(self.varint()))

    def _with_witness(self, item: Input) -> Input:
        witness = tuple(self.take(self.varint()) for _ in range(self.varint()))
        return msgspec.structs.replace(item, witness=witness)


def _outpoint(item: Input) -> bytes:
    return bytes.fromhex(item.tx_id)[::-1] + _u32(item.index)


def _output(output: Output) -> bytes:
    return output.value.to_bytes(8, "little") + _text(output.script)


def _text(data: bytes) -> bytes:
    return varint(len(data)) + data


def _u32(number: int) -> bytes:
    return number.to_bytes(4, "little")
