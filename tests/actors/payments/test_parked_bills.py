"""A bill that was parked for review is still decided by its provider's own word. Pure."""

import msgspec
import pytest

from actors.payment_evidence import Book, End, Review, Settle, Source, weigh
from actors.rails import Cause, Outcome, Paid, Refused
from domain.ledger import AccountKey
from domain.payments import Kind, Move, Payment, State, after

BILL = Payment(
    id=7,
    ref="7",
    kind=Kind.TOKEN_BILL,
    state=State.UNDER_REVIEW,
    account=AccountKey(owner=5, asset="USDC", chain="arbitrum"),
    user_id=5,
    asset="USDC",
    amount=750_000_000,
    local_asset="KES",
    local_amount=100_000_000_000,
    created_us=1,
    due_us=1,
    held=750_000_000,
)
PAID = Paid(receipt="UKLJA5I6YM", amount_units=100_000_000_000, phone=None)
REFUSED = Refused(cause=Cause.FLOAT_SHORT, message="no float", code="1")


@pytest.mark.parametrize(("outcome", "verdict"), [(PAID, Settle), (REFUSED, End)])
def test_a_late_callback_settles_or_ends_a_parked_bill(outcome: Outcome, verdict: type) -> None:
    found = weigh(BILL, outcome, Source.CALLBACK, None)
    assert isinstance(found, verdict)
    assert not isinstance(found, Book | Review)


def test_a_bill_an_operator_rejected_takes_late_cash_to_suspense() -> None:
    """X-C15: the hold is gone by then."""
    rejected = msgspec.structs.replace(BILL, state=State.FAILED)
    assert isinstance(weigh(rejected, PAID, Source.CALLBACK, None), Book)


def test_only_a_bill_of_unknown_outcome_is_parked() -> None:
    for kind in Kind:
        for state in State:
            parked = after(kind, state, Move.PARK) is not None
            assert parked == (kind is Kind.TOKEN_BILL and state is State.UNKNOWN)
