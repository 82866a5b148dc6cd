"""`/ops/sweeps`: plan and begin collecting deposits into the hot wallet; what became of it."""

from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation

from actors.chain_rail import ChainUnavailable
from actors.chain_sweeps import Operator, Plan, Row, Sweeps
from actors.clock import US
from actors.identity_store import StoreUnavailable
from actors.people import Authenticated
from domain.chains.table import CHAINS, Family
from domain.chains.transfers import Withdrawal
from domain.money import plain, units_from
from protocols.http import Request, Response, json_response
from protocols.ops import wire
from protocols.web import Route

LISTED = 200


def sweep_routes(sweeps: Sweeps) -> tuple[Route, ...]:
    """For administrators, by the surface's own check; every sweep is audited as it is begun."""
    office = _Office(sweeps)
    return (
        Route(
            "POST",
            "/sweeps",
            office.sweep,
            request=wire.SweepRequest,
            response=wire.SweepPlan,
            summary="Collect deposits of a chain into the hot wallet, or say what that would do",
        ),
        Route(
            "GET",
            "/sweeps",
            office.newest,
            response=wire.SweepList,
            summary="What was collected, and what became of it",
        ),
    )


class _Office:
    """Handlers."""

    def __init__(self, sweeps: Sweeps) -> None:
        self._sweeps = sweeps

    async def sweep(self, request: Request, body: wire.SweepRequest) -> wire.SweepPlan | Response:
        """`POST /ops/sweeps`."""
        who, sweeps, least = request.principal, self._sweeps, _usd(body.minimum_usd)
        assert isinstance(who, Authenticated)
        if body.chain not in sweeps.chains:
            return _error(400, f"chain must be one of {', '.join(sweeps.chains)}")
        if least is None:
            return _error(400, "minimum_usd must be an amount of USD")
        if body.execute and not sweeps.collects:
            return _error(409, "collecting is switched off on this server (CHAIN_SWEEPS)")
        try:
            if body.execute:
                operator = Operator(id=who.user_id, how=",".join(who.amr))
                plan = await sweeps.execute(body.chain, least, operator, everything=body.everything)
            else:
                plan = await sweeps.plan(body.chain, least, everything=body.everything)
        except ChainUnavailable as error:
            return _error(503, f"{body.chain} does not answer: {error}")
        except StoreUnavailable:
            return _error(503, "temporarily unavailable")
        return _plan(plan, executed=body.execute)

    async def newest(self, _request: Request) -> wire.SweepList | Response:
        """`GET /ops/sweeps`."""
        try:
            found = await self._sweeps.newest(LISTED)
        except StoreUnavailable:
            return _error(503, "temporarily unavailable")
        return wire.SweepList(sweeps=[_status(withdrawal) for withdrawal in found])


def _usd(value: object) -> int | None:
    """Units of a text or a number; None for anything that is no amount."""
    if isinstance(value, bool) or not isinstance(value, (str, int, Decimal, float)):
        return None
    try:
        units = units_from(Decimal(str(value)), 2)
    except InvalidOperation:
        return None
    return units if isinstance(units, int) and units >= 0 else None


def _plan(plan: Plan, *, executed: bool) -> wire.SweepPlan:
    rows = [_row(plan.chain, row) for row in plan.rows]
    return wire.SweepPlan(chain=plan.chain, to=plan.to, executed=executed, rows=rows)


def _row(chain: str, row: Row) -> wire.SweepRow:
    return wire.SweepRow(
        address=row.address,
        user_id=str(row.owner.id),
        purpose=row.owner.purpose,
        token=row.token,
        amount=plain(row.amount),
        usd=None if row.usd is None else plain(row.usd, 2),
        fee=_coins(chain, row.fee),
        gas=_coins(chain, row.top_up),
        action=row.action.value,
        id=row.id or None,
    )


def _status(withdrawal: Withdrawal) -> wire.SweepStatus:
    created = datetime.fromtimestamp(withdrawal.created_us // US, UTC)
    return wire.SweepStatus(
        id=withdrawal.id,
        kind=withdrawal.kind.value,
        chain=withdrawal.chain,
        token=withdrawal.token or CHAINS[withdrawal.chain].gas_symbol,
        source=withdrawal.source or "hot wallet",
        to=withdrawal.address,
        amount=str(withdrawal.amount_raw),
        status=withdrawal.state.value,
        tx_hash=withdrawal.tx_hash or None,
        fee=str(withdrawal.fee_raw),
        reason=withdrawal.reason or None,
        created_at=f"{created:%Y-%m-%dT%H:%M:%SZ}",
    )


_COIN_DECIMALS = {Family.EVM: 18, Family.TRON: 6, Family.BITCOIN: 8}


def _coins(chain: str, raw: int) -> str:
    """Whole own coins of a chain, exactly."""
    amount = Decimal(raw).scaleb(-_COIN_DECIMALS[CHAINS[chain].family])
    return f"{amount.normalize():f}"


def _error(status: int, text: str) -> Response:
    return json_response(wire.ErrorBody(error=text), status)
