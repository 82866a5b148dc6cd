"""What happens to payments once Daraja has taken them: they end, are called back, are decided.

Every change is on the store before it is told to anybody. Delays are real time: this is an
outside system, and it does not follow the application's clock.
"""

import time
from collections.abc import Callable
from random import Random, SystemRandom
from typing import Any, Final, NamedTuple

import msgspec
import trio

from providers.sandbox.mpesa import bodies
from providers.sandbox.mpesa.book import Book, Payment
from providers.sandbox.mpesa.courier import Courier
from providers.sandbox.mpesa.ids import Ids
from providers.sandbox.mpesa.outcomes import DELAY_SECONDS, ENDINGS, OK_TEXT, Ending

MAX_IN_FLIGHT: Final = 10_000  # payments and answers; then Daraja's own: spike arrest

_NO_SUCH_RECEIPT: Final = ("2032", "The transaction receipt number does not exist.")
_ALREADY_REVERSED: Final = ("R000001", "The transaction has already been reversed.")
_INVALID_ORIGINAL: Final = ("R000002", "The OriginalTransactionID is invalid.")
_BAD_INITIATOR: Final = (2001, "The initiator information is invalid.")
_REFUSED_BY_US: Final = Ending("1032", "Cancelled by the validation.", 0)


class Validation(msgspec.Struct, rename="pascal"):
    """How the owner of a short code answers a C2B validation."""

    result_code: str | int


class Inquiry(msgspec.Struct, frozen=True, kw_only=True):
    """A request that only asks, or reverses: answered by one result."""

    originator: str
    conversation: str
    result_url: str
    timeout_url: str
    trusted: bool  # the credential was ours


class Answer(NamedTuple):
    """What an inquiry is told."""

    code: int | str
    message: str
    parameters: list[dict[str, Any]] | None = None
    transaction: str = ""


class Desk:
    """Runs payments in `nursery` until it is cancelled; the book lets another desk go on."""

    def __init__(
        self,
        book: Book,
        courier: Courier,
        nursery: trio.Nursery,
        *,
        rng: Random | None = None,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.book = book
        self.ids = Ids(rng or SystemRandom())
        self.wall = wall
        self._courier = courier
        self._nursery = nursery

    def resume(self) -> None:
        """Go on with everything that was under way when the store was last written."""
        for payment in self.book:
            if payment.busy:
                self._nursery.start_soon(self._follow, payment)

    async def take(self, payment: Payment) -> None:
        """Keep a new payment; a pending one is under way when this returns."""
        await self.book.keep(payment)
        if payment.busy:
            self._nursery.start_soon(self._follow, payment)

    @property
    def is_full(self) -> bool:
        """Whether as much is under way as this Daraja bears."""
        return len(self._nursery.child_tasks) >= MAX_IN_FLIGHT

    def new_receipt(self) -> str:
        """A receipt nobody has yet."""
        while True:
            receipt = self.ids.receipt(self.wall())
            if self.book.by_receipt(receipt) is None:
                return receipt

    async def call_back(self, payment: Payment, outcome: str) -> None:
        """Send the callback of `outcome` now, whatever was sent before.

        It decides a payment that is not decided yet. Success makes it paid in any case, late as
        it may be; a failure changes nothing about what is over: it only contradicts it.
        """
        if outcome == "timeout" and payment.timeout_url:
            await self._send(payment.timeout_url, bodies.timeout_notice(payment))
            return
        ending = ENDINGS[outcome]
        undecided = payment.state in ("pending", "open")
        if undecided or (ending.paid and payment.state == "failed"):
            ending = self._end(payment, ending)
            payment.owed = 0  # they leave from here, not from the task that follows the payment
            await self.book.keep(payment)
        for _ in range(max(ENDINGS[outcome].callbacks, 1)):
            await self._send(payment.callback_url, self._callback(payment, ending))

    def answer_status(self, inquiry: Inquiry, payment: Payment | None) -> None:
        """Answer a status request after the usual delay."""

        def answer() -> Answer:
            if payment is None:
                return Answer(*_NO_SUCH_RECEIPT)
            return Answer(0, OK_TEXT, bodies.status_members(payment))

        self._nursery.start_soon(self._answer, inquiry, answer)

    def answer_balance(self, inquiry: Inquiry) -> None:
        """Answer a balance request after the usual delay."""

        def answer() -> Answer:
            book = self.book
            members = bodies.balance_members(book.utility, book.working, self.wall())
            return Answer(0, OK_TEXT, members)

        self._nursery.start_soon(self._answer, inquiry, answer)

    async def reverse(self, inquiry: Inquiry, receipt: str) -> None:
        """Give an incoming payment back now, and answer after the usual delay."""
        answer = Answer(*_INVALID_ORIGINAL)
        payment = self.book.by_receipt(receipt)
        if inquiry.trusted and payment is not None and payment.kind in ("stk", "c2b"):
            answer = await self._give_back(payment)
        self._nursery.start_soon(self._answer, inquiry, lambda: answer)

    async def _give_back(self, payment: Payment) -> Answer:
        if payment.state != "paid":
            reversed_before = payment.state == "reversed"
            return Answer(*(_ALREADY_REVERSED if reversed_before else _INVALID_ORIGINAL))
        payment.state = "reversed"
        self.book.working -= payment.amount
        await self.book.keep(payment)
        members = bodies.reversal_members(payment, self.book.working, self.wall())
        return Answer(0, OK_TEXT, members, self.new_receipt())

    async def _answer(self, inquiry: Inquiry, answer: Callable[[], Answer]) -> None:
        await trio.sleep(DELAY_SECONDS)
        given = answer() if inquiry.trusted else Answer(*_BAD_INITIATOR)
        body = bodies.result(
            given.code,
            given.message,
            originator=inquiry.originator,
            conversation=inquiry.conversation,
            transaction=given.transaction,
            parameters=given.parameters,
            timeout_url=inquiry.timeout_url,
        )
        await self._courier.deliver(inquiry.result_url, body)

    async def _follow(self, payment: Payment) -> None:
        """One payment from wherever it is to its last callback."""
        if payment.state == "pending":
            await trio.sleep(max(payment.due_at - self.wall(), 0.0))
        if payment.state == "pending":  # and nobody has decided it meanwhile
            await self._come_due(payment)
        while payment.owed > 0:
            ending = Ending(payment.code, payment.message, 1)
            await self._courier.deliver(payment.callback_url, self._callback(payment, ending))
            payment.owed = max(payment.owed - 1, 0)
            await self.book.keep(payment)

    async def _come_due(self, payment: Payment) -> None:
        if payment.outcome == "no_callback":
            payment.state = "open"
        elif payment.kind == "c2b" and not await self._is_wanted(payment):
            self._end(payment, _REFUSED_BY_US)
        else:
            self._end(payment, ENDINGS[payment.outcome])
        await self.book.keep(payment)

    async def _is_wanted(self, payment: Payment) -> bool:
        addresses = self.book.addresses
        if addresses is None:
            return True
        said = await self._courier.ask(addresses.validation_url, bodies.c2b_notice(payment))
        try:
            return str(msgspec.json.decode(said or b"", type=Validation).result_code) == "0"
        except ValueError:
            return addresses.accept_when_silent

    def _end(self, payment: Payment, ending: Ending) -> Ending:
        """Decide a payment; in memory only. Returns the ending it really got."""
        book = self.book
        floats = {"b2c": book.utility, "b2b": book.working}
        if ending.paid and payment.amount > floats.get(payment.kind, payment.amount):
            ending = ENDINGS["insufficient"]
        payment.code, payment.message = ending.code, ending.message
        payment.state = "paid" if ending.paid else "failed"
        payment.ended_at = self.wall()
        payment.owed = ending.callbacks if payment.callback_url else 0
        if not ending.paid:
            payment.receipt = ""
        else:
            payment.receipt = payment.receipt or self.new_receipt()
            if payment.kind == "b2c":
                book.utility -= payment.amount
            else:
                book.working += -payment.amount if payment.kind == "b2b" else payment.amount
        return ending

    def _callback(self, payment: Payment, ending: Ending) -> bytes:
        if payment.kind == "stk":
            return bodies.stk_callback(payment, ending)
        if payment.kind == "c2b":
            return bodies.c2b_notice(payment)
        return bodies.transfer_result(payment, ending, self.book.utility, self.book.working)

    async def _send(self, url: str, body: bytes) -> None:
        """One attempt now; the others, if need be, in the background."""
        if await self._courier.post(url, body) is None:
            self._nursery.start_soon(self._courier.deliver, url, body)
