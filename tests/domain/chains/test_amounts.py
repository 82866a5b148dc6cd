"""Raw token units and ledger units: nothing is lost, nothing is made (contract.md, "Money")."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.chains.amounts import credited, raw_of
from domain.chains.tokens import Token, sandbox_pairs, token_of
from domain.money import ASSETS, UNIT_DECIMALS

PAIRS = [("bnb", "USDC"), ("polygon", "USDC"), ("arbitrum", "ETH"), ("base", "WBTC"),
         ("bitcoin", "BTC"), ("tron", "TRX")]  # fmt: skip


@pytest.mark.parametrize(
    ("token", "raw", "expected"),
    [
        (token_of("polygon", "USDC", ""), 1, (100, 0)),
        (token_of("bnb", "USDC", ""), 10**18 + 1, (10**8, 1)),
        (token_of("bnb", "USDC", ""), 10**12 - 1, (0, 10**12 - 1)),
        (token_of("arbitrum", "ETH", ""), 10**10, (1, 0)),
        (token_of("arbitrum", "ETH", ""), 10**10 - 1, (0, 10**10 - 1)),
        (token_of("bitcoin", "BTC", ""), 7, (7, 0)),
        (token_of("tron", "TRX", ""), 195_170_000, (19_517_000_000, 0)),
    ],
)
def test_a_raw_amount_is_credited_down_to_the_assets_decimals(
    token: Token, raw: int, expected: tuple[int, int]
) -> None:
    assert credited(raw, token) == expected


@given(st.sampled_from(PAIRS), st.lists(st.integers(1, 10**36), min_size=1, max_size=20))
def test_carrying_the_dust_loses_nothing(pair: tuple[str, str], deposits: list[int]) -> None:
    token = token_of(*pair, "")
    total, dust = 0, 0
    for raw in deposits:
        units, dust = credited(raw + dust, token)
        total += units
        assert units % ASSETS[token.symbol].step == 0
    raw_total = raw_of(total, token)
    assert raw_total is not None
    assert raw_total + dust == sum(deposits)
    shown = min(token.decimals, ASSETS[token.symbol].decimals)
    assert dust < 10 ** (token.decimals - shown) if token.decimals > shown else dust == 0


@given(st.sampled_from(PAIRS), st.integers(1, 10**23))
def test_what_can_be_paid_is_paid_exactly(pair: tuple[str, str], units: int) -> None:
    token = token_of(*pair, "")
    raw = raw_of(units, token)
    if raw is None:
        assert units % 10 ** (UNIT_DECIMALS - token.decimals)
    else:
        assert raw * 10**UNIT_DECIMALS == units * 10**token.decimals


def test_sandbox_chains_carry_every_token_but_celo_only_where_it_lives() -> None:
    pairs = set(sandbox_pairs())
    assert ("arbitrum", "CELO") not in pairs
    assert {("arbitrum", s) for s in ("USDC", "USDT", "BTC", "WBTC", "WETH", "DAI")} <= pairs
    assert ("polygon", "ETH") in pairs
    assert ("tron", "USDT") in pairs
