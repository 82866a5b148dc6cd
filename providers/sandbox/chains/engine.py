"""An EVM as a pure function: a state root and a transaction in, a new root and what happened out.

py-evm's state machine without its blocks, which the simulated chains keep themselves: undoing
blocks is going back to an older root. Importing this takes a second, so it is imported when it is
first needed.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from eth.abc import ComputationAPI, SignedTransactionAPI
from eth.constants import BLANK_ROOT_HASH
from eth.db.atomic import AtomicDB
from eth.db.backends.memory import MemoryDB
from eth.vm.execution_context import ExecutionContext
from eth.vm.forks.cancun import CancunVM
from eth.vm.spoof import SpoofTransaction
from eth_keys.datatypes import PrivateKey, Signature
from eth_keys.exceptions import BadSignature
from eth_utils.exceptions import ValidationError
from rlp.exceptions import RLPException  # type: ignore[import-untyped]

# Importing py-evm raises the interpreter's recursion limit to 100,000, where deeply nested JSON
# overflows the C stack instead of being refused. Nothing here needs more than the usual.
sys.setrecursionlimit(1_000)

BLOCK_GAS: Final = 30_000_000
NO_STATE: Final = BLANK_ROOT_HASH
_NOBODY: Final = bytes(20)
_State: Final[Any] = CancunVM.get_state_class()
_Builder: Final[Any] = CancunVM.get_transaction_builder()


class Invalid(Exception):
    """Not a transaction a block could hold; the text is what a node would say."""


@dataclass(frozen=True, slots=True)
class Env:
    """The block something is executed in."""

    chain_id: int
    number: int
    time: int
    base_fee: int


@dataclass(frozen=True, slots=True)
class Decoded:
    """What a signed transaction says. Accounts are twenty bytes, `to` is empty for a contract
    that is made, prices are wei per gas."""

    hash: bytes
    sender: bytes
    nonce: int
    to: bytes
    value: int
    data: bytes
    gas: int
    max_fee: int
    tip: int
    chain_id: int | None


@dataclass(frozen=True, slots=True)
class Executed:
    """`logs` are (contract, topics, data); `output` what a call returned or why it reverted."""

    root: bytes
    succeeded: bool
    gas_used: int
    logs: tuple[tuple[bytes, tuple[int, ...], bytes], ...]
    contract: bytes
    output: bytes
    refusal: str = ""


class _Nodes(MemoryDB):
    """Tells of every new piece of state, so that it can be kept."""

    def __init__(self, nodes: dict[bytes, bytes], on_node: Callable[[bytes, bytes], None]) -> None:
        super().__init__(nodes)
        self._on_node = on_node

    def __setitem__(self, key: bytes, value: bytes) -> None:
        if key not in self.kv_store:
            self._on_node(key, value)
        super().__setitem__(key, value)


class Engine:
    """State of one chain at every root it ever had."""

    def __init__(self, nodes: dict[bytes, bytes], on_node: Callable[[bytes, bytes], None]) -> None:
        self._db = AtomicDB(_Nodes(nodes, on_node))

    def give(self, root: bytes, account: bytes, amount: int) -> bytes:
        """Own coins out of nothing; the new root."""
        state = self._state(root, Env(1, 0, 0, 0))
        state.set_balance(account, state.get_balance(account) + amount)
        return self._committed(state)

    def balance(self, root: bytes, account: bytes) -> int:
        return int(self._state(root, Env(1, 0, 0, 0)).get_balance(account))

    def nonce(self, root: bytes, account: bytes) -> int:
        return int(self._state(root, Env(1, 0, 0, 0)).get_nonce(account))

    def code(self, root: bytes, account: bytes) -> bytes:
        return bytes(self._state(root, Env(1, 0, 0, 0)).get_code(account))

    def execute(self, root: bytes, env: Env, raw: bytes) -> Executed:
        """A signed transaction in a block. Raises Invalid when no block could hold it."""
        return self._applied(root, env, _transaction(raw), keep=True)

    def execute_as(
        self,
        root: bytes,
        env: Env,
        sender: bytes,
        to: bytes,
        value: int,
        data: bytes,
        *,
        gas: int,
        keep: bool,
    ) -> Executed:
        """As if `sender` had signed, without a price for gas; without `keep` nothing comes of
        it. Raises Invalid."""
        free = Env(env.chain_id, env.number, env.time, 0)
        nonce = self._state(root, free).get_nonce(sender)
        unsigned = _Builder.create_unsigned_transaction(
            nonce=nonce, gas_price=0, gas=gas, to=to, value=value, data=data
        )
        return self._applied(root, free, SpoofTransaction(unsigned, from_=sender), keep=keep)

    def _applied(self, root: bytes, env: Env, transaction: Any, *, keep: bool) -> Executed:
        state = self._state(root, env)
        try:
            computation = state.apply_transaction(transaction)
        except ValidationError as error:
            raise Invalid(str(error)) from error
        return Executed(
            root=self._committed(state) if keep else root,
            succeeded=computation.is_success,
            gas_used=_gas_used(transaction, computation),
            logs=tuple(computation.get_log_entries()),
            contract=computation.msg.storage_address if not transaction.to else b"",
            output=computation.output,
            refusal="" if computation.is_success else str(computation.error),
        )

    def _state(self, root: bytes, env: Env) -> Any:
        context = ExecutionContext(
            coinbase=_NOBODY,  # type: ignore[arg-type]
            timestamp=env.time,
            block_number=env.number,  # type: ignore[arg-type]
            difficulty=0,
            mix_hash=bytes(32),  # type: ignore[arg-type]
            gas_limit=BLOCK_GAS,
            prev_hashes=[],
            chain_id=env.chain_id,
            base_fee_per_gas=env.base_fee,
            excess_blob_gas=0,
        )
        return _State(self._db, context, root)

    @staticmethod
    def _committed(state: Any) -> bytes:
        root: bytes = state.make_state_root()
        state.persist()
        return root


def decode(raw: bytes) -> Decoded:
    """Read a signed transaction and who signed it. Raises Invalid."""
    transaction = _transaction(raw)
    return Decoded(
        hash=transaction.hash,
        sender=transaction.sender,
        nonce=transaction.nonce,
        to=transaction.to,
        value=transaction.value,
        data=transaction.data,
        gas=transaction.gas,
        max_fee=transaction.max_fee_per_gas,
        tip=transaction.max_priority_fee_per_gas,
        chain_id=transaction.chain_id,
    )


def signed(secret: bytes, chain_id: int, said: Decoded) -> bytes:
    """The bytes of what `said` says, for an outsider whose key the simulator has."""
    unsigned = _Builder.new_unsigned_dynamic_fee_transaction(
        chain_id=chain_id,
        nonce=said.nonce,
        max_priority_fee_per_gas=said.tip,
        max_fee_per_gas=said.max_fee,
        gas=said.gas,
        to=said.to,
        value=said.value,
        data=said.data,
        access_list=[],
    )
    return bytes(unsigned.as_signed_transaction(PrivateKey(secret)).encode())


def account_of(secret: bytes) -> bytes:
    return bytes(PrivateKey(secret).public_key.to_canonical_address())


def recovered(digest: bytes, signature: bytes) -> bytes | None:
    """The account whose 65-byte signature (r, s, parity) of `digest` this is."""
    try:
        public = Signature(signature).recover_public_key_from_msg_hash(digest)
    except (BadSignature, ValidationError):
        return None
    return bytes(public.to_canonical_address())


def _transaction(raw: bytes) -> SignedTransactionAPI:
    try:
        transaction: SignedTransactionAPI = _Builder.decode(raw)
        transaction.validate()
    except (ValidationError, RLPException, ValueError, TypeError) as error:
        raise Invalid(f"not a transaction: {error}") from error
    return transaction


def _gas_used(transaction: Any, computation: ComputationAPI) -> int:
    used = int(transaction.gas - computation.get_gas_remaining())
    return used - min(computation.get_gas_refund(), used // 5)
