"""Raw units of a token on its chain, and units of 10⁻⁸ in the ledger, without losing any.

Raw amounts are what contracts count: 10⁻¹⁸ of an ether, 10⁻⁶ of a USDC, satoshis.
"""

from domain.chains.tokens import Token
from domain.money import ASSETS, UNIT_DECIMALS


def credited(raw: int, token: Token) -> tuple[int, int]:
    """Units that can be credited for `raw`, and the raw dust that is left (contract.md, "Money").

    Rounded down to the decimals the ledger shows of the asset; the dust stays in the custody
    record until, with what comes later, it adds up.
    """
    shown = ASSETS[token.symbol].decimals
    if token.decimals <= shown:
        return raw * 10 ** (UNIT_DECIMALS - token.decimals), 0
    whole, dust = divmod(raw, 10 ** (token.decimals - shown))
    return whole * 10 ** (UNIT_DECIMALS - shown), dust


def raw_of(units: int, token: Token) -> int | None:
    """Exactly the raw amount of `units`; None when the token cannot express it."""
    shift = token.decimals - UNIT_DECIMALS
    if shift >= 0:
        return int(units * 10**shift)
    raw, rest = divmod(units, 10**-shift)
    return None if rest else raw
