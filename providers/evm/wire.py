"""What Ethereum's JSON-RPC says, as far as we listen. Quantities are hex texts: see `number`."""

from typing import Any, Final

import msgspec

from actors.chain_rail import ChainUnavailable

_LONGEST: Final = 66


def number(quantity: str) -> int:
    """Of "0x1a", at most 32 bytes; raises ChainUnavailable for anything else."""
    try:
        if not quantity.startswith("0x") or len(quantity) > _LONGEST:
            raise ValueError
        return int(quantity, 16)
    except ValueError as error:
        raise ChainUnavailable(f"not a quantity: {quantity[:20]!r}") from error


class Request(msgspec.Struct, frozen=True):
    method: str
    params: list[Any]
    id: int
    jsonrpc: str = "2.0"


class Error(msgspec.Struct, frozen=True):
    code: int = 0
    message: str = ""


class Response(msgspec.Struct, frozen=True):
    id: int | None = None
    result: msgspec.Raw = msgspec.Raw(b"")  # empty: there was none, which is not null
    error: Error | None = None


class _Camel(msgspec.Struct, frozen=True, rename="camel", gc=False):
    pass


class Header(_Camel, frozen=True, gc=False):
    """A block asked for without its transactions, which are hashes then."""

    number: str
    hash: str
    parent_hash: str
    transactions: list[Any] = []


class Transaction(_Camel, frozen=True, gc=False):
    hash: str
    value: str
    to: str | None = None
    sender: str = msgspec.field(name="from", default="")


class FullBlock(_Camel, frozen=True, gc=False):
    """A block asked for with its transactions."""

    number: str
    hash: str
    parent_hash: str
    transactions: list[Transaction] = []


class Log(_Camel, frozen=True, gc=False):
    address: str
    topics: list[str]
    data: str
    block_number: str
    block_hash: str
    transaction_hash: str
    log_index: str
    removed: bool = False


class Receipt(_Camel, frozen=True, gc=False):
    """`l1_fee` is what rollups of the OP kind charge on top. Some nodes have receipts of what is in
    no block yet: then `block_number` is null."""

    block_number: str | None
    gas_used: str
    status: str = "0x1"
    effective_gas_price: str = "0x0"
    l1_fee: str | None = None

    @property
    def fee_raw(self) -> int:
        """What its sender paid, in wei. Raises ChainUnavailable."""
        fee = number(self.gas_used) * number(self.effective_gas_price)
        return fee + (number(self.l1_fee) if self.l1_fee else 0)


class FeeHistory(_Camel, frozen=True, gc=False):
    base_fee_per_gas: list[str]
    reward: list[list[str]] | None = None
