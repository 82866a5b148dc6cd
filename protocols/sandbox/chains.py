"""Control of the simulated chains: deposits from outside, replaced blocks, blocks at once."""

from decimal import Decimal
from typing import Any

from domain.chains.addresses import canonical
from domain.chains.table import CHAINS
from protocols.http import Request, Response
from protocols.sandbox import wire
from protocols.sandbox.answers import change, refused
from protocols.sandbox.service import ChainControl
from protocols.web import Route


def chain_routes(chains: ChainControl) -> tuple[Route, ...]:
    """Routes under /sandbox/chains/CHAIN."""
    control = _Control(chains)
    base = "chains/:chain"
    return (
        change(f"{base}/deposit", control.deposit, wire.ChainDepositBody, wire.Deposited),
        change(f"{base}/reorg", control.reorg, wire.ReorgBody, wire.Ok),
        change(f"{base}/blocks", control.blocks, wire.BlocksBody, wire.Ok),
    )


class _Control:
    """Handlers."""

    def __init__(self, chains: ChainControl) -> None:
        self._chains = chains

    async def deposit(self, request: Request, body: wire.ChainDepositBody) -> Any:
        """An outside sender pays an address."""
        chain = _chain(request)
        if isinstance(chain, Response):
            return chain
        address = canonical(chain, body.address)
        if address is None:
            return refused(400, f"{body.address!r} is no address on {chain}")
        amount = body.amount
        if not amount.is_finite() or not -18 <= amount.adjusted() <= 18 or _digits(amount) > 28:
            return refused(400, "not an amount")
        try:
            tx_hash = await self._chains.deposit(chain, address, body.token, amount)
        except ValueError as error:
            return refused(400, str(error))
        return wire.Deposited(tx_hash=tx_hash)

    async def reorg(self, request: Request, body: wire.ReorgBody) -> Any:
        """The newest blocks are replaced by others."""
        chain = _chain(request)
        if isinstance(chain, Response):
            return chain
        await self._chains.reorg(chain, body.depth, drop=body.drop)
        return wire.Ok()

    async def blocks(self, request: Request, body: wire.BlocksBody) -> Any:
        """Blocks are made without waiting for their seconds."""
        chain = _chain(request)
        if isinstance(chain, Response):
            return chain
        await self._chains.skip(chain, body.count)
        return wire.Ok()


def _digits(amount: Decimal) -> int:
    return len(amount.as_tuple().digits)


def _chain(request: Request) -> str | Response:
    chain: str = request.params["chain"]
    return chain if chain in CHAINS else refused(404, "unknown chain")
