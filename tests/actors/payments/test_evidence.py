"""What each piece of evidence means for a payment, as a table (X-C15)."""

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from actors.payment_evidence import (
    Ask,
    Book,
    End,
    Learn,
    Nothing,
    Resend,
    Review,
    Settle,
    Source,
    belongs,
    weigh,
)
from actors.rails import (
    Cause,
    NotFound,
    Paid,
    Pending,
    PushResult,
    Refused,
    StatusResult,
    TransferResult,
    Unknown,
)
from domain.money import units_of
from domain.payments import Kind, Move, Payment, State
from tests.domain.test_payments import payment

DEPOSIT = payment(phone="254712345890")
PAYOUT = payment(
    Kind.PARTNER_WITHDRAWAL,
    id=2,
    ref="WTH-KES-20240127-001",
    phone="254712345678",
    local_amount=units_of("666.65"),
)
NO = Refused(cause=Cause.CANCELLED, code="1032", message="cancelled")
SHORT = Refused(cause=Cause.FLOAT_SHORT, code="1", message="float")


def paid(receipt: str | None = "R1", kes: str | None = "1000", phone: str | None = None) -> Paid:
    return Paid(
        receipt=receipt, amount_units=units_of(kes) if kes is not None else None, phone=phone
    )


def change(base: Payment, **changes: Any) -> Payment:
    changed: Payment = msgspec.structs.replace(base, **changes)
    return changed


ENDED = [State.FAILED, State.CANCELLED, State.EXPIRED]


@pytest.mark.parametrize("state", [State.SENDING, State.PENDING, State.UNKNOWN])
def test_cash_as_recorded_settles_whatever_was_in_doubt(state: State) -> None:
    open_one = change(DEPOSIT, state=state)
    for evidence in (paid(), paid(None, None), paid(phone="254712345890"), paid(kes=None)):
        verdict = weigh(open_one, evidence, Source.CALLBACK, None)
        assert verdict == Settle(evidence.receipt or "")
    out = change(PAYOUT, state=state)
    assert weigh(out, paid(kes="666"), Source.STATUS, None) == Settle("R1")


@pytest.mark.parametrize(
    ("evidence", "owner", "cash", "reason"),
    [
        (paid(kes="900"), None, "900", "paid 900 of 1000"),
        (paid(kes="1001"), None, "1001", "paid 1001 of 1000"),
        (paid(phone="254799999999"), None, "1000", "paid by another phone"),
        (paid(), 77, "0", "receipt R1 was used before"),
    ],
)
def test_cash_that_is_not_as_recorded_is_a_persons_to_decide(
    evidence: Paid, owner: int | None, cash: str, reason: str
) -> None:
    """contract.md, "Money": under_review, not credited, alert; a used receipt is no new cash."""
    verdict = weigh(DEPOSIT, evidence, Source.CALLBACK, owner)
    receipt = "" if owner is not None else "R1"
    assert verdict == Review(receipt, units_of(cash), reason)


@pytest.mark.parametrize("phone", ["2547****890", "", "0712345890", None, "254712345890"])
def test_a_masked_phone_proves_nothing_against_the_payer(phone: str | None) -> None:
    assert weigh(DEPOSIT, paid(phone=phone), Source.CALLBACK, None) == Settle("R1")


@pytest.mark.parametrize("state", ENDED)
@pytest.mark.parametrize(("base", "kes"), [(DEPOSIT, "1000"), (PAYOUT, "666")])
def test_cash_after_the_end_goes_to_suspense_with_an_alert(
    state: State, base: Payment, kes: str
) -> None:
    """CASH-C40, FC-12.7, FC-17.4."""
    ended = change(base, state=state)
    verdict = weigh(ended, paid(kes=kes), Source.CALLBACK, None)
    assert isinstance(verdict, Book)
    assert (verdict.receipt, verdict.amount) == ("R1", units_of(kes))
    assert verdict.alert.kind == "suspense"
    # Found out by a question, which names no receipt: booked all the same.
    verdict = weigh(ended, paid(None, None), Source.QUERY, None)
    assert isinstance(verdict, Book)
    assert (verdict.receipt, verdict.amount) == ("", units_of(kes))


@pytest.mark.parametrize("state", list(State))
@pytest.mark.parametrize("base", [DEPOSIT, PAYOUT])
def test_a_receipt_that_is_in_the_books_is_a_duplicate_in_every_state(
    state: State, base: Payment
) -> None:
    booked = change(base, state=state, cash=units_of("1000"), provider_receipt="R1")
    assert weigh(booked, paid(), Source.CALLBACK, base.id) == Nothing("duplicate")
    assert weigh(booked, paid(None, None), Source.QUERY, None) == Nothing("duplicate")


def test_the_receipt_of_cash_booked_without_one_is_learned_and_compared() -> None:
    booked = change(DEPOSIT, state=State.COMPLETED, cash=units_of("1000"), unreceipted=True)
    assert weigh(booked, paid(), Source.CALLBACK, None) == Learn("R1")
    verdict = weigh(booked, paid(kes="900"), Source.CALLBACK, None)
    assert isinstance(verdict, Learn)
    assert verdict.alert is not None
    assert verdict.alert.kind == "amount_differs"


def test_another_amount_under_its_reference_is_not_the_cash_booked_without_a_receipt() -> None:
    """X-C15: the payer typed the reference again. A prompt is not paid in part."""
    booked = change(DEPOSIT, state=State.COMPLETED, cash=units_of("1000"), unreceipted=True)
    typed = replace(paid("R2", "500"), unasked=True)
    verdict = weigh(booked, typed, Source.CALLBACK, None)
    assert isinstance(verdict, Book)
    assert (verdict.receipt, verdict.amount) == ("R2", units_of("500"))
    assert weigh(booked, replace(paid(), unasked=True), Source.CALLBACK, None) == Learn("R1")


@pytest.mark.parametrize(("base", "kes"), [(DEPOSIT, "1000"), (PAYOUT, "666")])
def test_a_second_receipt_is_other_cash(base: Payment, kes: str) -> None:
    """Never dropped and never credited twice."""
    done = change(base, state=State.COMPLETED, cash=units_of(kes), provider_receipt="R1")
    verdict = weigh(done, paid("R2", kes), Source.CALLBACK, None)
    assert isinstance(verdict, Book)
    assert (verdict.receipt, verdict.amount) == ("R2", units_of(kes))
    assert verdict.alert.message == "paid twice, receipt R2"


def test_a_payout_that_is_not_as_recorded_keeps_its_hold_and_calls_a_person() -> None:
    for evidence, owner in (
        (paid(kes="600"), None),
        (paid(kes="666", phone="254799999999"), None),
        (paid(kes="666"), 77),
    ):
        verdict = weigh(PAYOUT, evidence, Source.CALLBACK, owner)
        assert isinstance(verdict, Nothing)
        assert verdict.alert is not None
        assert verdict.alert.kind == "payout_mismatch"


@pytest.mark.parametrize("base", [DEPOSIT, PAYOUT])
@pytest.mark.parametrize("source", list(Source))
def test_a_refusal_ends_what_is_open_and_nothing_else(base: Payment, source: Source) -> None:
    verdict = weigh(base, NO, source, None)
    assert isinstance(verdict, End)
    assert (verdict.move, verdict.reason, verdict.alert) == (Move.REFUSED, "cancelled", None)
    for state in (*ENDED, State.UNDER_REVIEW):
        assert weigh(change(base, state=state), NO, source, None) == Nothing("already ended")


def test_only_our_operators_hear_of_refusals_they_can_mend() -> None:
    verdict = weigh(PAYOUT, SHORT, Source.CALLBACK, None)
    assert isinstance(verdict, End)
    assert verdict.alert is not None
    assert verdict.alert.kind == "provider"


def test_a_refusal_after_the_money_moved_is_a_contradiction_unless_it_is_a_query() -> None:
    """facts: a push query is known to call paid pushes failed."""
    done = change(DEPOSIT, state=State.COMPLETED, cash=units_of("1000"))
    verdict = weigh(done, NO, Source.CALLBACK, None)
    assert isinstance(verdict, Nothing)
    assert verdict.alert is not None
    assert verdict.alert.kind == "contradiction"
    assert weigh(done, NO, Source.QUERY, None) == Nothing("already ended")


@pytest.mark.parametrize(
    "outcome", [Pending(message="p"), NotFound(message="n"), Unknown(message="u")]
)
def test_what_proves_nothing_makes_us_ask_but_an_answer_never_leads_to_a_question(
    outcome: Pending | NotFound | Unknown,
) -> None:
    """Else every answer "still processing" would be followed by the next question at once."""
    assert isinstance(weigh(PAYOUT, outcome, Source.CALLBACK, None), Ask)
    assert weigh(DEPOSIT, outcome, Source.QUERY, None) == Nothing("nothing proved")
    assert weigh(PAYOUT, outcome, Source.STATUS, None) == Nothing("nothing proved")


def test_a_payout_the_provider_does_not_know_is_sent_again_or_ends_where_it_was_refused() -> None:
    """A refused call after one in doubt, and nothing known of it: two words, so it was not paid."""
    missing = NotFound(message="no such payment")
    doubtful = change(PAYOUT, state=State.UNKNOWN)
    assert weigh(doubtful, missing, Source.STATUS, None) == Resend()
    refused = change(doubtful, refusal="recipient unregistered")
    verdict = weigh(refused, missing, Source.STATUS, None)
    assert isinstance(verdict, End)
    assert verdict.reason == "recipient unregistered"
    # Accepted before: that it is not found now proves nothing.
    accepted = change(doubtful, conversation="AG_1")
    assert weigh(accepted, missing, Source.STATUS, None) == Nothing("nothing proved")


def test_agents_payments_have_no_providers_evidence() -> None:
    waiting = change(DEPOSIT, kind=Kind.AGENT_DEPOSIT, state=State.WAITING)
    assert weigh(waiting, paid(), Source.CALLBACK, None) == Nothing("no provider's payment")


@pytest.mark.parametrize(
    ("base", "result", "ours"),
    [
        (DEPOSIT, PushResult(checkout="C1", merchant="", outcome=NO), True),
        (change(DEPOSIT, checkout="C1"), PushResult(checkout="C1", merchant="", outcome=NO), True),
        (change(DEPOSIT, checkout="C2"), PushResult(checkout="C1", merchant="", outcome=NO), False),
        (PAYOUT, PushResult(checkout="C1", merchant="", outcome=NO), False),
        (DEPOSIT, TransferResult(originator="O", conversation="A", outcome=NO), False),
        (PAYOUT, TransferResult(originator="O", conversation="A", outcome=NO), True),
        (PAYOUT, TransferResult(originator="X", conversation="A", outcome=NO), False),
        (
            change(PAYOUT, conversation="A"),
            TransferResult(originator="X", conversation="A", outcome=NO),
            True,
        ),
        (PAYOUT, TransferResult(originator="", conversation="", outcome=NO), False),
        (PAYOUT, StatusResult(originator="q", conversation="q", outcome=NO), True),
        (
            PAYOUT,
            StatusResult(originator="q", conversation="q", outcome=NO, original_originator="O"),
            True,
        ),
        (
            PAYOUT,
            StatusResult(originator="q", conversation="q", outcome=NO, original_originator="X"),
            False,
        ),
        (
            change(PAYOUT, conversation="A"),
            StatusResult(originator="q", conversation="q", outcome=NO, original_conversation="B"),
            False,
        ),
    ],
)
def test_a_callback_belongs_to_a_payment_by_its_ids(
    base: Payment, result: PushResult | TransferResult | StatusResult, ours: bool
) -> None:
    assert belongs(base, "O", result) is ours
