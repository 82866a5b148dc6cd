"""The pure rules of wallet fundings: risk, moves, references, limits."""

import random
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.funding import (
    COUNTED,
    LARGE,
    MOVES,
    Funding,
    IllegalMove,
    RiskLevel,
    Signal,
    State,
    day_start,
    in_range,
    is_reference,
    new_reference,
    risk_level,
    signals,
)
from domain.ledger import AccountKey
from domain.money import units_of

NOON_US = 1_706_400_000_000_000
RISKY = [Signal.OTHER_EMAIL, Signal.LARGE_AMOUNT, Signal.FAILED_CODES, Signal.LOCKOUT]


def funding(**fields):
    values = {
        "reference": "FUND-1706400000000-abc12345",
        "user_id": 7,
        "amount": units_of("5000"),
        "email": "a@example.com",
        "created_us": NOON_US,
    }
    return Funding(**(values | fields))


@pytest.mark.parametrize(
    ("amount", "other", "failed", "lockouts", "found", "level"),
    [
        ("5000", False, 0, 0, (), RiskLevel.LOW),
        ("999999.99", False, 2, 0, (), RiskLevel.LOW),
        ("5000", True, 0, 0, (Signal.OTHER_EMAIL,), RiskLevel.MEDIUM),
        ("1000000", False, 0, 0, (Signal.LARGE_AMOUNT,), RiskLevel.MEDIUM),
        ("5000", False, 3, 0, (Signal.FAILED_CODES,), RiskLevel.MEDIUM),
        ("5000", False, 0, 1, (Signal.LOCKOUT,), RiskLevel.HIGH),
        ("1000000", True, 0, 0, (Signal.OTHER_EMAIL, Signal.LARGE_AMOUNT), RiskLevel.HIGH),
        ("5000", True, 9, 0, (Signal.OTHER_EMAIL, Signal.FAILED_CODES), RiskLevel.HIGH),
        ("5000000", True, 16, 4, tuple(RISKY), RiskLevel.HIGH),
    ],
)
def test_risk_follows_from_the_signals(amount, other, failed, lockouts, found, level) -> None:
    """WOTP-C04."""
    assert signals(units_of(amount), other, failed, lockouts) == found
    assert risk_level(found) is level


def test_a_doubtful_collection_is_no_fraud_signal() -> None:
    assert risk_level([Signal.UNCERTAIN]) is RiskLevel.LOW
    assert risk_level([Signal.UNCERTAIN, Signal.LARGE_AMOUNT]) is RiskLevel.MEDIUM


@given(st.lists(st.sampled_from(RISKY)), st.lists(st.sampled_from(RISKY)))
def test_a_suspicion_never_goes_away(first, second) -> None:
    order = list(RiskLevel)
    before = funding(signals=tuple(dict.fromkeys(first)))
    after = before.suspected(second, always_review=False)
    assert set(after.signals) == {*first, *second}
    assert order.index(after.risk) >= order.index(before.risk)
    assert after.review >= (after.risk is RiskLevel.HIGH)
    again = after.suspected(second, always_review=False)
    assert again is after, "judging anew without news writes nothing"


def test_a_source_that_needs_an_operator_always_asks_for_a_review() -> None:
    assert funding().suspected((), always_review=True).review
    assert not funding().suspected((), always_review=False).review


@pytest.mark.parametrize("before", State)
@pytest.mark.parametrize("after", State)
def test_only_moves_of_the_table_are_made(before: State, after: State) -> None:
    start = funding(state=before, version=3)
    if after in MOVES.get(before, ()):
        moved = start.moved(after)
        assert (moved.state, moved.version) == (after, 4)
    else:
        with pytest.raises(IllegalMove):
            start.moved(after)


def test_what_has_ended_does_not_move() -> None:
    ends = {State.COMPLETED, State.FAILED, State.REJECTED, State.VOID}
    assert set(State) - MOVES.keys() == ends
    assert not COUNTED & {State.PENDING, State.FAILED, State.REJECTED, State.VOID}


def test_a_credit_goes_from_clearing_to_the_wallet() -> None:
    """WOTP-C01."""
    posting = funding().posting()
    assert posting.source == AccountKey(0, "NGN", "FUNDING_CLEARING")
    assert posting.destination == AccountKey(7, "NGN")
    assert posting.amount == units_of("5000")


def test_a_transaction_has_its_id_from_its_proof_on() -> None:
    """WOTP-C21."""
    assert funding().transaction_id == ""
    assert funding(transaction_ms=1_705_948_200_123).transaction_id == "TXN-1705948200123"


def test_references_are_of_the_documented_shape_and_uniform(rng: random.Random) -> None:
    """WOTP-C21: every letter and digit comes up about as often."""
    made = [new_reference(NOON_US + 999, rng.randbytes) for _ in range(2_000)]
    assert all(re.fullmatch(r"FUND-1706400000000-[a-z0-9]{8}", one) for one in made)
    assert all(is_reference(one) for one in made)
    letters = "".join(one[-8:] for one in made)
    counts = {letter: letters.count(letter) for letter in set(letters)}
    assert len(counts) == 36
    assert min(counts.values()) / (len(letters) / 36) > 0.7
    assert max(counts.values()) / (len(letters) / 36) < 1.3


@pytest.mark.parametrize(
    "text",
    ["", "FUND-1-abc12345", "FUND-1705948200123-ABC12345", "TXN-1705948200123",
     "FUND-1705948200123-abc12345\n", "FUND-١٧٠٥٩٤٨٢٠٠١٢٣-abc12345"],
)  # fmt: skip
def test_other_texts_are_no_references(text: str) -> None:
    assert not is_reference(text)


@pytest.mark.parametrize(
    ("amount", "allowed"),
    [("99.99", False), ("100", True), ("5000000", True), ("5000000.01", False), ("0", False)],
)
def test_the_range_includes_its_ends(amount: str, allowed: bool) -> None:
    """WOTP-026."""
    assert in_range(units_of(amount)) is allowed
    assert not in_range(-units_of("5000"))


def test_the_day_starts_at_midnight_utc() -> None:
    day = 86_400_000_000
    assert day_start(NOON_US) == NOON_US // day * day
    assert day_start(day_start(NOON_US)) == day_start(NOON_US)
    assert day_start(day_start(NOON_US) - 1) == day_start(NOON_US) - day


def test_large_is_within_the_range() -> None:
    assert in_range(LARGE)
