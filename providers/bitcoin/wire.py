"""What Esplora says, as far as we listen. Amounts in satoshis."""

import msgspec


class Status(msgspec.Struct, frozen=True):
    confirmed: bool = False
    block_height: int = 0
    block_hash: str = ""


class Transaction(msgspec.Struct, frozen=True):
    """Asked for whole: `/tx/…/status` does not tell an unknown transaction from a waiting one."""

    txid: str
    fee: int = 0
    status: Status = Status()


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
