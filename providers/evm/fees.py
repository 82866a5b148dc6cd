"""What a payment should offer for its gas, of what a node says."""

from collections.abc import Sequence
from typing import Any, Final

from actors.chain_rail import ChainUnavailable
from providers.evm.client import Call, RpcError
from providers.evm.wire import FeeHistory, number

FEES: Final[Sequence[Call]] = (
    ("eth_feeHistory", ["0x5", "latest", [50]], FeeHistory),
    ("eth_maxPriorityFeePerGas", [], str),
    ("eth_gasPrice", [], str),
)
_LEAST_TIP: Final = 1_000_000  # wei: some chains report none and still want a little


def priced(answers: Sequence[Any]) -> tuple[int, int]:
    """Maximum fee and tip per gas in wei, of the answers to FEES: the base fee may double before
    the payment fails to keep up, and what is not needed is not charged.

    A node without a history of fees is asked for its gas price; one that suggests a tip above
    those paid lately is believed, since some chains refuse less. Raises ChainUnavailable.
    """
    history, suggested, price = answers
    least = _LEAST_TIP if isinstance(suggested, RpcError) else max(number(suggested), _LEAST_TIP)
    if isinstance(history, RpcError) or not history.base_fee_per_gas:
        if isinstance(price, RpcError):
            raise ChainUnavailable(str(price))
        tip = max(number(price), least)
        return 2 * tip, tip
    tips = sorted(number(reward[0]) for reward in history.reward or [] if reward)
    tip = max(tips[len(tips) // 2] if tips else 0, least)
    return 2 * number(history.base_fee_per_gas[-1]) + tip, tip
