"""The chain rail, put together from options or simulators."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Final

import httpx
import structlog
import trio

from actors.chain_desk import ChainDesk
from actors.chain_rail import ChainEnds, ChainUnavailable
from assembly.options import OptionError, Options, listed
from domain.chains.table import CHAINS, EVM_CHAINS, TRON, chain_key
from domain.chains.tokens import TokenTable, known_contracts, table_of
from domain.fees import Chain
from providers.chain_ends import ChainSettings, chain_ends, verify_ends
from providers.evm.blocks import WrongChain
from providers.hdwallet.wallet import HdWallet
from providers.trust import authorities

log = structlog.get_logger(__name__)

# Nodes are asked again within seconds.
_CONNECTIONS: Final = httpx.Limits(
    max_connections=20, max_keepalive_connections=5, keepalive_expiry=60
)
_MOST_CONFIRMATIONS: Final = 100  # a watcher remembers 128 blocks


async def _nothing(_chain: str, _address: str) -> None:
    """Hot wallets are funded by whoever runs the server."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainNodes:
    """Which chains are in use and how they are reached. `aliases` are addresses that stand for
    others; `confirmations` are those that differ from the table's. `provide` is called with each
    chain and its hot wallet's address before anything is paid."""

    nodes: Mapping[str, ChainSettings] = field(default_factory=dict)
    tokens: TokenTable = field(default_factory=dict)
    confirmations: Mapping[str, int] = field(default_factory=dict)
    aliases: Mapping[str, str] = field(default_factory=dict)
    poll_s: float = 2.0
    bump_after_s: float = 60.0
    provide: Callable[[str, str], Awaitable[None]] = _nothing


def live_chains(options: Options) -> ChainNodes:
    """From configuration. Raises OptionError."""
    nodes = {
        _known("EVM_RPC_URLS", chain, EVM_CHAINS): ChainSettings(url=url)
        for chain, url in _pairs("EVM_RPC_URLS", options.evm_rpc_urls)
    }
    if options.trongrid_api_key:
        grid = ChainSettings(url=options.trongrid_url, api_key=options.trongrid_api_key)
        nodes[TRON.key] = grid
    if options.esplora_url:
        nodes["bitcoin"] = ChainSettings(url=options.esplora_url)
    return ChainNodes(
        nodes=nodes,
        tokens=_tokens(options),
        confirmations=confirmations(options),
        poll_s=float(options.chain_poll_seconds),
        bump_after_s=float(options.chain_bump_seconds),
    )


def confirmations(options: Options) -> dict[str, int]:
    """What CHAIN_CONFIRMATIONS says. Raises OptionError."""
    name, found = "CHAIN_CONFIRMATIONS", {}
    for chain, text in _pairs(name, options.chain_confirmations):
        if not text.isascii() or not text.isdigit() or not 0 < int(text) <= _MOST_CONFIRMATIONS:
            raise OptionError(f"{name}: {text!r} is not from 1 to {_MOST_CONFIRMATIONS}")
        found[_known(name, chain, CHAINS)] = int(text)
    return found


def _tokens(options: Options) -> TokenTable:
    """Known contracts and those of CHAIN_TOKENS, which win."""
    contracts = known_contracts()
    for place, address in _pairs("CHAIN_TOKENS", options.chain_tokens):
        chain, _, symbol = place.partition(":")
        contracts[_known("CHAIN_TOKENS", chain, CHAINS), symbol] = address
    try:
        return table_of(contracts)
    except (KeyError, ValueError) as error:
        raise OptionError(f"CHAIN_TOKENS: {error}") from error


def _pairs(name: str, text: str) -> Iterable[tuple[str, str]]:
    for item in listed(text):
        key, equals, value = item.partition("=")
        if not equals or not value:
            raise OptionError(f"{name}: {key!r} has no value (CHAIN=VALUE,…)")
        yield key, value


def _known(name: str, chain: str, chains: Mapping[str, object]) -> str:
    if chain not in chains:
        raise OptionError(f"{name}: {chain!r} is none of {', '.join(chains)}")
    return chain


@asynccontextmanager
async def chain_clients(nodes: ChainNodes) -> AsyncIterator[dict[str, httpx.AsyncClient]]:
    """A pool of connections for every chain: one for all of them would be searched through, again
    and again, for each question."""
    async with AsyncExitStack() as stack:
        yield {
            key: await stack.enter_async_context(
                httpx.AsyncClient(trust_env=False, verify=authorities(), limits=_CONNECTIONS)
            )
            for key in nodes.nodes
        }


def open_ends(
    nodes: ChainNodes, http: Mapping[str, httpx.AsyncClient], wallet: HdWallet
) -> dict[str, ChainEnds]:
    """The clients of every chain in use."""
    ends = {}
    for key, settings in nodes.nodes.items():
        chain = CHAINS[key]
        wanted = nodes.confirmations.get(key, chain.confirmations)
        chain = replace(chain, confirmations=wanted)
        ends[key] = chain_ends(chain, settings, http[key], nodes.tokens, wallet)
    return ends


async def provided(nodes: ChainNodes, ends: Mapping[str, ChainEnds]) -> None:
    """Let hot wallets be funded, where something does that."""
    for key, chain in ends.items():
        await nodes.provide(key, chain.payer.address)


async def check_ends(ends: Mapping[str, ChainEnds]) -> None:
    """In live mode: every node is of its chain and every contract of its token.

    A node that does not answer is no obstacle: its chain waits. Raises OptionError.
    """
    wrong: list[str] = []

    async def check(key: str, chain: ChainEnds) -> None:
        try:
            await verify_ends(chain)
        except WrongChain as error:
            wrong.append(f"{key}: {error}")
        except ChainUnavailable as error:
            log.warning("chain not reached", chain=key, reason=str(error))

    async with trio.open_nursery() as nursery:
        for key, chain in ends.items():
            nursery.start_soon(check, key, chain)
    if wrong:
        raise OptionError(f"EVM_RPC_URLS or CHAIN_TOKENS: {min(wrong)}")


class CashierChains:
    """Implements protocols.cashier.interfaces.Chains."""

    def __init__(self, desk: ChainDesk, aliases: Mapping[str, str]) -> None:
        self._desk = desk
        self._aliases = aliases

    def carries(self, chain: Chain, currency: str) -> bool:
        return self._desk.carries(chain_key(chain.value), currency)

    async def deposit_address(self, user_id: int, chain: Chain) -> str:
        return await self._desk.address_for(user_id, chain_key(chain.value), "cashier")

    def is_address(self, chain: Chain, text: str) -> bool:
        key = chain_key(chain.value)
        return self._desk.takes(key, self._aliases.get(text, text))

    def confirmations(self, chain: Chain) -> int:
        return self._desk.chain(chain_key(chain.value)).confirmations
