"""Which token is which contract on which chain.

Addresses are configuration: what is known ships here, the operator may add to it, the sandbox
brings its own contracts. A pair that is not in the table is refused, never guessed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from domain.chains.addresses import canonical
from domain.chains.table import CHAINS, EVM_CHAINS

_DECIMALS: Final = {
    "USDC": 6,
    "USDT": 6,
    "BTC": 8,
    "WBTC": 8,
    "ETH": 18,
    "WETH": 18,
    "DAI": 18,
    "CELO": 18,
    "TRX": 6,
}
_OTHER_DECIMALS: Final = {("bnb", "USDC"): 18, ("bnb", "USDT"): 18}
EVM_TOKENS: Final = ("USDC", "USDT", "BTC", "WBTC", "ETH", "WETH", "DAI", "CELO")


@dataclass(frozen=True, slots=True)
class Token:
    """One token on one chain. `contract` is its canonical address, "" for the chain's own coin;
    `decimals` are the contract's, which may be more than the ledger keeps."""

    chain: str
    symbol: str
    contract: str
    decimals: int

    @property
    def is_native(self) -> bool:
        return not self.contract


TokenTable = Mapping[tuple[str, str], Token]


def token_of(chain: str, symbol: str, contract: str) -> Token:
    """With the decimals this symbol has on this chain. Raises ValueError for no address."""
    decimals = _OTHER_DECIMALS.get((chain, symbol), _DECIMALS[symbol])
    spelled = canonical(chain, contract) if contract else ""
    if spelled is None:
        raise ValueError(f"{contract!r} is no address on {chain}")
    return Token(chain, symbol, spelled, decimals)


def table_of(contracts: Mapping[tuple[str, str], str]) -> dict[tuple[str, str], Token]:
    """Every chain's own coin, and the contracts given as {(chain, symbol): address}."""
    natives = {(chain.key, chain.native): "" for chain in CHAINS.values() if chain.native}
    return {pair: token_of(*pair, address) for pair, address in {**contracts, **natives}.items()}


def sandbox_pairs() -> list[tuple[str, str]]:
    """What sandbox chains carry: every token on every EVM chain, but CELO only on celo
    (contract.md, "NexusPay"), and USDT on TRON. Own coins are not among them."""
    pairs = [
        (chain.key, symbol)
        for chain in EVM_CHAINS.values()
        for symbol in EVM_TOKENS
        if symbol not in ("CELO", chain.native)
    ]
    return [*pairs, ("tron", "USDT")]


_KNOWN: Final = """
arbitrum USDC 0xaf88d065e77c8cC2239327C5EDb3A432268e5831
arbitrum USDT 0xFd086bC7CD5C481DCC9C85ebE478A1C0b69FCbb9
arbitrum DAI 0xDA10009cBd5D07dd0CeCc66161FC93D7c9000da1
polygon USDC 0x3c499c542cEF5E3811e1192ce70d8cC03d5c3359
polygon USDT 0xc2132D05D31c914a87C6611C10748AEb04B58e8F
polygon DAI 0x8f3Cf7ad23Cd3CaDbD9735AFf958023239c6A063
celo USDC 0xcebA9300f2b948710d2653dD7B07f33A8B32118C
celo USDT 0x48065fbBE25f71C9282ddf5e1cD6D6A887483D5e
celo DAI 0x90Ca507a5D4458a4C6C6249d186b6dCb02a5BCCd
base USDC 0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913
base USDT 0xfde4C96c8593536E31F229EA8f37b2ADa2699bb2
base DAI 0x50c5725949A6F0c72E6C4a641F24049A917DB0Cb
optimism USDC 0x0b2C639c533813f4Aa9D7837CAf62653d097Ff85
optimism USDT 0x94b008aA00579c1307B0EF2c499aD98a8ce58e58
optimism DAI 0xDA10009cBd5D07dd0CeCc66161FC93D7c9000da1
ethereum USDC 0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48
ethereum USDT 0xdAC17F958D2ee523a2206206994597C13D831ec7
ethereum DAI 0x6B175474E89094C44Da98b954EedeAC495271d0F
bnb USDC 0x8AC76a51cc950d9822D68b83fE1Ad97B32Cd580d
bnb USDT 0x55d398326f99059fF775485246999027B3197955
bnb DAI 0x1AF3F329e8BE154074D8769D1FFa4eE058B1DBc3
avalanche USDC 0xB97EF9Ef8734C71904D8002F8b6Bc66Dd9c48a6E
avalanche USDT 0x9702230A8Ea53601f5cD2dc00fDBc13d4dF4A8c7
avalanche DAI 0xd586E7F844cEa2F87f50152665BCbc2C279D8d70
fantom USDC 0x28a92dde19D9989F39A49905d7C9C2FAc7799bDf
fantom USDT 0xcc1b99dDAc1a33c201a742A1851662E87BC7f22C
gnosis USDC 0xDDAfbb505ad214D7b80b1f830fcCc89B60fb7A83
gnosis USDT 0x4ECaBa5870353805a9F068101A40E0f32ed605C6
scroll USDC 0x06eFdBFf2a14a7c8E15944D1F4A48F9F95F663A4
scroll USDT 0xf55BEC9cafDbE8730f096Aa55dad6D22d44099Df
scroll DAI 0xcA77eB3fEFe3725Dc33bccB54eDEFc3D9f764f97
moonbeam USDC 0x818ec0A7Fe18Ff94269904fCED6AE3DaE6d6dC0b
moonbeam USDT 0xeFAeeE334F0Fd1712f9a8cc375f427D9Cdd40d73
moonbeam DAI 0x765277EebeCA2e31912C9946eAe1021199B39C61
fuse USDC 0x620fd5fa44BE6af63715Ef4E65DDFA0387aD13F5
fuse USDT 0xFaDbBF8Ce7D5b7041bE672561bbA99f79c532e10
fuse DAI 0x94Ba7A27c7A95863d1bdC7645AC2951E0cca06bA
aurora USDC 0x368EBb46ACa6b8D0787C96B2b20bD3CC3F2c45F7
aurora USDT 0x4988a896b1227218e4A686fdE5EabdcAbd91571f
lisk USDC 0xF242275d3a6527d877f2c927a82D9b057609cc71
lisk USDT 0x05D032ac25d322df992303dCa074EE7392C117b9
somnia USDC 0x28BEc7E30E6faee657a03e19Bf1128AaD7632A00
tron USDT TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t
"""


def known_contracts() -> dict[tuple[str, str], str]:
    """What is known of the live chains; bridged coins stand in where there is no native one."""
    rows = (line.split() for line in _KNOWN.strip().splitlines())
    return {(chain, symbol): address for chain, symbol, address in rows}
