"""The real server, which kills itself (SIGKILL) at one step of a payment.

    python -m tests.flows.killed_server STEP before|after -- serve --port …

A step is a call that storage or a provider's client makes for a payment.
"""

import os
import signal
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from actors.batch import Batch
from actors.callbacks import Source
from actors.payment_store import PaymentCreated, PaymentMoved
from app import main
from domain.chains.transfers import WithdrawalKind
from domain.payments import Kind, State
from providers.evm.payer import EvmPayer
from providers.mpesa.client import Mpesa
from providers.tron.payer import TronPayer
from storage.callbacks import PostgresCallbacks
from storage.chain_sweeps import PostgresSweeps
from storage.chains import PostgresChains
from storage.journal import PostgresJournal
from storage.payments import PostgresPayments

Matches = Callable[..., bool]


@dataclass(frozen=True)
class Step:
    """A method, and which of its calls is meant."""

    owner: type
    method: str
    matches: Matches


def _is_payment(kind: Kind, holds: Callable[[Any], bool]) -> Matches:
    return lambda payment, *_: payment.kind is kind and holds(payment)


def _commits(change: type, kind: Kind, state: State) -> Matches:
    def matches(batch: Batch, *_: Any) -> bool:
        return any(
            isinstance(row, change) and row.payment.kind is kind and row.payment.state is state
            for row in batch.changes
        )

    return matches


def _any(*_: Any, **__: Any) -> bool:
    return True


def _is_callback(source: Source) -> Matches:
    return lambda given, *_: given is source


_handled: list[int] = []


def _second(*_: Any) -> bool:
    """A withdrawal's callback is the second one: the first paid for what is withdrawn."""
    _handled.append(1)
    return len(_handled) == 2


def _is_sweep(ref: str) -> bool:
    return ref.startswith("SWP-") and "-gas-" not in ref


def _is_of(ending: str, place: int = 1) -> Matches:
    """A call about the signed transaction of a sweep (-1) or of its gas (-gas-1)."""

    def matches(*arguments: Any) -> bool:
        ref: str = arguments[place].withdrawal_id
        return ref.endswith(ending) and ("-gas-" in ref) == ("gas" in ending)

    return matches


def _is_settled(kind: WithdrawalKind) -> Matches:
    return lambda withdrawal: withdrawal.kind is kind


PUSH_STEPS = {
    "stored": Step(PostgresPayments, "insert", _is_payment(Kind.PUSH, lambda _: True)),
    "about to ask": Step(PostgresPayments, "update", _is_payment(Kind.PUSH, lambda p: p.asking)),
    "asked": Step(Mpesa, "push", _any),
    "checkout noted": Step(
        PostgresPayments, "update", _is_payment(Kind.PUSH, lambda p: bool(p.checkout))
    ),
    "called back": Step(PostgresCallbacks, "store", _is_callback(Source.PUSH)),
    "credited": Step(PostgresJournal, "commit", _commits(PaymentMoved, Kind.PUSH, State.COMPLETED)),
    "callback finished": Step(PostgresCallbacks, "handled", _any),
}
PAYOUT_STEPS = {
    "held": Step(PostgresJournal, "commit", _commits(PaymentCreated, Kind.PAYOUT, State.SENDING)),
    "about to ask": Step(PostgresPayments, "update", _is_payment(Kind.PAYOUT, lambda p: p.asking)),
    "asked": Step(Mpesa, "pay_out", _any),
    "accepted": Step(PostgresJournal, "commit", _commits(PaymentMoved, Kind.PAYOUT, State.PENDING)),
    "called back": Step(PostgresCallbacks, "store", _is_callback(Source.RESULT)),
    "settled": Step(
        PostgresJournal, "commit", _commits(PaymentMoved, Kind.PAYOUT, State.COMPLETED)
    ),
    "callback finished": Step(PostgresCallbacks, "handled", _second),
}
_OUT = Kind.CRYPTO_WITHDRAWAL
WITHDRAWAL_STEPS = {
    "held": Step(PostgresJournal, "commit", _commits(PaymentCreated, _OUT, State.SENDING)),
    "about to ask": Step(PostgresPayments, "update", _is_payment(_OUT, lambda p: p.asking)),
    "queued": Step(PostgresChains, "add", _any),
    "signed": Step(PostgresChains, "sign", _any),
    "broadcast": Step(TronPayer, "send", _any),
    "broadcast noted": Step(PostgresChains, "sent", _any),
    "under way": Step(
        PostgresPayments, "update", _is_payment(_OUT, lambda p: bool(p.conversation))
    ),
    "confirmed": Step(PostgresChains, "settle", _any),
    "settled": Step(PostgresJournal, "commit", _commits(PaymentMoved, _OUT, State.COMPLETED)),
    "told": Step(PostgresChains, "told_withdrawal", _any),
}
ON_US_STEPS = {
    "settled": Step(PostgresJournal, "commit", _commits(PaymentMoved, _OUT, State.COMPLETED)),
    "credited": Step(
        PostgresJournal, "commit", _commits(PaymentMoved, Kind.CRYPTO_DEPOSIT, State.COMPLETED)
    ),
    "told": Step(PostgresChains, "told_deposit", _any),
}
DEPOSIT_STEPS = {
    "found": Step(PostgresChains, "advance", lambda _chain, _cursor, found, *_: bool(found)),
    "confirmed": Step(PostgresChains, "mature", _any),
    **{name: ON_US_STEPS[name] for name in ("credited", "told")},
}
SWEEP_STEPS = {
    "begun": Step(PostgresSweeps, "begin", _any),
    "gas signed": Step(PostgresChains, "sign", _is_of("-gas-1")),
    "gas broadcast": Step(EvmPayer, "send", _is_of("-gas-1", 0)),
    "gas confirmed": Step(PostgresChains, "settle", _is_settled(WithdrawalKind.GAS)),
    "signed": Step(PostgresChains, "sign", _is_of("-1")),
    "broadcast": Step(EvmPayer, "send", _is_of("-1", 0)),
    "confirmed": Step(PostgresChains, "settle", _is_settled(WithdrawalKind.SWEEP)),
    "told": Step(PostgresChains, "told_withdrawal", lambda ref, _state: _is_sweep(ref)),
}
STEPS = {
    **{f"sweep {name}": step for name, step in SWEEP_STEPS.items()},
    **{f"withdrawal {name}": step for name, step in WITHDRAWAL_STEPS.items()},
    **{f"on us {name}": step for name, step in ON_US_STEPS.items()},
    **{f"deposit {name}": step for name, step in DEPOSIT_STEPS.items()},
    **{f"push {name}": step for name, step in PUSH_STEPS.items()},
    **{f"payout {name}": step for name, step in PAYOUT_STEPS.items()},
}


def arm(step: Step, when: str) -> None:
    """Die at the first call that matches, before it is made or once it has returned."""
    original: Callable[..., Awaitable[Any]] = getattr(step.owner, step.method)

    async def deadly(self: Any, *args: Any, **kwargs: Any) -> Any:
        doomed = step.matches(*args, **kwargs)
        if doomed and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        result = await original(self, *args, **kwargs)
        if doomed:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(step.owner, step.method, deadly)


if __name__ == "__main__":
    name, moment, _, *command = sys.argv[1:]
    arm(STEPS[name], moment)
    main(command)
