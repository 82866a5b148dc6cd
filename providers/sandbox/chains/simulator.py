"""All simulated chains behind one loopback port, and what /sandbox does to them.

http://127.0.0.1:PORT/evm/arbitrum   JSON-RPC, one path a chain
http://127.0.0.1:PORT/tron           TronGrid's paths below it
http://127.0.0.1:PORT/bitcoin        Esplora's paths below it
"""

import time
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Final, Protocol, TypeVar

import trio

from domain.chains.addresses import evm_account, evm_address, tron_address, tron_payload
from domain.chains.table import BITCOIN, CHAINS, EVM_CHAINS, TRON, Family
from domain.chains.tokens import Token, sandbox_pairs, table_of, token_of
from providers.sandbox.chains.bitcoin_chain import BitcoinChain
from providers.sandbox.chains.esplora import Esplora
from providers.sandbox.chains.evm_chain import EvmChain
from providers.sandbox.chains.evm_rpc import EvmNode
from providers.sandbox.chains.executed import TokenSpec, token_account
from providers.sandbox.chains.log import FileLog, Forgetful, Log
from providers.sandbox.chains.pace import Pace
from providers.sandbox.chains.tron_chain import TronChain
from providers.sandbox.chains.tron_http import TronGrid
from providers.sandbox.fault import Fault
from providers.sandbox.server import Hangup, HttpReply, HttpRequest, serve_http

T = TypeVar("T")

SLOW_SECONDS: Final = 15.0  # longer than any client waits for a node


class SimulatedChain(Protocol):
    """What every simulated chain can be told."""

    pace: Pace

    def undo(self, depth: int, *, drop: bool) -> None: ...


class ChainSimulators:
    """Every chain of the table. `folder` None: nothing is remembered after the process."""

    def __init__(
        self,
        folder: Path | None,
        fault: Fault,
        now: Callable[[], float] = time.time,
        keys: tuple[str, ...] = tuple(CHAINS),
    ) -> None:
        self._folder = folder
        self._fault = fault
        self._now = now
        self._locks = {key: trio.Lock() for key in keys}
        self._lost_replies = 0
        self._logs: list[Log] = []
        self.evm = {key: self._evm(key) for key in EVM_CHAINS if key in keys}
        self._nodes = {key: EvmNode(chain) for key, chain in self.evm.items()}
        log, pace = self._remembered(TRON.key)
        self.tron = TronChain(TRON.key, TRON.chain_id, _specs(TRON.key), log, pace)
        self._grid = TronGrid(self.tron)
        log, pace = self._remembered(BITCOIN.key)
        self.bitcoin = BitcoinChain(log, pace)
        self._esplora = Esplora(self.bitcoin)
        self.tokens = _table()

    async def serve(
        self, *, port: int = 0, task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Serve until cancelled; started with the port."""
        try:
            await serve_http(self._handle, port=port, task_status=task_status)
        finally:
            for log in self._logs:
                log.close()

    # --- control ---------------------------------------------------------------------------

    async def deposit(self, chain: str, address: str, symbol: str, amount: Decimal) -> str:
        """An outside sender pays an address; the transaction's hash. Raises ValueError when the
        chain has no such token or the token not so many decimals."""
        token = self.tokens.get((chain, symbol))
        if token is None:
            raise ValueError(f"{symbol} is not carried on {chain}")
        raw = amount.scaleb(token.decimals)
        if raw != int(raw) or raw <= 0:
            raise ValueError(f"{amount} is no amount of {symbol}")
        return await self.deposit_raw(chain, address, symbol, int(raw))

    async def deposit_raw(self, chain: str, address: str, symbol: str, raw: int) -> str:
        """The same in the token's smallest units."""
        match CHAINS[chain].family:
            case Family.EVM:
                pay = partial(self.evm[chain].pay, evm_account(address), symbol, raw)
                return "0x" + (await self._alone(chain, pay)).hex()
            case Family.TRON:
                payload = tron_payload(address)
                if payload is None:
                    raise ValueError(f"{address} is no address on tron")
                paid = partial(self.tron.pay, payload[1:], symbol, raw)
                return (await self._alone(chain, paid)).hex()
            case Family.BITCOIN:
                return await self._alone(chain, partial(self.bitcoin.pay, address, raw))

    async def endow(self, chain: str, address: str) -> None:
        """Let a hot wallet have plenty of everything there, once in the life of the chain."""
        match CHAINS[chain].family:
            case Family.EVM:
                give = partial(self.evm[chain].endow, evm_account(address))
            case Family.TRON:
                payload = tron_payload(address)
                assert payload is not None
                give = partial(self.tron.endow, payload[1:])
            case Family.BITCOIN:
                give = partial(self.bitcoin.endow, address)
        await self._alone(chain, give)

    async def reorg(self, chain: str, depth: int, *, drop: bool = False) -> None:
        """Replace the newest `depth` blocks; with `drop` what was in them is gone for good."""
        await self._alone(chain, partial(self.chain(chain).undo, depth, drop=drop))

    async def skip(self, chain: str, blocks: int) -> None:
        """Make that many blocks at once."""
        await self._alone(chain, partial(self.chain(chain).pace.skip, blocks))

    def lose_replies(self, times: int) -> None:
        """Take the next transactions, and hang up instead of answering."""
        self._lost_replies = times

    def chain(self, key: str) -> SimulatedChain:
        """The simulated chain itself; `pace` stalls it, resumes it and skips blocks."""
        others: dict[str, SimulatedChain] = {TRON.key: self.tron, BITCOIN.key: self.bitcoin}
        return self.evm.get(key) or others[key]

    # --- serving ---------------------------------------------------------------------------

    async def _handle(self, request: HttpRequest) -> HttpReply:
        fault = self._fault.take("down", "error", "slow")
        if fault == "down":
            raise Hangup
        if fault == "error":
            return HttpReply(503, b"service unavailable", "text/plain")
        reply = await self._route(request)
        if self._lost_replies and reply.status == 200 and _is_broadcast(request):
            self._lost_replies -= 1
            raise Hangup
        if fault == "slow":
            await trio.sleep(SLOW_SECONDS)
        return reply

    async def _route(self, request: HttpRequest) -> HttpReply:
        _, service, *rest = request.path.split("/", 2)
        path = "/" + (rest[0] if rest else "")
        if service == "evm" and path[1:] in self._nodes:
            node = self._nodes[path[1:]]
            return HttpReply(200, await self._alone(path[1:], partial(node.answer, request.body)))
        if service == TRON.key:
            return await self._alone(TRON.key, partial(self._grid.answer, path, request))
        if service == BITCOIN.key:
            return await self._alone(BITCOIN.key, partial(self._esplora.answer, path, request))
        return HttpReply(404, b"not found", "text/plain")

    async def _alone(self, key: str, work: Callable[[], T]) -> T:
        """In a thread, since executing takes milliseconds; one at a time for each chain."""
        async with self._locks[key]:
            return await trio.to_thread.run_sync(work)

    # --- making ----------------------------------------------------------------------------

    def _remembered(self, key: str) -> tuple[Log, Pace]:
        log: Log = Forgetful() if self._folder is None else FileLog(self._folder / f"{key}.log")
        self._logs.append(log)
        return log, Pace(log, self._now)

    def _evm(self, key: str) -> EvmChain:
        log, pace = self._remembered(key)
        return EvmChain(key, EVM_CHAINS[key].chain_id, _specs(key), log, pace)


def _specs(chain: str) -> tuple[TokenSpec, ...]:
    """Tokens in the order in which they are deployed."""
    pairs = [pair for pair in sandbox_pairs() if pair[0] == chain]
    tokens = [token_of(chain, symbol, "") for _, symbol in pairs]
    return tuple(TokenSpec(token.symbol, token.decimals) for token in tokens)


def _table() -> dict[tuple[str, str], Token]:
    """Where the sandbox's tokens are."""
    contracts: dict[tuple[str, str], str] = {}
    for chain in CHAINS.values():
        spell = tron_address if chain.family is Family.TRON else evm_address
        for position, spec in enumerate(_specs(chain.key)):
            contracts[chain.key, spec.symbol] = spell(token_account(position))
    return table_of(contracts)


def _is_broadcast(request: HttpRequest) -> bool:
    return (
        b"eth_sendRawTransaction" in request.body
        or request.path.endswith("/wallet/broadcasthex")
        or (request.method == "POST" and request.path.endswith("/tx"))
    )
