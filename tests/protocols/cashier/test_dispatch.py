"""The vocabulary and the handlers name the same messages."""

from protocols.cashier.codec import REQUESTS
from protocols.cashier.dispatch import HANDLERS


def test_every_message_has_a_handler_and_every_handler_a_message() -> None:
    """CASH-014: the 21 documented types and `fulfill_withdrawal`."""
    assert HANDLERS.keys() == REQUESTS.keys()
    assert len(HANDLERS) == 22
