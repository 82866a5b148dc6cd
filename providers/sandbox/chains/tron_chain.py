"""A simulated TRON: its own transactions, executed by the same EVM that runs the other chains.

Fees are told as the real chain would, and not taken."""

from typing import TYPE_CHECKING, Any, Final

from domain.chains.hashes import sha256
from providers.hdwallet import curve
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
from providers.tron.protobuf import Malformed, Value, fields_of, message

if TYPE_CHECKING:
    from providers.sandbox.chains import engine

TRANSFER, TRIGGER = 1, 31
ENERGY_PRICE_SUN: Final = 100
# Blocks that the witnesses have not yet agreed on; nineteen on the real chain, whose blocks take
# three seconds.
_UNSOLID: Final = 2
_CALL_GAS: Final = 10_000_000
_LONGEST_LIFE_MS: Final = 86_400_000
_DEEPEST_QUEUE: Final = 4_096
_REFERENCES: Final = 65_536


class TronChain(ExecutedChain):
    """See ExecutedChain. Its coins are counted in sun; a signer's account is twenty bytes."""

    coin_decimals = 6

    def hash(self, number: int) -> bytes:
        """TRON's block ids begin with the number."""
        return number.to_bytes(8, "big") + super().hash(number)[8:]

    def solid(self) -> int:
        """Number of the newest block that will not be undone."""
        return max(self.height() - _UNSOLID, 0)

    def send(self, transaction: bytes) -> bytes:
        """Take a signed Transaction message; its id. Raises Refusal with TRON's code."""
        sim, raw = self._read(transaction)
        self.height()
        if sim.hash in self.waiting or self.find(sim.hash) is not None:
            raise Refusal("DUP_TRANSACTION_ERROR")
        self._check(raw)
        if self.machine.balance(self.root(), sim.sender) < int(sim.value):
            raise Refusal("CONTRACT_VALIDATE_ERROR")
        if len(self.waiting) >= _DEEPEST_QUEUE:
            raise Refusal("SERVER_BUSY")
        self._accept(sim)
        return sim.hash

    def pay(self, to: bytes, symbol: str, amount_raw: int) -> bytes:
        """The outsider sends a token, or TRX."""
        position = next((n for n, spec in enumerate(self.tokens) if spec.symbol == symbol), None)
        owner = b"\x41" + OUTSIDER_ACCOUNT
        if position is None:
            value = message((1, owner), (2, b"\x41" + to), (3, amount_raw))
            kind, name = TRANSFER, "TransferContract"
        else:
            contract = b"\x41" + token_account(position)
            value = message((1, owner), (2, contract), (4, transfer_data(to, amount_raw)))
            kind, name = TRIGGER, "TriggerSmartContract"
        height = self.height()
        url = f"type.googleapis.com/protocol.{name}".encode()
        now_ms = self.pace.time_of(height) * 1000
        raw = message(
            (1, height.to_bytes(8, "big")[6:]),
            (4, self.hash(height)[8:16]),
            (8, now_ms + 60_000),
            (11, message((1, kind), (2, message((1, url), (2, value))))),
            # The outsider may pay the same twice within a second.
            (14, now_ms + len(self.waiting)),
            (18, 10**8),
        )
        signature = curve.sign(int.from_bytes(OUTSIDER, "big"), sha256(raw))
        return self.send(message((1, raw), (2, signature.compact + bytes([signature.parity]))))

    def call(self, sender: bytes, to: bytes, data: bytes) -> "engine.Executed":
        """What would happen; raises Refusal when it cannot even be tried."""
        height = self.height()
        try:
            done: engine.Executed = self.machine.execute_as(
                self.root(), self.env(height), sender, to, 0, data, gas=_CALL_GAS, keep=False
            )
        except the_engine().Invalid as error:
            raise Refusal(str(error)) from error
        return done

    def shown(self, sim: Sim) -> dict[str, Any]:
        """A transaction as TRON's API shows it, with its addresses in hex."""
        raw = fields_of(_bytes(fields_of(sim.raw), 1))
        owner = "41" + sim.sender.hex()
        if sim.data:
            value: dict[str, Any] = {
                "data": sim.data.hex(),
                "owner_address": owner,
                "contract_address": "41" + sim.to.hex(),
            }
            kind = "TriggerSmartContract"
        else:
            value = {
                "amount": int(sim.value),
                "owner_address": owner,
                "to_address": "41" + sim.to.hex(),
            }
            kind = "TransferContract"
        url = f"type.googleapis.com/protocol.{kind}"
        return {
            "txID": sim.hash.hex(),
            "raw_data": {
                "contract": [{"type": kind, "parameter": {"value": value, "type_url": url}}],
                "expiration": _int(raw, 8),
                "timestamp": _int(raw, 14),
            },
            "raw_data_hex": _bytes(fields_of(sim.raw), 1).hex(),
        }

    def _read(self, transaction: bytes) -> tuple[Sim, dict[int, list[Value]]]:
        """The transaction and the fields of its raw data; the signer must be the owner."""
        try:
            outer = fields_of(transaction)
            raw_bytes, signature = _bytes(outer, 1), _bytes(outer, 2)
            raw = fields_of(raw_bytes)
            contract = fields_of(_bytes(raw, 11))
            kind = _int(contract, 1)
            value = fields_of(_bytes(fields_of(_bytes(contract, 2)), 2))
            owner, to = _bytes(value, 1), _bytes(value, 2)
        except Malformed as error:
            raise Refusal("OTHER_ERROR") from error
        if kind not in (TRANSFER, TRIGGER) or len(owner) != 21 or len(to) != 21:
            raise Refusal("CONTRACT_VALIDATE_ERROR")
        tx_id = sha256(raw_bytes)
        signer = the_engine().recovered(tx_id, signature) if len(signature) == 65 else None
        if signer is None or b"\x41" + signer != owner:
            raise Refusal("SIGERROR")
        amount = _int(value, 3)
        data = _bytes(value, 4) if kind == TRIGGER else b""
        sim = Sim(
            tx_id, transaction, signer, 0, to[1:], str(amount), data, _CALL_GAS, 0, 0
        )  # fmt: skip
        return sim, raw

    def _check(self, raw: dict[int, list[Value]]) -> None:
        """It must refer to a block of this fork and be neither dead nor too long-lived."""
        head = self.pace.height
        low = int.from_bytes(_bytes(raw, 1), "big")
        number = head - (head - low) % _REFERENCES
        if number < 0 or self.hash(number)[8:16] != _bytes(raw, 4):
            raise Refusal("TAPOS_ERROR")
        left_ms = _int(raw, 8) - self.pace.time_of(head) * 1000
        if not 0 < left_ms <= _LONGEST_LIFE_MS:
            raise Refusal("TRANSACTION_EXPIRATION_ERROR")

    def _execute(self, sim: Sim, root: bytes, number: int) -> "engine.Executed":
        raw = fields_of(_bytes(fields_of(sim.raw), 1))
        module = the_engine()
        if _int(raw, 8) < self.pace.time_of(number) * 1000:
            raise module.Invalid("expired")
        value = int(sim.value)
        done: engine.Executed = self.machine.execute_as(
            root, self.env(number), sim.sender, sim.to, value, sim.data, gas=_CALL_GAS, keep=True
        )
        sim.price = ENERGY_PRICE_SUN
        return done


def _bytes(fields: dict[int, list[Value]], number: int) -> bytes:
    value = fields.get(number, [b""])[0]
    if not isinstance(value, bytes):
        raise Malformed(f"field {number}")
    return value


def _int(fields: dict[int, list[Value]], number: int) -> int:
    value = fields.get(number, [0])[0]
    if not isinstance(value, int):
        raise Malformed(f"field {number}")
    return value
