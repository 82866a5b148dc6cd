"""Which coins pay a withdrawal, and what is left. Pure; amounts in satoshis."""

from collections.abc import Sequence
from typing import Final

import msgspec

from providers.bitcoin.tx import Input, Output, Tx

# What nodes refuse to relay: an output that costs more to spend than it is worth.
DUST: Final = 546
_OVERHEAD: Final = 11  # virtual bytes of a transaction without inputs and outputs
_INPUT: Final = 68  # of a P2WPKH input with its witness
_OUTPUT: Final = 9  # of an output without its script
# With few coins at hand change is split in two, so that more payments can be made at once: each
# coin can be in one unconfirmed payment only.
_ENOUGH_COINS: Final = 20
_WORTH_SPLITTING: Final = 200_000
_MOST_COLLECTED: Final = 200  # inputs of a sweep: 14 kB, of the 100 kB that nodes relay


class Coin(msgspec.Struct, frozen=True, array_like=True):
    tx_id: str
    index: int
    value: int

    @property
    def outpoint(self) -> str:
        return f"{self.tx_id}:{self.index}"


class Terms(msgspec.Struct, frozen=True, array_like=True):
    """A transaction before it is signed: coins in, one payment, change outputs after it."""

    coins: tuple[Coin, ...]
    script: bytes
    amount: int
    change: tuple[int, ...]
    fee: int


def chosen(
    coins: Sequence[Coin], script: bytes, amount: int, change_script: bytes, rate: int
) -> Terms | None:
    """Largest coins first, until they pay `amount` and the fee at `rate` (satoshis a virtual
    byte); None when all together do not."""
    taken: list[Coin] = []
    for coin in sorted(coins, key=lambda coin: coin.value, reverse=True):
        taken.append(coin)
        bare = size_of(len(taken), script) * rate
        rest = sum(c.value for c in taken) - amount - bare
        if rest >= 0:
            change = _change(rest, change_script, rate, few=len(coins) < _ENOUGH_COINS)
            fee = sum(c.value for c in taken) - amount - sum(change)
            return Terms(tuple(taken), script, amount, change, fee)
    return None


def collected(coins: Sequence[Coin], script: bytes, rate: int) -> Terms | None:
    """All of the largest coins, as many as one transaction carries well, into one output; None
    when they are not worth the fee."""
    taken = sorted(coins, key=lambda coin: coin.value, reverse=True)[:_MOST_COLLECTED]
    fee = size_of(len(taken), script) * rate
    amount = sum(coin.value for coin in taken) - fee
    return Terms(tuple(taken), script, amount, (), fee) if amount >= DUST else None


def dearer(terms: Terms, change_script: bytes, rate: int) -> Terms | None:
    """The same payment from the same coins at a higher rate, paid for by the change; None when
    there is not enough of it. The fee rises by a satoshi a byte at least, as nodes demand."""
    size = size_of(len(terms.coins), terms.script, change_script, len(terms.change))
    fee = max(size * rate, terms.fee + size)
    if not terms.change:
        return None
    left = sum(terms.change) - (fee - terms.fee)
    if left < DUST:
        return None
    change = (left - sum(terms.change[1:]), *terms.change[1:])
    if change[0] < DUST:
        change = (left,)
    return msgspec.structs.replace(terms, change=change, fee=fee)


def dearer_sweep(terms: Terms, rate: int) -> Terms | None:
    """The same coins at a higher rate, paid for by what arrives; None when that leaves nothing."""
    size = size_of(len(terms.coins), terms.script)
    fee = max(size * rate, terms.fee + size)
    amount = terms.amount - (fee - terms.fee)
    if amount < DUST:
        return None
    return msgspec.structs.replace(terms, amount=amount, fee=fee)


def rate_of(terms: Terms, change_script: bytes) -> int:
    """Satoshis a virtual byte, rounded down."""
    return terms.fee // size_of(len(terms.coins), terms.script, change_script, len(terms.change))


def unsigned(terms: Terms, change_script: bytes) -> Tx:
    """The payment first, change behind it."""
    outputs = [Output(terms.amount, terms.script)]
    outputs += [Output(value, change_script) for value in terms.change]
    inputs = [Input(coin.tx_id, coin.index) for coin in terms.coins]
    return Tx(tuple(inputs), tuple(outputs))


def _change(rest: int, script: bytes, rate: int, *, few: bool) -> tuple[int, ...]:
    output = (_OUTPUT + len(script)) * rate
    if few and rest - 2 * output >= _WORTH_SPLITTING:
        half = (rest - 2 * output) // 2
        return rest - 2 * output - half, half
    return (rest - output,) if rest - output >= DUST else ()


def size_of(inputs: int, script: bytes, change_script: bytes = b"", changes: int = 0) -> int:
    """Virtual bytes, never less than the signed transaction will have."""
    size = _OVERHEAD + inputs * _INPUT + _OUTPUT + len(script)
    return size + changes * (_OUTPUT + len(change_script))
