"""What Esplora says, as far as we listen. Amounts in satoshis."""

import msgspec


class Status(msgspec.Struct, frozen=True):
    confirmed: bool = False
    block_height: int = 0
    block_hash: str = ""


class Utxo(msgspec.Struct, frozen=True):
    txid: str
    vout: int
    value: int
    status: Status = Status()


class Outspend(msgspec.Struct, frozen=True):
    """Who spent an output."""

    spent: bool = False
    txid: str = ""
    status: Status = Status()
