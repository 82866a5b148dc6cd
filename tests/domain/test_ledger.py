"""What a journal may contain, and why it is refused, first reason first."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.ledger import (
    AccountKey,
    Hold,
    Intent,
    Line,
    Posting,
    Recorded,
    Refusal,
    SystemPurpose,
    decide,
    may_overdraw,
    receipt_code,
    receipt_number,
    system,
    wallet,
)

ANN, BEN, COY = wallet(1, "USD"), wallet(2, "USD"), wallet(3, "USD")
FLOAT = system("USD", SystemPurpose.FX_POSITION)


@dataclass(frozen=True)
class View:
    """An account as a decision sees it."""

    available: int
    frozen: bool = False
    overdraft: bool = False


def _transfer(amount: int, *, strict: bool = False) -> Intent:
    return Intent(kind="TRANSFER", postings=(Posting(ANN, BEN, amount),), strict_credit=strict)


def _hold(amount: int) -> Intent:
    return Intent(kind="HOLD", place=Hold(ANN, amount))


def _close(held: int, *posted: int) -> Intent:
    postings = tuple(Posting(ANN, BEN, amount) for amount in posted)
    return Intent(kind="CLOSE", postings=postings, close=Hold(ANN, held, 7))


@pytest.mark.parametrize(
    ("accounts", "intent", "verdict"),
    [
        # Enough, exactly enough, one unit short.
        ({ANN: View(11), BEN: View(0)}, _transfer(10), None),
        ({ANN: View(10), BEN: View(0)}, _transfer(10), None),
        ({ANN: View(9), BEN: View(0)}, _transfer(10), Refusal.INSUFFICIENT_FUNDS),
        ({ANN: View(10)}, _hold(10), None),
        ({ANN: View(9)}, _hold(10), Refusal.INSUFFICIENT_FUNDS),
        # A destination need not exist yet (CASH-C16); a source must.
        ({ANN: View(10)}, _transfer(10), None),
        ({BEN: View(10)}, _transfer(10), Refusal.ACCOUNT_NOT_FOUND),
        ({}, _hold(10), Refusal.ACCOUNT_NOT_FOUND),
        ({}, _close(10), Refusal.ACCOUNT_NOT_FOUND),
        # Frozen accounts pay nothing and hold nothing.
        ({ANN: View(10, frozen=True)}, _transfer(10), Refusal.ACCOUNT_LOCKED),
        ({ANN: View(10, frozen=True)}, _hold(10), Refusal.ACCOUNT_LOCKED),
        # They receive, unless the intent is strict about it.
        ({ANN: View(10), BEN: View(0, frozen=True)}, _transfer(10), None),
        (
            {ANN: View(10), BEN: View(0, frozen=True)},
            _transfer(10, strict=True),
            Refusal.ACCOUNT_LOCKED,
        ),
        ({ANN: View(10)}, _transfer(10, strict=True), None),
        # What was held before is posted and released whatever happened since.
        ({ANN: View(0), BEN: View(0)}, _close(10, 10), None),
        ({ANN: View(0), BEN: View(0)}, _close(10, 6, 4), None),
        ({ANN: View(0), BEN: View(0)}, _close(10, 3), None),
        ({ANN: View(0)}, _close(10), None),
        ({ANN: View(0, frozen=True), BEN: View(0)}, _close(10, 10), None),
        ({ANN: View(0, frozen=True)}, _close(10), None),
        # More than was held needs the rest.
        ({ANN: View(0), BEN: View(0)}, _close(10, 11), Refusal.INSUFFICIENT_FUNDS),
        ({ANN: View(1), BEN: View(0)}, _close(10, 11), None),
        # Precedence: not found, then locked, then funds.
        ({BEN: View(0, frozen=True)}, _transfer(10, strict=True), Refusal.ACCOUNT_NOT_FOUND),
        ({ANN: View(0, frozen=True)}, _transfer(10), Refusal.ACCOUNT_LOCKED),
        (
            {ANN: View(0), BEN: View(0, frozen=True)},
            _transfer(10, strict=True),
            Refusal.ACCOUNT_LOCKED,
        ),
    ],
)
def test_an_intent_is_refused_for_the_first_reason(
    accounts: dict[AccountKey, View], intent: Intent, verdict: Refusal | None
) -> None:
    """architecture.md, "Life of a transfer": the account decides by the pure rule."""
    assert decide(accounts, intent) is verdict


def test_a_refusal_names_the_missing_account_before_anothers_lock() -> None:
    intent = Intent(kind="TRANSFER", postings=(Posting(ANN, COY, 1), Posting(BEN, COY, 1)))
    assert decide({ANN: View(0, frozen=True)}, intent) is Refusal.ACCOUNT_NOT_FOUND
    assert decide({ANN: View(0), BEN: View(5, frozen=True)}, intent) is Refusal.ACCOUNT_LOCKED


def test_debits_of_one_intent_add_up() -> None:
    intent = Intent(
        kind="TRANSFER",
        postings=(Posting(ANN, BEN, 6), Posting(ANN, COY, 4)),
        place=Hold(ANN, 5),
    )
    assert decide({ANN: View(15), BEN: View(0), COY: View(0)}, intent) is None
    short = {ANN: View(14), BEN: View(0), COY: View(0)}
    assert decide(short, intent) is Refusal.INSUFFICIENT_FUNDS


def test_credits_of_an_intent_do_not_fund_its_debits() -> None:
    intent = Intent(kind="SWAP", postings=(Posting(ANN, BEN, 10), Posting(BEN, COY, 10)))
    accounts = {ANN: View(10), BEN: View(0), COY: View(0)}
    assert decide(accounts, intent) is Refusal.INSUFFICIENT_FUNDS


def test_only_the_platform_may_be_overdrawn() -> None:
    """X-C10."""
    assert may_overdraw(FLOAT)
    assert not may_overdraw(ANN)
    intent = Intent(kind="FUNDING", postings=(Posting(FLOAT, ANN, 10**23),))
    assert decide({FLOAT: View(0, overdraft=True), ANN: View(0)}, intent) is None


@given(
    st.integers(min_value=0, max_value=1000),
    st.integers(min_value=1, max_value=1000),
    st.lists(st.integers(min_value=1, max_value=400), max_size=4),
    st.integers(min_value=0, max_value=400),
)
def test_funds_suffice_exactly_when_nothing_goes_below_zero(
    available: int, held: int, posted: list[int], placed: int
) -> None:
    postings = tuple(Posting(ANN, BEN, amount) for amount in posted)
    intent = Intent(
        kind="ANY",
        postings=postings,
        close=Hold(ANN, held, 1),
        place=Hold(ANN, placed) if placed else None,
    )
    verdict = decide({ANN: View(available), BEN: View(0)}, intent)
    left = available + held - sum(posted) - placed
    assert (verdict is None) == (left >= 0)


@pytest.mark.parametrize("amount", [0, -1, -(10**23)])
def test_a_posting_moves_a_positive_amount(amount: int) -> None:
    with pytest.raises(ValueError, match="positive"):
        Posting(ANN, BEN, amount)


def test_a_posting_stays_within_one_currency() -> None:
    with pytest.raises(ValueError, match="one asset"):
        Posting(ANN, wallet(2, "KES"), 1)


def test_only_what_says_not_now_may_be_tried_again() -> None:
    again = {refusal for refusal in Refusal if refusal.retry}
    assert again == {Refusal.IN_PROGRESS, Refusal.OVERLOADED, Refusal.UNAVAILABLE}


def test_a_line_of_a_journal_is_found_by_its_account() -> None:
    line = Line(ANN, "ACC-USD-1", 5, 3)
    recorded = Recorded(1, 100_001, 0, (line,))
    assert recorded.line(ANN) is line
    assert recorded.line(BEN) is None


@pytest.mark.parametrize(
    ("receipt", "code"), [(1, "RCP-000001"), (100_001, "RCP-100001"), (1_234_567, "RCP-1234567")]
)
def test_a_receipt_code_has_six_digits_or_more(receipt: int, code: str) -> None:
    """CASH-C46."""
    assert receipt_code(receipt) == code
    assert receipt_number(code) == receipt


@pytest.mark.parametrize(
    "code", ["", "RCP-", "RCP-12x", "RCP--1", "RCP-1.0", "100001", "rcp-100001", "RCP-²", "RCP-٣"]
)
def test_what_is_no_receipt_code_has_no_number(code: str) -> None:
    assert receipt_number(code) is None


def test_a_receipt_code_beyond_any_number_is_none() -> None:
    assert receipt_number("RCP-" + "9" * 18) == 10**18 - 1
    assert receipt_number("RCP-" + "9" * 19) is None
