"""The chains and tokens of document 002, "Supported Blockchains and Tokens" (NXPY-674..704)."""

from dataclasses import dataclass
from typing import Final

from domain.chains.table import EVM_CHAINS


@dataclass(frozen=True, slots=True)
class Chain:
    """One chain: the name requests use, the network's full name, and its block explorer."""

    key: str
    network: str
    explorer: str

    def transaction_url(self, tx_hash: str) -> str:
        """Where the explorer shows a transaction."""
        return EVM_CHAINS[self.key].explorer_url(tx_hash)


@dataclass(frozen=True, slots=True)
class Token:
    """One token; `decimals` is what its contract has, the ledger keeps at most 8 (contract.md)."""

    symbol: str
    name: str
    decimals: int


# Explorers beyond the six the document names: NXPY-C56.
_CHAINS: Final = (
    ("arbitrum", "Arbitrum One", "Arbiscan"),
    ("polygon", "Polygon", "PolygonScan"),
    ("celo", "Celo Mainnet", "Celo Explorer"),
    ("base", "Base", "BaseScan"),
    ("optimism", "Optimism", "Optimism Explorer"),
    ("ethereum", "Ethereum Mainnet", "Etherscan"),
    ("bnb", "BNB Smart Chain", "BscScan"),
    ("avalanche", "Avalanche C-Chain", "SnowTrace"),
    ("fantom", "Fantom Opera", "FTMScan"),
    ("gnosis", "Gnosis Chain", "GnosisScan"),
    ("scroll", "Scroll", "ScrollScan"),
    ("moonbeam", "Moonbeam", "Moonscan"),
    ("fuse", "Fuse Network", "Fuse Explorer"),
    ("aurora", "Aurora", "Aurora Explorer"),
    ("lisk", "Lisk", "Lisk Explorer"),
    ("somnia", "Somnia", "Somnia Explorer"),
)
CHAINS: Final[dict[str, Chain]] = {row[0]: Chain(*row) for row in _CHAINS}
_TOKENS: Final = (
    ("USDC", "USD Coin", 6),
    ("USDT", "Tether USD", 6),
    ("BTC", "Bitcoin", 8),
    ("ETH", "Ethereum", 18),
    ("WETH", "Wrapped Ethereum", 18),
    ("WBTC", "Wrapped Bitcoin", 8),
    ("DAI", "Dai Stablecoin", 18),
    ("CELO", "Celo", 18),
)
TOKENS: Final[dict[str, Token]] = {row[0]: Token(*row) for row in _TOKENS}

DEFAULT_CHAIN: Final = "arbitrum"
# Of transfers, deposits and withdrawals (NXPY-C14, C21, C31).
DEFAULT_TOKEN: Final = "USDC"  # noqa: S105  # a currency
# What pay-with-crypto takes: a closed list (NXPY-C44).
SPENDABLE: Final = ("USDC", "USDT", "BTC", "ETH")


def everywhere_but_celo(chain: str, token: str) -> bool:
    """The sandbox's pairs: every token on every chain, CELO on its own only (contract.md)."""
    return token != "CELO" or chain == "celo"  # noqa: S105
