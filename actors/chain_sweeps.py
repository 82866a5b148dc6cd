"""Collecting deposits: what lies on deposit addresses is moved into the hot wallet.

An operator asks for a plan of one chain, and then for its execution. A sweep is a withdrawal from
a deposit address to the hot wallet, and the gas that a token's transfer needs is one from the hot
wallet to that address: both are stored first and then paid by the chain's wallet actor, which
survives crashes and never sends twice. Of one address only one sweep is ever open, by a rule of
the database; so asking again, or twice at once, begins nothing twice.

In the ledger nothing moves but fees: deposit addresses and the hot wallet are one custody account.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol

import msgspec
import structlog
import trio

from actors.audit import AuditEntry
from actors.chain_rail import ChainEnds
from actors.chain_store import Owner
from actors.clock import Clock
from actors.rates import RatesUnavailable
from actors.token_transfers import Quotes
from domain.chains.amounts import credited
from domain.chains.table import CHAINS, Family
from domain.chains.tokens import TokenTable
from domain.chains.transfers import Withdrawal, WithdrawalKind, WithdrawalState
from domain.fx import HUB, receive
from domain.nexuspay.treasury import TREASURY

log = structlog.get_logger(__name__)

MOST_AT_ONCE: Final = 100  # addresses a plan looks at: each costs a few questions to a node
_WORTH: Final = 2  # a sweep must be worth this many times its fee


class Candidate(msgspec.Struct, frozen=True):
    """An address that got confirmed deposits which may not have been collected yet."""

    address: str
    owner: Owner
    tokens: tuple[str, ...]


class Action(StrEnum):
    """What is done with what lies on an address."""

    SWEEP = "sweep"
    TOP_UP = "top up"  # it is under way, and waits for gas that did not come
    UNDER_WAY = "under way"
    LATER = "later"  # something else is collected from that address first
    TOO_SMALL = "too small"
    NO_KEY = "no key"  # its key is not of this wallet's seed
    EMPTY = "empty"


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One token on one address. `amount` in units, `usd` its value in units (None: unknown);
    `fee` and `top_up` in raw units of the own coin; `id` of its sweep, "" where there is none."""

    address: str
    owner: Owner
    token: str
    amount_raw: int
    action: Action
    amount: int = 0
    usd: int | None = None
    fee: int = 0
    top_up: int = 0
    id: str = ""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What lies on the deposit addresses of a chain; `collects`: whether this server may move
    it, to `to`."""

    chain: str
    to: str
    collects: bool
    rows: Sequence[Row]


class SweepStore(Protocol):
    """Implemented by storage.chain_sweeps. Every method raises StoreUnavailable."""

    async def candidates(self, chain: str, limit: int, *, everything: bool) -> Sequence[Candidate]:
        """Addresses with deposits since they were last swept, the oldest deposits first; with
        `everything` whatever was swept."""
        ...

    async def open_sweeps(self, chain: str) -> Mapping[str, Withdrawal]:
        """By the address they leave from; those a person must decide about, too."""
        ...

    async def gas_under_way(self, chain: str) -> frozenset[str]:
        """Addresses that gas is on its way to."""
        ...

    async def number(self, chain: str, address: str) -> tuple[int, int]:
        """How many sweeps of that address there were, and how often it was given gas."""
        ...

    async def begin(self, made: Sequence[Withdrawal], deed: AuditEntry) -> bool:
        """Store them as queued and write the audit, together; False, and nothing written, when a
        sweep of one of their addresses is open or one of their ids is known."""
        ...

    async def newest(self, limit: int) -> Sequence[Withdrawal]:
        """Sweeps and gas, newest first."""
        ...


class Spender(Protocol):
    """Whose keys these are; providers.hdwallet.HdWallet."""

    @property
    def collects(self) -> bool: ...

    def address(self, family: Family, owner: int, purpose: str = "user") -> str: ...


class Rail(Protocol):
    """The rail as a sweep sees it; actors.chains.ChainRail."""

    def stored(self, chain: str) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """Who asks, and how they proved it."""

    id: int
    how: str


class Sweeps:
    """One instance; asked by the operators' surface."""

    def __init__(
        self,
        store: SweepStore,
        ends: Mapping[str, ChainEnds],
        tokens: TokenTable,
        spender: Spender,
        rates: Quotes,
        rail: Rail,
        clock: Clock,
    ) -> None:
        self._store = store
        self._ends = ends
        self._tokens = tokens
        self._spender = spender
        self._rates = rates
        self._rail = rail
        self._clock = clock
        self._turn = trio.Lock()

    @property
    def chains(self) -> tuple[str, ...]:
        """The chains in use."""
        return tuple(self._ends)

    @property
    def collects(self) -> bool:
        """Whether this server may move what it finds."""
        return self._spender.collects

    async def newest(self, limit: int) -> Sequence[Withdrawal]:
        """Sweeps and gas, newest first. Raises StoreUnavailable."""
        return await self._store.newest(limit)

    async def plan(self, chain: str, least_usd: int, *, everything: bool = False) -> Plan:
        """What would be done now with what is worth `least_usd` units of USD or more.

        Raises ChainUnavailable and StoreUnavailable; nothing is written.
        """
        rows: list[Row] = []
        open_sweeps = await self._store.open_sweeps(chain)
        gas = await self._store.gas_under_way(chain)
        for found in await self._store.candidates(chain, MOST_AT_ONCE, everything=everything):
            if (sweep := open_sweeps.get(found.address)) is not None:
                rows.append(await self._open(found, sweep, gas))
            else:
                rows += await self._of_address(chain, found, least_usd)
        to = self._ends[chain].payer.address
        return Plan(chain=chain, to=to, collects=self._spender.collects, rows=rows)

    async def execute(
        self, chain: str, least_usd: int, operator: Operator, *, everything: bool = False
    ) -> Plan:
        """Plan, and begin what the plan says; each sweep is audited. Raises as `plan` does; what
        was begun before stays begun, and asking again goes on from there."""
        assert self._spender.collects, "the caller has looked"
        async with self._turn:
            # What is confirmed while the plan is made may not be in it: sweeps are of this moment.
            asked_us = self._clock.now_us()
            plan = await self.plan(chain, least_usd, everything=everything)
            rows = [await self._begin(chain, row, operator, asked_us) for row in plan.rows]
            self._rail.stored(chain)
        return msgspec.structs.replace(plan, rows=rows)

    # --- planning --------------------------------------------------------------------------

    async def _of_address(self, chain: str, found: Candidate, least_usd: int) -> list[Row]:
        """What lies there, the most valuable token first and the own coin, which pays for the
        others, last; only the first that is worth it is collected now."""
        if not self._has_key(chain, found):
            return [_row(found, token, 0, Action.NO_KEY) for token in found.tokens]
        payer, native = self._ends[chain].payer, CHAINS[chain].native
        held = await payer.held(found.address, found.tokens)
        rows = [await self._valued(chain, found, token, held[token]) for token in found.tokens]
        rows.sort(key=lambda row: (row.token == native, -(row.usd or 0), row.token))
        planned: list[Row] = []
        for row in rows:
            taken = any(before.action is Action.SWEEP for before in planned)
            planned.append(await self._priced(chain, row, held[""], least_usd, taken=taken))
        return planned

    async def _valued(self, chain: str, found: Candidate, token: str, raw: int) -> Row:
        units, _ = credited(raw, self._tokens[chain, token])
        return msgspec.structs.replace(
            _row(found, token, raw, Action.EMPTY), amount=units, usd=await self._usd(token, units)
        )

    async def _priced(
        self, chain: str, row: Row, coins: int, least_usd: int, *, taken: bool
    ) -> Row:
        if not row.amount:
            return row
        if row.usd is not None and row.usd < least_usd:
            return msgspec.structs.replace(row, action=Action.TOO_SMALL)
        if taken:
            return msgspec.structs.replace(row, action=Action.LATER)
        is_native = row.token == CHAINS[chain].native
        fee = await self._ends[chain].payer.sweep_cost(row.address, row.token, row.amount_raw)
        top_up = 0 if is_native else max(fee - coins, 0)
        worth = row.amount_raw > _WORTH * fee if is_native else await self._pays(chain, row, fee)
        action = Action.SWEEP if worth else Action.TOO_SMALL
        return msgspec.structs.replace(row, fee=fee, top_up=top_up, action=action)

    async def _pays(self, chain: str, row: Row, fee: int) -> bool:
        """Whether a token is worth its fee, as far as both values are known."""
        native = self._tokens.get((chain, CHAINS[chain].native))
        if native is None or row.usd is None:
            return True
        cost = await self._usd(native.symbol, credited(fee, native)[0])
        return cost is None or row.usd > _WORTH * cost

    async def _open(self, found: Candidate, sweep: Withdrawal, gas: frozenset[str]) -> Row:
        """Of an address that is being swept: whether its gas has still to come."""
        row = _row(found, sweep.token, sweep.amount_raw, Action.UNDER_WAY)
        amount, _ = credited(sweep.amount_raw, self._tokens[sweep.chain, sweep.token])
        row = msgspec.structs.replace(row, id=sweep.id, amount=amount)
        is_native = sweep.token == CHAINS[sweep.chain].native
        if sweep.state is not WithdrawalState.QUEUED or is_native or found.address in gas:
            return row
        payer = self._ends[sweep.chain].payer
        fee = await payer.sweep_cost(found.address, sweep.token, sweep.amount_raw)
        short = fee - (await payer.held(found.address, ()))[""]
        if short <= 0:
            return row
        return msgspec.structs.replace(row, action=Action.TOP_UP, fee=fee, top_up=short)

    def _has_key(self, chain: str, found: Candidate) -> bool:
        family, owner = CHAINS[chain].family, _derived_by(found.owner)
        return self._spender.address(family, owner, found.owner.purpose) == found.address

    async def _usd(self, asset: str, units: int) -> int | None:
        try:
            quote = await self._rates.quote(asset, HUB)
        except (RatesUnavailable, KeyError):
            return None
        return receive(quote, asset, units).units

    # --- beginning -------------------------------------------------------------------------

    async def _begin(self, chain: str, row: Row, operator: Operator, asked_us: int) -> Row:
        if row.action not in (Action.SWEEP, Action.TOP_UP):
            return row
        sweeps, given = await self._store.number(chain, row.address)
        sweep_id = row.id or f"SWP-{chain}-{row.address}-{sweeps + 1}"
        made = []
        if row.top_up:
            made.append(self._gas(chain, row, f"{sweep_id}-gas-{given + 1}", asked_us))
        if row.action is Action.SWEEP:
            made.append(self._sweep(chain, row, sweep_id, asked_us))
        deed = AuditEntry(
            at_us=self._clock.now_us(),
            operator_id=operator.id,
            how=operator.how,
            action=f"{row.action.value} deposits",
            subject=sweep_id,
            note=f"{row.amount_raw} raw {row.token} from {row.address}, gas {row.top_up}",
        )
        if not await self._store.begin(made, deed):
            return msgspec.structs.replace(row, action=Action.UNDER_WAY, id=sweep_id)
        log.info("sweep begun", id=sweep_id, action=row.action.value, by=operator.id)
        return msgspec.structs.replace(row, id=sweep_id)

    def _sweep(self, chain: str, row: Row, sweep_id: str, at_us: int) -> Withdrawal:
        return Withdrawal(
            id=sweep_id,
            chain=chain,
            token=row.token,
            address=self._ends[chain].payer.address,
            amount_raw=row.amount_raw,
            state=WithdrawalState.QUEUED,
            created_us=at_us,
            kind=WithdrawalKind.SWEEP,
            source=row.address,
            source_key=f"{row.owner.purpose}/{_derived_by(row.owner)}",
        )

    def _gas(self, chain: str, row: Row, gas_id: str, at_us: int) -> Withdrawal:
        return Withdrawal(
            id=gas_id,
            chain=chain,
            token=CHAINS[chain].native,
            address=row.address,
            amount_raw=row.top_up,
            state=WithdrawalState.QUEUED,
            created_us=at_us,
            kind=WithdrawalKind.GAS,
        )


def _row(found: Candidate, token: str, raw: int, action: Action) -> Row:
    return Row(address=found.address, owner=found.owner, token=token, amount_raw=raw, action=action)


def _derived_by(owner: Owner) -> int:
    """The platform's own addresses are derived by number 0."""
    return 0 if owner.id == TREASURY else owner.id
