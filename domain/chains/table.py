"""The chains daftari pays on, and what is fixed about each (NexusPay's sixteen, TRON, Bitcoin)."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Family(StrEnum):
    """What a chain speaks. Addresses and keys are shared within a family."""

    EVM = "evm"
    TRON = "tron"
    BITCOIN = "bitcoin"


@dataclass(frozen=True, slots=True)
class Chain:
    """`confirmations` is how many blocks, the one a transfer is in included, make it final for
    us; `native` the token of ours that is the chain's own coin, "" where that is none of ours."""

    key: str
    family: Family
    chain_id: int
    gas_symbol: str
    explorer: str
    confirmations: int
    native: str = ""

    def explorer_url(self, tx_hash: str) -> str:
        """Where a person can look a transaction up."""
        path = "#/transaction" if self.family is Family.TRON else "tx"
        return f"https://{self.explorer}/{path}/{tx_hash}"


_EVM: Final = (
    ("arbitrum", 42161, "ETH", "arbiscan.io", 3, "ETH"),
    ("polygon", 137, "POL", "polygonscan.com", 5, ""),
    ("celo", 42220, "CELO", "celoscan.io", 3, "CELO"),
    ("base", 8453, "ETH", "basescan.org", 3, "ETH"),
    ("optimism", 10, "ETH", "optimistic.etherscan.io", 3, "ETH"),
    ("ethereum", 1, "ETH", "etherscan.io", 6, "ETH"),
    ("bnb", 56, "BNB", "bscscan.com", 5, ""),
    ("avalanche", 43114, "AVAX", "snowtrace.io", 2, ""),
    ("fantom", 250, "FTM", "ftmscan.com", 2, ""),
    ("gnosis", 100, "xDAI", "gnosisscan.io", 5, "DAI"),
    ("scroll", 534352, "ETH", "scrollscan.com", 3, "ETH"),
    ("moonbeam", 1284, "GLMR", "moonscan.io", 5, ""),
    ("fuse", 122, "FUSE", "explorer.fuse.io", 5, ""),
    ("aurora", 1313161554, "ETH", "explorer.mainnet.aurora.dev", 3, "ETH"),
    ("lisk", 1135, "ETH", "blockscout.lisk.com", 3, "ETH"),
    ("somnia", 5031, "SOMI", "explorer.somnia.network", 3, ""),
)
TRON: Final = Chain("tron", Family.TRON, 0x2B6653DC, "TRX", "tronscan.org", 1, "TRX")
BITCOIN: Final = Chain("bitcoin", Family.BITCOIN, 0, "BTC", "mempool.space", 2, "BTC")
EVM_CHAINS: Final = {
    key: Chain(key, Family.EVM, chain_id, gas, explorer, confirmations, native)
    for key, chain_id, gas, explorer, confirmations, native in _EVM
}
CHAINS: Final[dict[str, Chain]] = {**EVM_CHAINS, TRON.key: TRON, BITCOIN.key: BITCOIN}

# What the cashier pays a currency's withdrawals on, and calls it (CASH-C58).
CASHIER_CHAINS: Final = {
    "BTC": ("BITCOIN", "bitcoin"),
    "TRX": ("TRON", "tron"),
    "USDT": ("TRC20", "tron"),
    "USDC": ("POLYGON", "polygon"),
}
_KEYS: Final = dict(CASHIER_CHAINS.values())


def chain_key(name: str) -> str:
    """The chain that a surface calls `name`: the cashier has names of its own."""
    return _KEYS.get(name, name)
