"""Connects sandbox control to the simulators and to the embedded database."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec
import structlog
import trio

from actors.bots import Bots
from actors.identity_store import StoreUnavailable
from assembly.core import Core
from assembly.simulators import Simulators
from protocols.sandbox.service import FaultSwitch, Sandbox
from protocols.sandbox.wire import LedgerReport
from providers.sandbox.fault import Fault
from providers.sandbox.mpesa.outcomes import Rule
from storage.embedded.server import Postgres
from storage.errors import Unavailable
from storage.installation import remember
from storage.verify import verify

log = structlog.get_logger(__name__)

CLOCK_OFFSET = "clock_offset_us"
_OUTAGE_S = 5.0


def sandbox_control(
    core: Core,
    bots: Bots,
    simulators: Simulators,
    postgres: Postgres | None,
    nursery: trio.Nursery,
) -> Sandbox:
    """What the /sandbox endpoints work with."""
    faults = {name: _simulated(fault) for name, fault in simulators.faults.items()}
    if postgres is not None:
        faults["storage"] = _storage(postgres, nursery)

    async def keep_clock(offset_us: int) -> None:
        await remember(core.pool, CLOCK_OFFSET, str(offset_us))

    async def set_rule(body: Mapping[str, Any]) -> None:
        fields = {**body, "who": body["phone"] or body["target"]}
        del fields["phone"], fields["target"]
        await simulators.mpesa.set_rule(msgspec.convert(fields, Rule))

    async def report() -> LedgerReport:
        found = await verify(core.pool)
        return LedgerReport(
            balanced=found.balanced,
            journals=found.journals,
            accounts=found.accounts,
            totals=found.totals,
            differences=found.differences,
        )

    return Sandbox(
        clock=core.clock,
        people=core.people,
        ledger=core.ledger,
        accounts=core.accounts,
        locks=core.accounts,
        messages=simulators.outbox,
        mpesa=simulators.mpesa,
        set_rule=set_rule,
        rates=simulators.rates,
        chains=simulators.chains,
        markets=simulators.exchanges,
        faults=faults,
        fail_bot=bots.fail_next_ticks,
        keep_clock=keep_clock,
        verify=report,
        unavailable=(Unavailable, StoreUnavailable),
    )


def _simulated(fault: Fault) -> FaultSwitch:
    async def switch(kind: str, seconds: float | None, times: int | None) -> None:
        fault.set(kind, seconds=seconds, times=times)  # type: ignore[arg-type]  # checked there

    return switch


def _storage(postgres: Postgres, nursery: trio.Nursery) -> FaultSwitch:
    """Real faults of the real database: stopped, frozen in turns, or its sessions cut."""
    plays: dict[str, Callable[[float], Awaitable[None]]] = {
        "down": postgres.outage,
        "slow": postgres.slow,
    }

    async def switch(kind: str, seconds: float | None, _times: int | None) -> None:
        if kind == "error":
            await postgres.drop_connections()
        else:
            nursery.start_soon(plays[kind], seconds or _OUTAGE_S)

    return switch
