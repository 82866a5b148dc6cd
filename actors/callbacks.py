"""Callbacks of providers: stored before they are acknowledged, then brought to their payment.

One intake. It is started after the payments, first works off what an earlier run stored and did
not finish, and ends with the server. A callback without its payment's secret proves nothing: it
makes the payment ask its provider (contract.md, "Callbacks").
"""

from enum import StrEnum
from hashlib import sha256
from typing import Final, NamedTuple, Protocol

import structlog
import trio

from actors.clock import Clock
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
# A callback may overtake the answer to the call that names its checkout (MPWS-C11).
OVERTAKING_S: Final = 5.0
_RETRY_S: Final = (0.2, 1.0, 5.0, 30.0)
_QUEUE: Final = 10_000


class Source(StrEnum):
    """Which reader understands the body."""

    PUSH = "push"
    RESULT = "result"
    TIMEOUT = "timeout"
    STATUS = "status"


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

    async def unhandled(self) -> list[StoredCallback]:
        """What was stored and not finished, oldest first."""
        ...

    async def handled(self, callback_id: int, verdict: str) -> None: ...


class CallbackIntake:
    """Takes callbacks in and works them off."""

    def __init__(
        self, store: CallbackStore, payments: Payments, read: MobileMoneyCallbacks, clock: Clock
    ) -> None:
        self._store = store
        self._payments = payments
        self._read = read
        self._clock = clock
        self._send, self._receive = trio.open_memory_channel[StoredCallback](_QUEUE)

    async def take(self, source: Source, hash_: str, key: str, client: str, body: bytes) -> None:
        """Store a callback; return when it may be acknowledged. Raises what storage raises."""
        key_hash = sha256(key.encode()).digest() if key else b""
        now_us = self._clock.now_us()
        callback_id = await self._store.store(source, hash_, key_hash, client, body, now_us)
        try:
            self._send.send_nowait(StoredCallback(callback_id, source, hash_, key_hash, body))
        except trio.WouldBlock:
            log.warning("callback left for later", callback=callback_id)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Work off callbacks until cancelled, beginning with those left over."""
        async with trio.open_nursery() as nursery:
            for _ in range(WORKERS):
                nursery.start_soon(self._work)
            task_status.started()
            for callback in await self._store.unhandled():
                await self._send.send(callback)

    async def _work(self) -> None:
        while True:
            callback = await self._receive.receive()
            for delay in _RETRY_S:
                try:
                    verdict = await self._bring(callback)
                    if verdict is not None:
                        await self._store.handled(callback.id, verdict)
                        break
                except Exception as error:  # it stays unhandled and is tried again
                    log.warning("callback failed", callback=callback.id, error=repr(error))
                await trio.sleep(delay)

    async def _bring(self, callback: StoredCallback) -> str | None:
        """The verdict once it is recorded; None when it must be tried again."""
        result = self._parse(callback)
        trusted = await self._payments.store.by_callback_key(callback.key_hash)
        if trusted is None:
            return await self._nudge(result)
        if isinstance(result, Malformed):
            await self._payments.nudge(trusted)
            return f"malformed: {result.reason}"
        if isinstance(result, BalanceResult) or not await self._belongs(trusted, result):
            log.warning("callback of another payment", callback=callback.id)
            await self._payments.nudge(trusted)
            return "another payment's"
        answer = await self._payments.evidence(trusted, result.outcome)
        return None if isinstance(answer, Refusal) else answer

    def _parse(
        self, callback: StoredCallback
    ) -> PushResult | TransferResult | StatusResult | BalanceResult | Malformed:
        match callback.source:
            case Source.PUSH:
                return self._read.read_push(callback.body)
            case Source.RESULT:
                return self._read.read_result(callback.body)
            case Source.TIMEOUT:
                return self._read.read_timeout(callback.body)
            case Source.STATUS:
                return self._read.read_status(callback.body)

    async def _nudge(self, result: object) -> str:
        """Nobody vouches for it: let the payment it names, if any, ask its provider."""
        for name in _names(result):
            payment_id = await self._payments.store.by_provider_id(name)
            if payment_id is not None:
                await self._payments.nudge(payment_id)
                return "not trusted; asked the provider"
        return "unknown"

    async def _belongs(self, payment_id: int, result: object) -> bool:
        """Whether the ids in the body are this payment's; waits for a push's answer."""
        for _ in range(int(OVERTAKING_S / 0.25)):
            payment = await self._payments.store.load(payment_id)
            if payment is None:
                return False
            if not isinstance(result, PushResult):
                return True  # results name our own originator id, which the secret implies
            if payment.checkout:
                return payment.checkout == result.checkout
            await trio.sleep(0.25)
        return True  # its call was never answered; the secret is proof enough


def _names(result: object) -> tuple[str, ...]:
    match result:
        case PushResult(checkout=checkout):
            return (checkout,)
        case TransferResult(conversation=conversation, originator=originator):
            return (conversation, originator)
        case _:
            return ()
