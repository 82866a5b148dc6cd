"""What simulated EVM and TRON chains have in common: executed blocks, and how they are undone.

Blocking and not thread-safe: a façade runs it in a thread, one call at a time. Transactions are
executed when somebody looks, in the block that was made after they came.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from domain.chains.hashes import keccak256
from providers.evm.codec import created_address
from providers.hdwallet import curve
from providers.sandbox.chains.log import Log
from providers.sandbox.chains.pace import Pace

if TYPE_CHECKING:
    from providers.sandbox.chains import engine

# The outsider deploys the tokens, owns their first supply and plays everybody who pays us.
OUTSIDER: Final = bytes.fromhex("0d" * 32)
OUTSIDER_ACCOUNT: Final = keccak256(
    curve.uncompressed(curve.public_point(int.from_bytes(OUTSIDER, "big")))
)[-20:]
_PLENTY: Final = 10**33
_ENDOWMENT: Final = 10**9  # whole coins, and whole tokens of each kind
_DEPLOY_GAS: Final = 5_000_000
_TRANSFER_GAS: Final = 1_000_000
_TOKEN_CODE: Final = Path(__file__).parent / "contracts" / "token.hex"


class Refusal(Exception):
    """What a node says to a transaction it does not take."""


class Sim(msgspec.Struct, array_like=True):
    """One transaction, waiting or in a block. Accounts are twenty bytes, `to` empty for a
    contract that is made; numbers that may be large are texts."""

    hash: bytes
    raw: bytes
    sender: bytes
    nonce: int
    to: bytes
    value: str
    data: bytes
    gas: int
    max_fee: int
    tip: int
    came_at: int = 0  # height
    price: int = 0
    succeeded: bool = False
    gas_used: int = 0
    contract: bytes = b""
    logs: list[tuple[bytes, list[bytes], bytes]] = []


class SimBlock(msgspec.Struct, array_like=True):
    """A block with something in it, and the state after it."""

    number: int
    root: bytes
    transactions: list[Sim]
    endowed: bytes = b""  # set: no block, but an account that was given coins and tokens


class TokenSpec(msgspec.Struct, frozen=True):
    """A token that every simulated chain of a kind has; deployed in order."""

    symbol: str
    decimals: int


def token_account(position: int) -> bytes:
    """Where the token at that place of the list is deployed."""
    return bytes.fromhex(created_address(OUTSIDER_ACCOUNT, position)[2:])


class ExecutedChain(ABC):
    """State of one chain. Records: height (see pace), node, block, undo, wait, gone."""

    base_fee = 0
    coin_decimals = 18

    def __init__(
        self, key: str, chain_id: int, tokens: tuple[TokenSpec, ...], log: Log, pace: Pace
    ) -> None:
        self.key = key
        self.chain_id = chain_id
        self.tokens = tokens
        self.pace = pace
        self.waiting: dict[bytes, Sim] = {}
        self.blocks: list[SimBlock] = []
        self._log = log
        self._nodes: dict[bytes, bytes] = {}
        self._engine: engine.Engine | None = None
        self._by_number: dict[int, SimBlock] = {}
        self._place: dict[bytes, SimBlock] = {}
        self._forks: list[int] = []
        self._endow: list[bytes] = []
        for record in log.load():
            self._recall(record)

    # --- looking ---------------------------------------------------------------------------

    def height(self) -> int:
        """Number of the newest block, with everything executed that is in blocks by now."""
        height = self.pace.height
        while due := [sim for sim in self.waiting.values() if sim.came_at < height]:
            first = min(sim.came_at for sim in due) + 1
            number = max(first, self.blocks[-1].number + 1 if self.blocks else 1)
            if number > height or not self._make(number, height):
                break
        return height

    def hash(self, number: int) -> bytes:
        """Of any block, empty or not: another one after each time it was replaced."""
        fork = max((n for n, above in enumerate(self._forks, 1) if above < number), default=0)
        return keccak256(f"{self.key} {number} {fork}".encode())

    def block(self, number: int) -> SimBlock | None:
        """The block of that number if there is anything in it."""
        return self._by_number.get(number)

    def find(self, tx_hash: bytes) -> tuple[SimBlock, Sim] | None:
        """A transaction that is in a block."""
        block = self._place.get(tx_hash)
        if block is None:
            return None
        return block, next(sim for sim in block.transactions if sim.hash == tx_hash)

    def between(self, first: int, last: int) -> Iterable[SimBlock]:
        """Blocks with something in them."""
        if last - first < len(self._by_number):
            return [b for n in range(first, last + 1) if (b := self._by_number.get(n))]
        return [b for n, b in self._by_number.items() if first <= n <= last]

    def root(self, number: int | None = None) -> bytes:
        """State after that block, by default after the newest."""
        self._start()
        at = [b.root for b in self.blocks if number is None or b.number <= number]
        return at[-1] if at else self.blocks[0].root

    def env(self, number: int) -> "engine.Env":
        time = self.pace.time_of(number)
        env: engine.Env = the_engine().Env(self.chain_id, number, time, self.base_fee)
        return env

    @property
    def machine(self) -> "engine.Engine":
        """The EVM; the first use of any takes a second."""
        if self._engine is None:
            self._engine = the_engine().Engine(self._nodes, self._keep_node)
        return self._engine

    # --- what controls it ------------------------------------------------------------------

    def endow(self, account: bytes) -> None:
        """Give an account plenty of coins and of every token, once in the life of the chain."""
        if account not in self._endow:
            self._endow.append(account)

    def undo(self, depth: int, *, drop: bool) -> None:
        """Replace the newest `depth` blocks by others. What was in them waits again, or with
        `drop` is gone for good."""
        height = self.height()
        above = max(height - depth, 0)
        self._undo(above, drop=drop, height=height)
        self._log.append("undo", above, drop, height)

    # --- how it works ----------------------------------------------------------------------

    @abstractmethod
    def _execute(self, sim: Sim, root: bytes, number: int) -> "engine.Executed | None":
        """Execute it in a block; None when it has to wait longer. Raises engine.Invalid."""

    def _accept(self, sim: Sim) -> None:
        """Let a transaction wait for the next block."""
        sim.came_at = self.pace.height
        self.waiting[sim.hash] = sim
        self._log.append("wait", msgspec.to_builtins(sim, builtin_types=(bytes,)))

    def _forget(self, tx_hash: bytes) -> None:
        if self.waiting.pop(tx_hash, None) is not None:
            self._log.append("gone", tx_hash)

    def _make(self, number: int, height: int) -> bool:
        """One block of what has come before it; False when nothing of that could be executed."""
        block = SimBlock(number, self.root(), [])
        ready = [sim for sim in self.waiting.values() if sim.came_at < number]
        for sim in sorted(ready, key=lambda sim: (sim.nonce, sim.came_at)):
            try:
                done = self._execute(sim, block.root, number)
            except the_engine().Invalid:
                self._forget(sim.hash)
                continue
            if done is None:
                sim.came_at = height
                continue
            _note(sim, done)
            block.root = done.root
            block.transactions.append(sim)
            del self.waiting[sim.hash]
        if block.transactions:
            self._add(block)
            self._log.append("block", msgspec.to_builtins(block, builtin_types=(bytes,)))
        return bool(block.transactions)

    def _add(self, block: SimBlock) -> None:
        self.blocks.append(block)
        if not block.endowed:
            self._by_number[block.number] = block
        for sim in block.transactions:
            self._place[sim.hash] = block
            self.waiting.pop(sim.hash, None)

    def _undo(self, above: int, *, drop: bool, height: int) -> None:
        self._forks.append(above)
        while len(self.blocks) > 1 and self.blocks[-1].number > above:
            block = self.blocks.pop()
            self._by_number.pop(block.number, None)
            for sim in block.transactions:
                del self._place[sim.hash]
                if not drop:
                    sim.came_at = height
                    self.waiting[sim.hash] = sim

    def _recall(self, record: list[Any]) -> None:
        match record:
            case ["height", _]:
                self.pace.recall(record)
            case ["node", key, value]:
                self._nodes[key] = value
            case ["block", block]:
                self._add(msgspec.convert(block, SimBlock, builtin_types=(bytes,)))
            case ["undo", above, drop, height]:
                self._undo(above, drop=drop, height=height)
            case ["wait", sim]:
                waiting: Sim = msgspec.convert(sim, Sim, builtin_types=(bytes,))
                self.waiting[waiting.hash] = waiting
            case ["gone", tx_hash]:
                self.waiting.pop(tx_hash, None)

    def _keep_node(self, key: bytes, value: bytes) -> None:
        self._log.append("node", key, value)

    def _start(self) -> None:
        """State before anything happened: tokens deployed; then whoever is to be endowed."""
        if not self.blocks:
            root = self.machine.give(the_engine().NO_STATE, OUTSIDER_ACCOUNT, _PLENTY)
            for position, spec in enumerate(self.tokens):
                root = self._deployed(root, position, spec)
            self._given(SimBlock(0, root, [], OUTSIDER_ACCOUNT))
        for account in self._endow:
            if not any(block.endowed == account for block in self.blocks):
                self._given(SimBlock(self.blocks[-1].number, self._endowed(account), [], account))

    def _given(self, block: SimBlock) -> None:
        self._add(block)
        self._log.append("block", msgspec.to_builtins(block, builtin_types=(bytes,)))

    def _deployed(self, root: bytes, position: int, spec: TokenSpec) -> bytes:
        code = bytes.fromhex("".join(_TOKEN_CODE.read_text().split()))
        arguments = _constructor(spec)
        done = self.machine.execute_as(
            root,
            self.env(0),
            OUTSIDER_ACCOUNT,
            b"",
            0,
            code + arguments,
            gas=_DEPLOY_GAS,
            keep=True,
        )
        assert done.succeeded, done.refusal
        assert done.contract == token_account(position), "tokens are deployed in order"
        return done.root

    def _endowed(self, account: bytes) -> bytes:
        root = self.machine.give(self.blocks[-1].root, account, _ENDOWMENT * 10**self.coin_decimals)
        for position, spec in enumerate(self.tokens):
            amount = _ENDOWMENT * 10**spec.decimals
            data = transfer_data(account, amount)
            done = self.machine.execute_as(
                root,
                self.env(0),
                OUTSIDER_ACCOUNT,
                token_account(position),
                0,
                data,
                gas=_TRANSFER_GAS,
                keep=True,
            )
            assert done.succeeded, done.refusal
            root = done.root
        return root


def transfer_data(to: bytes, amount: int) -> bytes:
    """transfer(to, amount)."""
    return bytes.fromhex("a9059cbb") + to.rjust(32, b"\0") + amount.to_bytes(32, "big")


def _note(sim: Sim, done: "engine.Executed") -> None:
    sim.succeeded = done.succeeded
    sim.gas_used = done.gas_used
    sim.contract = done.contract
    sim.logs = [(a, [t.to_bytes(32, "big") for t in topics], d) for a, topics, d in done.logs]


def _constructor(spec: TokenSpec) -> bytes:
    """name, symbol, decimals and supply by the ABI."""
    words = [128, 192, spec.decimals, 10**60]
    name, symbol = (_text(text) for text in (f"Sandbox {spec.symbol}", spec.symbol))
    return b"".join(word.to_bytes(32, "big") for word in words) + name + symbol


def _text(text: str) -> bytes:
    data = text.encode()
    return len(data).to_bytes(32, "big") + data.ljust(32, b"\0")


def the_engine() -> Any:
    """Imported when it is first needed: it takes a second."""
    return import_module("providers.sandbox.chains.engine")
