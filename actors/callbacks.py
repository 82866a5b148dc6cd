"""Callbacks of providers: stored before they are acknowledged, then brought to their payment.

One intake. It is started after the payments and ends with the server. What it takes in is worked
off at once; what is stored and not finished, be it left over from an earlier run or refused for
the moment, is looked for every few seconds until it is. A callback without its payment's secret
proves nothing: it makes the payment ask its provider (contract.md, "Callbacks").
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import sha256
from hmac import compare_digest
from typing import Final, NamedTuple, Protocol

import structlog
import trio

from actors.clock import Clock
from actors.floats import FLOAT, Floats
from actors.incoming import OTHER, Incoming
from actors.payment_evidence import Alert
from actors.payments import Payments
from actors.rails import (
    BalanceResult,
    Malformed,
    MobileMoneyCallbacks,
    PushResult,
    StatusResult,
    TransferResult,
)
from domain.ledger import Refusal

log = structlog.get_logger(__name__)

WORKERS: Final = 32  # callbacks worked on at once; each waits for one commit
QUEUE: Final = 10_000  # callbacks in memory; what does not fit is found in storage
LOOK_EVERY_S: Final = 1.0
PAGE: Final = 1_000
RETRY_S: Final = (0.2, 1.0, 5.0, 30.0, 120.0)  # the last one repeats
STUCK_AFTER: Final = 8  # tries after which an operator is told
# Verdicts are written some at a time: nobody waits for them, and what is lost of them at a crash
# is brought to its payment again, which knows it.
MARK_EVERY_S: Final = 0.05
MARKS: Final = 256  # in one statement

_Read = PushResult | TransferResult | StatusResult | BalanceResult | Malformed
INCOMING: Final = "incoming"  # what the secret in the addresses of unasked cash is derived for


class Source(StrEnum):
    """Which reader understands the body."""

    PUSH = "push"
    RESULT = "result"
    TIMEOUT = "timeout"
    STATUS = "status"
    CONFIRMATION = "confirmation"  # cash nobody asked for


class StoredCallback(NamedTuple):
    """One row of callbacks."""

    id: int
    source: Source
    hash: str
    key_hash: bytes
    body: bytes


class CallbackStore(Protocol):
    """Implemented by storage.callbacks."""

    async def store(
        self, source: Source, hash_: str, key_hash: bytes, client: str, body: bytes, at_us: int
    ) -> int:
        """Store the raw body durably; its id."""
        ...

    async def unhandled(self, after_id: int, limit: int) -> list[StoredCallback]:
        """What was stored and not finished, the oldest after `after_id` first."""
        ...

    async def handled(self, verdicts: Sequence[tuple[int, str]]) -> None:
        """What became of these: nobody looks for them any more."""
        ...


@dataclass(slots=True)
class _Trouble:
    """A callback that could not be finished: how often, and when it is tried again."""

    tries: int = 0
    not_before: float = field(default=0.0)  # trio's clock: storage is away in real time


class CallbackIntake:
    """Takes callbacks in and works them off. `unavailable`: how storage says it is away. What
    `incoming` is not there for, the provider's own list tells (reconciliation)."""

    def __init__(
        self,
        store: CallbackStore,
        payments: Payments,
        read: MobileMoneyCallbacks,
        clock: Clock,
        unavailable: tuple[type[Exception], ...] = (),
        incoming: Incoming | None = None,
        floats: Floats | None = None,
    ) -> None:
        self.unavailable = unavailable
        self._store = store
        self._payments = payments
        self._read = read
        self._clock = clock
        self._incoming = incoming
        self._floats = floats
        self._float_key = sha256(payments.secret_of(FLOAT).encode()).digest()
        self._incoming_key = sha256(payments.secret_of(INCOMING).encode()).digest()
        self._send, self._receive = trio.open_memory_channel[StoredCallback](QUEUE)
        self._taken: set[int] = set()  # queued, being worked on, or about to be marked
        self._mark, self._marked = trio.open_memory_channel[tuple[int, str]](MARKS)
        self._trouble: dict[int, _Trouble] = {}

    async def take(self, source: Source, hash_: str, key: str, client: str, body: bytes) -> None:
        """Store a callback; return when it may be acknowledged. Raises what storage raises."""
        key_hash = sha256(key.encode()).digest() if key else b""
        now_us = self._clock.now_us()
        callback_id = await self._store.store(source, hash_, key_hash, client, body, now_us)
        self._offer(StoredCallback(callback_id, source, hash_, key_hash, body))

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Work off callbacks until cancelled, beginning with those left over."""
        async with trio.open_nursery() as nursery:
            for _ in range(WORKERS):
                nursery.start_soon(self._work)
            nursery.start_soon(self._look)
            nursery.start_soon(self._write_marks)
            task_status.started()

    def _offer(self, callback: StoredCallback) -> bool:
        """Queue a callback unless it is queued; False when there is no room."""
        if callback.id in self._taken:
            return True
        try:
            self._send.send_nowait(callback)
        except trio.WouldBlock:
            return False
        self._taken.add(callback.id)
        return True

    async def _look(self) -> None:
        """Queue what storage has that nobody works on, again and again."""
        while True:
            try:
                await self._look_once()
            except self.unavailable as error:
                log.warning("callbacks not read", error=str(error))
            await trio.sleep(LOOK_EVERY_S)

    async def _look_once(self) -> None:
        after_id = 0
        while callbacks := await self._store.unhandled(after_id, PAGE):
            now = trio.current_time()
            for callback in callbacks:
                trouble = self._trouble.get(callback.id)
                due = trouble is None or trouble.not_before <= now
                if due and not self._offer(callback):
                    return
            after_id = callbacks[-1].id

    async def _work(self) -> None:
        while True:
            callback = await self._receive.receive()
            verdict = None
            try:
                verdict = await self._bring(callback)
            except Exception as error:  # one body's trouble must not stop the others; it is kept
                log.warning("callback failed", callback=callback.id, error=repr(error))
            if verdict is None:
                await self._postpone(callback.id)
            else:
                await self._mark.send((callback.id, verdict))

    async def _write_marks(self) -> None:
        """Record verdicts, those of a moment at once."""
        while True:
            marks = [await self._marked.receive()]
            await trio.sleep(MARK_EVERY_S)
            with suppress(trio.WouldBlock):
                while len(marks) < MARKS:
                    marks.append(self._marked.receive_nowait())
            try:
                await self._store.handled(marks)
            except Exception as error:  # not recorded is not finished: brought again later
                log.warning("verdicts not recorded", error=repr(error))
                for callback_id, _ in marks:
                    await self._postpone(callback_id)
                continue
            for callback_id, _ in marks:
                self._trouble.pop(callback_id, None)
                self._taken.discard(callback_id)

    async def _postpone(self, callback_id: int) -> None:
        """It is looked for again after a while."""
        trouble = self._trouble.setdefault(callback_id, _Trouble())
        delay_s = RETRY_S[min(trouble.tries, len(RETRY_S) - 1)]
        trouble.tries += 1
        trouble.not_before = trio.current_time() + delay_s
        if trouble.tries == STUCK_AFTER:
            alert = Alert("callback_stuck", f"callback {callback_id} cannot be finished")
            try:
                await self._payments.alert(alert, "")
            except self.unavailable as error:
                log.warning("alert not raised", error=str(error))
        self._taken.discard(callback_id)

    async def _bring(self, callback: StoredCallback) -> str | None:
        """The verdict once it is recorded; None when it must be tried again."""
        if callback.source is Source.CONFIRMATION:
            return await self._confirmed(callback)
        result = self._parse(callback)
        trusted = await self._payments.by_key(callback.key_hash)
        if trusted is None and compare_digest(callback.key_hash, self._float_key):
            return self._float_told(result)
        if trusted is None:
            return await self._untrusted(result)
        if isinstance(result, Malformed | BalanceResult):
            log.warning("callback not understood", callback=callback.id)
            asked = await self._payments.nudge(trusted)
            reason = result.reason if isinstance(result, Malformed) else "a balance"
            return f"malformed: {reason}" if asked else None
        answer = await self._payments.evidence(trusted, result)
        return None if isinstance(answer, Refusal) else answer

    def _parse(self, callback: StoredCallback) -> _Read:
        match callback.source:
            case Source.PUSH:
                return self._read.read_push(callback.body)
            case Source.RESULT:
                return self._read.read_result(callback.body)
            case Source.TIMEOUT:
                return self._read.read_timeout(callback.body)
            case Source.STATUS:
                return self._read.read_status(callback.body)
            case Source.CONFIRMATION:
                raise AssertionError("confirmations name no payment")

    async def validate(self, key: str, body: bytes) -> bytes:
        """The answer to whether cash should be taken. Raises what storage raises."""
        payment = self._read.read_incoming(body)
        if self._incoming is None or isinstance(payment, Malformed) or not self._knows(key):
            return self._read.answer_validation(OTHER)
        return self._read.answer_validation(await self._incoming.refusal(payment))

    def _knows(self, key: str) -> bool:
        return compare_digest(sha256(key.encode()).digest(), self._incoming_key)

    async def _confirmed(self, callback: StoredCallback) -> str | None:
        payment = self._read.read_incoming(callback.body)
        if isinstance(payment, Malformed):
            return f"malformed: {payment.reason}"
        trusted = compare_digest(callback.key_hash, self._incoming_key)
        if self._incoming is None or not trusted:
            return "not trusted; the provider's list will tell"
        verdict = await self._incoming.take(payment)
        return None if isinstance(verdict, Refusal) else verdict

    def _float_told(self, result: _Read) -> str:
        if self._floats is None or not isinstance(result, BalanceResult | TransferResult):
            return "malformed: no balance"
        return "balances" if self._floats.answered(result) else "nobody asks any more"

    async def _untrusted(self, result: _Read) -> str | None:
        """Nobody vouches for it: let the payment it names, if any, ask its provider."""
        for name in _names(result):
            payment_id = await self._payments.store.by_provider_id(name)
            if payment_id is not None:
                asked = await self._payments.nudge(payment_id)
                return "not trusted; asked the provider" if asked else None
        return "unknown"


def _names(result: _Read) -> tuple[str, ...]:
    match result:
        case PushResult(checkout=checkout):
            return (checkout,)
        case TransferResult(conversation=conversation, originator=originator):
            return tuple(name for name in (conversation, originator) if name)
        case _:
            return ()
