"""What TronGrid says, as far as we listen. An unknown thing is `{}`: everything has a default."""

import msgspec


class BlockRaw(msgspec.Struct, frozen=True, rename="camel"):
    number: int = 0  # left out for the first block
    timestamp: int = 0
    parent_hash: str = ""


class BlockHeader(msgspec.Struct, frozen=True):
    raw_data: BlockRaw = BlockRaw()


class Value(msgspec.Struct, frozen=True):
    """Of a TransferContract; addresses in hex."""

    amount: int = 0
    owner_address: str = ""
    to_address: str = ""


class Parameter(msgspec.Struct, frozen=True):
    value: msgspec.Raw = msgspec.Raw(b"{}")


class Contract(msgspec.Struct, frozen=True):
    type: str = ""
    parameter: Parameter = Parameter()


class TransactionRaw(msgspec.Struct, frozen=True):
    contract: list[Contract] = []


class Ret(msgspec.Struct, frozen=True, rename="camel"):
    contract_ret: str = ""


class Transaction(msgspec.Struct, frozen=True):
    tx_id: str = msgspec.field(name="txID", default="")
    raw_data: TransactionRaw = TransactionRaw()
    ret: list[Ret] = []


class Block(msgspec.Struct, frozen=True):
    block_id: str = msgspec.field(name="blockID", default="")
    block_header: BlockHeader = BlockHeader()
    transactions: list[Transaction] = []


class Log(msgspec.Struct, frozen=True):
    """Hex without 0x; the address without TRON's leading 41."""

    address: str = ""
    topics: list[str] = []
    data: str = ""


class Resources(msgspec.Struct, frozen=True):
    result: str = ""
    energy_usage_total: int = 0


class Info(msgspec.Struct, frozen=True):
    """What became of a transaction. `fee` in sun."""

    id: str = ""
    block_number: int = msgspec.field(name="blockNumber", default=0)
    fee: int = 0
    result: str = ""
    receipt: Resources = Resources()
    log: list[Log] = []

    @property
    def succeeded(self) -> bool:
        return self.result != "FAILED" and self.receipt.result in ("", "SUCCESS", "DEFAULT")


class Account(msgspec.Struct, frozen=True):
    balance: int = 0


class CallResult(msgspec.Struct, frozen=True):
    result: bool = False
    message: str = ""


class Constant(msgspec.Struct, frozen=True):
    """Answer of triggerconstantcontract."""

    result: CallResult = CallResult()
    energy_used: int = 0
    constant_result: list[str] = []


class ChainParameter(msgspec.Struct, frozen=True):
    key: str
    value: int = 0


class ChainParameters(msgspec.Struct, frozen=True):
    parameters: list[ChainParameter] = msgspec.field(name="chainParameter", default_factory=list)


class Broadcast(msgspec.Struct, frozen=True):
    result: bool = False
    code: str = ""
    txid: str = ""
    message: str = ""
