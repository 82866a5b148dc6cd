"""What the simulated Safaricom knows: payments, rules, registered addresses, our balances."""

from collections.abc import Iterator
from typing import Any, Final, Literal

import msgspec
from msgspec import Struct

from providers.sandbox.mpesa.outcomes import Kind, Outcome, Rule, Rules, number
from providers.sandbox.mpesa.store import SimulatorStore

State = Literal["pending", "open", "paid", "failed", "reversed", "rejected", "error"]

FLOAT_KES: Final = 10**12  # in each of our two accounts at the start: no load test drains it
KEPT_PAYMENTS: Final = 50_000  # older ones that are over are forgotten
_LOOKED_AT: Final = 100  # oldest payments tried when one must be forgotten


class Payment(Struct, kw_only=True):
    """One payment. `who` is the customer's phone or the number of the bill or till paid; times
    are seconds since the epoch; `owed` counts callbacks not delivered yet."""

    serial: int
    kind: Kind
    who: str
    amount: int
    outcome: Outcome
    shortcode: str
    state: State = "pending"
    code: str = ""
    message: str = ""
    checkout: str = ""
    merchant: str = ""
    conversation: str = ""
    originator: str = ""
    own_originator: bool = False  # the caller named it, so it is the conversation to show
    receipt: str = ""
    reference: str = ""
    callback_url: str = ""
    timeout_url: str = ""
    created_at: float
    due_at: float = 0.0
    ended_at: float = 0.0
    owed: int = 0

    @property
    def busy(self) -> bool:
        """Whether something will still happen by itself."""
        return self.state == "pending" or self.owed > 0

    def shown(self) -> dict[str, Any]:
        """As `GET /sandbox/mpesa/operations` shows it."""
        party = "target" if self.kind == "b2b" else "phone"
        return {
            "operation": self.kind,
            party: self.who,
            "amount": self.amount,
            "checkout": self.checkout or None,
            "conversation": (self.originator if self.own_originator else self.conversation) or None,
            "receipt": self.receipt or None,
            "outcome": self.outcome,
            "callback_url": self.callback_url,
            "state": self.state,
        }


class Addresses(Struct, frozen=True, kw_only=True):
    """Where unasked payments to a short code are announced."""

    confirmation_url: str
    validation_url: str
    accept_when_silent: bool


class _Line(Struct, omit_defaults=True):
    """One line of the log: the new value of whichever member it has."""

    payment: Payment | None = None
    rules: list[Rule] | None = None
    addresses: Addresses | None = None
    utility: int | None = None
    working: int | None = None


_encoder: Final = msgspec.json.Encoder()
_decoder: Final = msgspec.json.Decoder(_Line)


class Book:
    """Everything by its keys, and on the store before anybody is told."""

    def __init__(self, store: SimulatorStore) -> None:
        self._store = store
        self._payments: dict[int, Payment] = {}
        self._unstored: set[int] = set()  # serials that a kill would undo
        self._by_reference: dict[str, Payment] = {}  # checkout, conversation or originator
        self._by_receipt: dict[str, Payment] = {}
        self._next = 1
        self.rules = Rules()
        self.addresses: Addresses | None = None
        self.utility = FLOAT_KES
        self.working = FLOAT_KES

    def load(self) -> None:
        """Read the store, then write it anew without what was replaced. Blocks."""
        for line in self._store.load():
            self._apply(_decoder.decode(line))
        lines = [_Line(payment=payment) for payment in self._payments.values()]
        lines.append(self._settings())
        self._store.rewrite(_encoder.encode(line) for line in lines)

    def __iter__(self) -> Iterator[Payment]:
        """Newest first."""
        payments = reversed(self._payments.values())
        return (payment for payment in payments if payment.serial not in self._unstored)

    def new_serial(self) -> int:
        """A number larger than all before."""
        self._next += 1
        return self._next - 1

    def by_reference(self, reference: str) -> Payment | None:
        """By checkout, conversation or originator id."""
        return self._by_reference.get(reference)

    def by_receipt(self, receipt: str) -> Payment | None:
        """By receipt."""
        return self._by_receipt.get(receipt)

    def of(self, who: str) -> list[Payment]:
        """Payments of a phone or number, newest first."""
        who = number(who)
        return [payment for payment in self if payment.who == who]

    async def keep(self, payment: Payment) -> None:
        """The payment as it is now, and the balances it changed."""
        if payment.serial not in self._payments:
            self._unstored.add(payment.serial)
        self._index(payment)
        line = _Line(payment=payment, utility=self.utility, working=self.working)
        await self._store.append(_encoder.encode(line))
        self._unstored.discard(payment.serial)

    async def keep_settings(self) -> None:
        """Rules and addresses as they are now."""
        await self._store.append(_encoder.encode(self._settings()))

    def _settings(self) -> _Line:
        return _Line(
            rules=self.rules.listed(),
            addresses=self.addresses,
            utility=self.utility,
            working=self.working,
        )

    def _apply(self, line: _Line) -> None:
        if line.payment is not None:
            self._next = max(self._next, line.payment.serial + 1)
            self._index(line.payment)
        if line.rules is not None:
            self.rules = Rules()
            for rule in line.rules:
                self.rules.put(rule)
        self.addresses = line.addresses or self.addresses
        self.utility = self.utility if line.utility is None else line.utility
        self.working = self.working if line.working is None else line.working

    def _index(self, payment: Payment) -> None:
        self._payments[payment.serial] = payment
        if payment.state not in ("rejected", "error"):
            for reference in (payment.checkout, payment.conversation, payment.originator):
                if reference:
                    self._by_reference[reference] = payment
        if payment.receipt:
            self._by_receipt[payment.receipt] = payment
        if len(self._payments) > KEPT_PAYMENTS:
            self._forget_one()

    def _forget_one(self) -> None:
        for _, payment in zip(range(_LOOKED_AT), self._payments.values(), strict=False):
            if payment.busy or payment.state == "open":
                continue
            del self._payments[payment.serial]
            for reference in (payment.checkout, payment.conversation, payment.originator):
                self._by_reference.pop(reference, None)
            self._by_receipt.pop(payment.receipt, None)
            return
