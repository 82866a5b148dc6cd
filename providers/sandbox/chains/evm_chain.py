"""A simulated EVM chain: takes signed transactions as a node does, and has an outsider who pays."""

from typing import TYPE_CHECKING, Final

from providers.sandbox.chains.executed import (
    OUTSIDER,
    OUTSIDER_ACCOUNT,
    ExecutedChain,
    Refusal,
    Sim,
    the_engine,
    token_account,
    transfer_data,
)

if TYPE_CHECKING:
    from providers.sandbox.chains import engine

BASE_FEE: Final = 100_000_000  # wei: a tenth of a gwei, as on a quiet rollup
TIP: Final = 1_000_000
_REPLACEMENT: Final = (11, 10)  # what a node asks of a transaction that takes another's place
_DEEPEST_QUEUE: Final = 4_096
_CALL_GAS: Final = 10_000_000
_PAYMENT_GAS: Final = 200_000


class EvmChain(ExecutedChain):
    """See ExecutedChain. `base_fee` may be raised: what offers less waits."""

    base_fee = BASE_FEE

    def send(self, raw: bytes) -> bytes:
        """Take a signed transaction; its hash. Raises Refusal in a node's words."""
        sim = self._decoded(raw)
        self.height()
        if sim.hash in self.waiting or self.find(sim.hash) is not None:
            raise Refusal("already known")
        root = self.root()
        if sim.nonce < self.machine.nonce(root, sim.sender):
            raise Refusal("nonce too low")
        if self.machine.balance(root, sim.sender) < sim.gas * sim.max_fee + int(sim.value):
            raise Refusal("insufficient funds for gas * price + value")
        if len(self.waiting) >= _DEEPEST_QUEUE:
            raise Refusal("txpool is full")
        self._make_room(sim)
        self._accept(sim)
        return sim.hash

    def pay(self, to: bytes, symbol: str, amount_raw: int) -> bytes:
        """The outsider sends tokens, or coins for a symbol that is no token here."""
        contract = self._contract(symbol)
        self.height()
        module = the_engine()
        said = module.Decoded(
            hash=b"",
            sender=OUTSIDER_ACCOUNT,
            nonce=self.next_nonce(OUTSIDER_ACCOUNT),
            to=contract or to,
            value=0 if contract else amount_raw,
            data=transfer_data(to, amount_raw) if contract else b"",
            gas=_PAYMENT_GAS,
            max_fee=100 * self.base_fee + TIP,
            tip=TIP,
            chain_id=self.chain_id,
        )
        return self.send(module.signed(OUTSIDER, self.chain_id, said))

    def next_nonce(self, account: bytes) -> int:
        """After everything that waits."""
        nonce = self.machine.nonce(self.root(), account)
        taken = {sim.nonce for sim in self.waiting.values() if sim.sender == account}
        while nonce in taken:
            nonce += 1
        return nonce

    def call(
        self, number: int, sender: bytes, to: bytes, value: int, data: bytes
    ) -> "engine.Executed":
        """What would happen; raises Refusal when it cannot even be tried."""
        module = the_engine()
        try:
            done: engine.Executed = self.machine.execute_as(
                self.root(number), self.env(number), sender, to, value, data,
                gas=_CALL_GAS, keep=False,
            )  # fmt: skip
        except module.Invalid as error:
            raise Refusal(str(error)) from error
        return done

    def drop(self, tx_hash: bytes) -> None:
        """Forget a transaction that waits, as crowded nodes do."""
        self._forget(tx_hash)

    def _contract(self, symbol: str) -> bytes:
        for position, spec in enumerate(self.tokens):
            if spec.symbol == symbol:
                return token_account(position)
        return b""

    def _decoded(self, raw: bytes) -> Sim:
        module = the_engine()
        try:
            said: engine.Decoded = module.decode(raw)
        except module.Invalid as error:
            raise Refusal(str(error)) from error
        if said.chain_id != self.chain_id:
            raise Refusal(f"invalid chain id for signer: have {said.chain_id} want {self.chain_id}")
        return Sim(
            said.hash, raw, said.sender, said.nonce, said.to, str(said.value), said.data, said.gas,
            said.max_fee, said.tip,
        )  # fmt: skip

    def _make_room(self, sim: Sim) -> None:
        """Take out what has the same nonce, if this one pays enough more."""
        for other in list(self.waiting.values()):
            if (other.sender, other.nonce) == (sim.sender, sim.nonce):
                more, than = _REPLACEMENT
                if sim.max_fee * than < other.max_fee * more or sim.tip * than < other.tip * more:
                    raise Refusal("replacement transaction underpriced")
                self._forget(other.hash)

    def _execute(self, sim: Sim, root: bytes, number: int) -> "engine.Executed | None":
        if sim.max_fee < self.base_fee or sim.nonce > self.machine.nonce(root, sim.sender):
            return None
        sim.price = min(sim.max_fee, self.base_fee + sim.tip)
        return self.machine.execute(root, self.env(number), sim.raw)
