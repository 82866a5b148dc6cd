"""How each chain is read and paid on, from its settings: the sandbox only brings other settings."""

from dataclasses import dataclass, field
from typing import Final

import httpx

from actors.chain_rail import ChainEnds
from domain.chains.table import Chain, Family
from domain.chains.tokens import TokenTable
from providers.bitcoin.blocks import BitcoinBlocks
from providers.bitcoin.client import EsploraApi
from providers.bitcoin.payer import BitcoinPayer
from providers.evm.blocks import EvmBlocks
from providers.evm.client import EvmRpc
from providers.evm.payer import EvmPayer
from providers.hdwallet.wallet import HdWallet
from providers.tron.blocks import TronBlocks
from providers.tron.client import Settings as TronSettings
from providers.tron.client import TronGridApi
from providers.tron.payer import TronPayer

TIMEOUT_S: Final = 10.0  # for an answer; a connection is given half of it


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainSettings:
    """Where a chain's node is. The URL may hold a key; `api_key` is TronGrid's."""

    url: str = field(repr=False)
    api_key: str = field(default="", repr=False)
    timeout_s: float = TIMEOUT_S


def chain_ends(
    chain: Chain,
    settings: ChainSettings,
    http: httpx.AsyncClient,
    tokens: TokenTable,
    wallet: HdWallet,
) -> ChainEnds:
    """The clients of one chain. Only its family's keys are handed on."""
    keys = wallet.keys(chain.family)
    timeout = httpx.Timeout(settings.timeout_s, connect=settings.timeout_s / 2)
    match chain.family:
        case Family.EVM:
            rpc = EvmRpc(http, settings.url, timeout)
            blocks = EvmBlocks(rpc, chain, tokens)
            return ChainEnds(chain, blocks, EvmPayer(rpc, chain, tokens, keys))
        case Family.TRON:
            node = TronSettings(base_url=settings.url, api_key=settings.api_key)
            grid = TronGridApi(http, node, timeout)
            return ChainEnds(chain, TronBlocks(grid, tokens), TronPayer(grid, tokens, keys))
        case Family.BITCOIN:
            esplora = EsploraApi(http, settings.url, timeout)
            return ChainEnds(chain, BitcoinBlocks(esplora), BitcoinPayer(esplora, keys))


async def verify_ends(ends: ChainEnds) -> None:
    """At the start in live mode: the node must be of the chain and each contract of its token.

    Raises WrongChain, and ChainUnavailable when nobody answers.
    """
    if isinstance(ends.source, EvmBlocks):
        await ends.source.verify()
