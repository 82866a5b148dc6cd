"""Reconciliation with the mobile-money provider: what our books and its own say, compared.

One `Reconciler`. It runs every so often by the application clock, and once whenever somebody
asks: it lets every payment that is open too long, and every one that ended without the provider's
word, ask the provider; and it pulls the provider's list of what it was paid, so that a receipt
whose callback was lost is booked once after all. It moves nothing itself: evidence goes to the
payments' own actors and to the book of unasked cash, which settle, void, or leave it to a person.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final, Protocol

import msgspec
import structlog
import trio

from actors.clock import US, Clock
from actors.incoming import Incoming
from actors.payments import Payments
from actors.rails import IncomingPayment, MobileMoney, Refused, Registered, Unknown
from domain.ledger import Refusal
from domain.payments import Payment, State

log = structlog.get_logger(__name__)

AGE_US: Final = 30 * US  # a payment younger than that is not late yet
BACK_US: Final = 48 * 3600 * US  # so far back the provider lists what it was paid
OVERLAP_US: Final = 3600 * US  # rows may appear late, so each run looks at the last hour again
ASKED_AT_ONCE: Final = 16
ASKED_AT_MOST: Final = 1_000  # payments a run; the next one takes the others
PAGES_AT_MOST: Final = 50
ANSWERS_WITHIN_S: Final = 5.0  # real time: the provider's answers come by callback
_POLL_S: Final = 0.1
_RARELY_S: Final = 900.0  # between looks at what is still to be registered


class ReconcileStore(Protocol):
    """Implemented by storage.incoming."""

    async def open_payments(self, created_before_us: int, limit: int) -> list[Payment]:
        """Payments by mobile money that may still move, the oldest first."""
        ...

    async def ended_payments(self, created_after_us: int, limit: int) -> list[Payment]:
        """Those that ended without money by our patience or a person, not by the provider's word,
        the oldest first."""
        ...

    async def pulled_us(self) -> int:
        """Up to when the provider's list has been read, by its own clock; 0 for never."""
        ...

    async def note_pulled(self, until_us: int) -> None: ...


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was looked at. `before` and `after` are states; `what` says more."""

    reference: str
    kind: str
    before: str
    after: str
    what: str = ""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What one run found: payments asked about, rows pulled (None: the list could not be read,
    see `note`), and a line for each payment asked about and each receipt that was not known."""

    asked: int
    pulled: int | None
    lines: tuple[Line, ...]
    note: str = ""


@dataclass(slots=True)
class _Run:
    """One run, as it fills its report."""

    lines: list[Line] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    asked: int = 0
    pulled: int | None = 0


class Reconciler:
    """Made by app.py, which runs `run` after the callbacks' intake. `every_s` of 0: only when
    asked. `addresses` tells where unasked payments are announced (confirmation, validation), None
    where they are not wanted; it is asked once `run` has begun."""

    def __init__(
        self,
        store: ReconcileStore,
        payments: Payments,
        incoming: Incoming,
        rail: MobileMoney,
        clock: Clock,
        unavailable: tuple[type[Exception], ...],
        *,
        every_s: int,
        addresses: Callable[[], tuple[str, str] | None] = lambda: None,
    ) -> None:
        self._store = store
        self._payments = payments
        self._incoming = incoming
        self._rail = rail
        self._clock = clock
        self._unavailable = unavailable
        self._every_s = every_s
        self._addresses = addresses
        self._registered = False
        self._one = trio.Lock()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Reconcile again and again until cancelled; an outage is waited out."""
        task_status.started()
        while True:
            await self._register()
            await self._clock.sleep(self._every_s or _RARELY_S)
            if not self._every_s:
                continue
            with suppress(*self._unavailable):
                await self.once()

    async def once(self) -> Report:
        """Compare everything now; one run at a time. Raises what storage raises."""
        async with self._one:
            run = _Run()
            await self._ask(run)
            await self._pull(run)
        report = Report(
            asked=run.asked, pulled=run.pulled, lines=tuple(run.lines), note="; ".join(run.notes)
        )
        moved = sum(line.before != line.after for line in report.lines)
        log.info("reconciled", asked=report.asked, pulled=report.pulled, moved=moved)
        return report

    # Asking about our payments

    async def _ask(self, run: _Run) -> None:
        now_us = self._clock.now_us()
        late = await self._store.open_payments(now_us - AGE_US, ASKED_AT_MOST)
        ended = await self._store.ended_payments(now_us - BACK_US, ASKED_AT_MOST)
        before = [*late, *ended]
        limit = trio.CapacityLimiter(ASKED_AT_ONCE)

        async def ask(payment: Payment) -> None:
            async with limit:
                await self._payments.recheck(payment.id)

        async with trio.open_nursery() as nursery:
            for payment in before:
                nursery.start_soon(ask, payment)
        run.asked = len(before)
        run.lines += await self._answered(before)

    async def _answered(self, before: Sequence[Payment]) -> list[Line]:
        """What became of those asked about, once all have moved or time is over."""
        after = {payment.id: payment for payment in before}
        waiting = list(before)
        with trio.move_on_after(ANSWERS_WITHIN_S):
            while waiting:
                await trio.sleep(_POLL_S)
                for payment in waiting:
                    after[payment.id] = await self._payments.store.load(payment.id) or payment
                waiting = [p for p in waiting if after[p.id].version == p.version]
        return [_line(payment, after[payment.id]) for payment in before]

    # Reading the provider's list

    async def _pull(self, run: _Run) -> None:
        # The provider's list follows its own clock, which is nobody's to move.
        until_us = self._clock.now_us() - self._clock.offset_us
        last_us = await self._store.pulled_us()
        from_us = max(until_us - BACK_US, last_us - OVERLAP_US)
        rows, is_booked = 0, True
        for _ in range(PAGES_AT_MOST):
            page = await self._rail.list_incoming(from_us=from_us, to_us=until_us, offset=rows)
            if isinstance(page, Refused | Unknown):
                run.pulled = None
                run.notes.append(f"the provider's list: {page.message}")
                return
            rows += len(page)
            if not page:
                break
            is_booked &= await self._book(run, page)
        run.pulled = rows
        if is_booked:
            await self._store.note_pulled(until_us)

    async def _book(self, run: _Run, page: Sequence[IncomingPayment]) -> bool:
        """Book what is not known; False when some of it must be tried again, which keeps nobody
        else's from the books."""
        is_booked = True
        unknown = await self._incoming.store.unknown([payment.receipt for payment in page])
        for payment in page:
            if payment.receipt not in unknown:
                continue
            verdict = await self._incoming.take(payment)
            if isinstance(verdict, Refusal):
                is_booked = False
                run.notes.append(f"{payment.receipt}: {verdict.value}")
                continue
            run.lines.append(_receipt_line(payment, verdict))
        return is_booked

    async def _register(self) -> None:
        """Say where unasked payments are announced; the next run tries again if need be."""
        addresses = self._addresses()
        if addresses is None or self._registered:
            return
        confirmation, validation = addresses
        answer = await self._rail.register_incoming(
            confirmation_url=confirmation, validation_url=validation, accept_when_silent=True
        )
        self._registered = isinstance(answer, Registered)
        if not isinstance(answer, Registered):
            log.warning("addresses not registered", reason=answer.message)


def _line(before: Payment, after: Payment) -> Line:
    what = after.reason
    if after.cash and after.state is not State.COMPLETED:
        what = f"{after.cash // 10**8} {after.local_asset} in suspense"
    return Line(
        reference=before.ref,
        kind=before.kind.value,
        before=before.state.value,
        after=after.state.value,
        what=what,
    )


def _receipt_line(payment: IncomingPayment, verdict: str) -> Line:
    amount = f"{payment.amount_units // 10**8} for {payment.reference!r}"
    return Line(
        reference=payment.receipt, kind="receipt", before="unknown", after=verdict, what=amount
    )
