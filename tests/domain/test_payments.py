"""Which moves payments may make, and what their settlements post."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.ledger import AccountKey, Posting, SystemPurpose, system, wallet
from domain.money import units_of
from domain.nexuspay.treasury import fees_wallet, main_wallet
from domain.payments import (
    CHAIN_PAYOUTS,
    COLLECTIONS,
    DEPOSITS,
    HANDOVERS,
    MPESA_PAYOUTS,
    OPEN,
    PAYOUTS,
    Kind,
    Move,
    Payment,
    State,
    after,
)
from domain.settlement import (
    approved,
    as_paid_out,
    borne,
    cashed,
    charged,
    collected,
    expected_cash,
    fulfilled,
    into_suspense,
    out_of_suspense,
    paid_out,
    suspense,
    whole_down,
    whole_up,
)

CASHIER = (
    *(Kind.PARTNER_DEPOSIT, Kind.AGENT_DEPOSIT, Kind.CRYPTO_DEPOSIT),
    *(Kind.PARTNER_WITHDRAWAL, Kind.AGENT_WITHDRAWAL, Kind.CRYPTO_WITHDRAWAL),
)
EVERY = list(itertools.product(CASHIER, State, Move))
USER, AGENT = wallet(7, "USD"), wallet(9, "USD")


def payment(kind: Kind = Kind.PARTNER_DEPOSIT, **changes: object) -> Payment:
    fields = {
        "id": 1,
        "ref": "DEP-KES-20240127-001",
        "kind": kind,
        "state": State.PENDING,
        "account": USER,
        "user_id": 7,
        "asset": "USD",
        "amount": units_of("7.50"),
        "local_asset": "KES",
        "local_amount": units_of("1000"),
        "created_us": 0,
        "due_us": 0,
        **changes,
    }
    return Payment(**fields)  # type: ignore[arg-type]


def moved(postings: tuple[Posting, ...]) -> dict[AccountKey, int]:
    """Net units by account."""
    net: dict[AccountKey, int] = {}
    for posting in postings:
        net[posting.source] = net.get(posting.source, 0) - posting.amount
        net[posting.destination] = net.get(posting.destination, 0) + posting.amount
    return {key: units for key, units in net.items() if units}


def test_what_has_ended_moves_only_by_an_operator() -> None:
    """X-C15: the first terminal result wins."""
    for kind, state, move in EVERY:
        if state in OPEN or after(kind, state, move) is None:
            continue
        late = (kind, state) == (Kind.PARTNER_WITHDRAWAL, State.FAILED)
        assert late or state is State.UNDER_REVIEW
        allowed = (Move.CHARGE, Move.BEAR) if late else (Move.APPROVE, Move.REJECT)
        assert move in allowed


def test_only_a_mobile_money_payout_that_failed_may_be_charged_or_borne_late() -> None:
    """X-C15, NXPY-C46: charged, it is what it was for; borne, it has failed as was said."""
    for kind, state in itertools.product(Kind, State):
        late = kind in MPESA_PAYOUTS and state is State.FAILED
        assert after(kind, state, Move.CHARGE) is (State.COMPLETED if late else None)
        assert after(kind, state, Move.BEAR) is (State.FAILED if late else None)


def test_money_that_went_out_is_ended_by_evidence_alone() -> None:
    """A timeout is unknown, never failed; there is no cancel for withdrawals (CASH-C39)."""
    for kind in (Kind.PARTNER_WITHDRAWAL, Kind.CRYPTO_WITHDRAWAL):
        for state in State:
            assert after(kind, state, Move.CANCEL) is None
            assert after(kind, state, Move.EXPIRE) is None
            assert after(kind, state, Move.DOUBTED) in (None, State.UNKNOWN)


def test_a_push_in_any_doubt_may_still_be_paid_refused_or_cancelled() -> None:
    kind = Kind.PARTNER_DEPOSIT
    for state in (State.SENDING, State.PENDING, State.UNKNOWN):
        assert after(kind, state, Move.PAID) is State.COMPLETED
        assert after(kind, state, Move.REFUSED) is State.FAILED
        assert after(kind, state, Move.CANCEL) is State.CANCELLED
        assert after(kind, state, Move.CONTRADICTED) is State.UNDER_REVIEW


def test_only_agents_payments_wait_and_hand_over() -> None:
    assert after(Kind.AGENT_DEPOSIT, State.WAITING, Move.CANCEL) is State.CANCELLED
    assert after(Kind.AGENT_WITHDRAWAL, State.WAITING, Move.CANCEL) is None
    assert {Kind.AGENT_DEPOSIT, Kind.AGENT_WITHDRAWAL} == HANDOVERS
    for kind in HANDOVERS:
        assert after(kind, State.WAITING, Move.PAID) is State.COMPLETED
        assert after(kind, State.WAITING, Move.EXPIRE) is State.EXPIRED
        assert after(kind, State.PENDING, Move.PAID) is None


def test_a_review_ends_in_credit_or_failure_where_cash_came_in_or_a_chain_contradicts() -> None:
    for kind in CASHIER:
        approve = after(kind, State.UNDER_REVIEW, Move.APPROVE)
        reviewed = kind in COLLECTIONS | CHAIN_PAYOUTS
        assert approve is (State.COMPLETED if reviewed else None)
    assert not PAYOUTS & COLLECTIONS
    assert set(CASHIER) & COLLECTIONS <= DEPOSITS


def test_what_a_chain_may_have_is_never_decided_by_a_person_while_it_is_open() -> None:
    for kind in CHAIN_PAYOUTS:
        for state in (State.SENDING, State.PENDING, State.UNKNOWN):
            assert after(kind, state, Move.CONTRADICTED) is State.UNDER_REVIEW
            for move in (Move.APPROVE, Move.REJECT, Move.CANCEL, Move.EXPIRE):
                assert after(kind, state, move) is None


def test_a_partner_deposit_credits_the_whole_amount_and_costs_the_platform_the_fee() -> None:
    """CASH-C22: 1000 KES, 7.50 USD, a fee of 0.50 that the customer never sees."""
    net = moved(collected(payment(fee=units_of("0.50")), "x"))
    assert net == {
        USER: units_of("7.50"),
        system("USD", SystemPurpose.FX_POSITION): -units_of("7.50"),
        system("KES", SystemPurpose.MPESA_FLOAT): -units_of("1000"),
        system("KES", SystemPurpose.FX_POSITION): units_of("1000"),
        system("USD", SystemPurpose.COST_OF_FLOAT): -units_of("0.50"),
        system("USD", SystemPurpose.PARTNER_PAYABLE): units_of("0.50"),
    }


def test_a_payout_takes_amount_and_fee_and_sends_whole_shillings() -> None:
    """FC-07: 666.65 are owed, 666 are sent, the rest is rounding."""
    withdrawal = payment(
        Kind.PARTNER_WITHDRAWAL,
        amount=units_of("5"),
        local_amount=units_of("666.65"),
        fee=units_of("0.50"),
    )
    assert expected_cash(withdrawal) == units_of("666")
    assert moved(paid_out(withdrawal, "x")) == {
        USER: -units_of("5.50"),
        system("USD", SystemPurpose.FX_POSITION): units_of("5"),
        system("USD", SystemPurpose.FEE_INCOME): units_of("0.50"),
        system("KES", SystemPurpose.FX_POSITION): -units_of("666.65"),
        system("KES", SystemPurpose.MPESA_FLOAT): units_of("666"),
        system("KES", SystemPurpose.ROUNDING): units_of("0.65"),
    }


@given(st.integers(min_value=1, max_value=10**20))
def test_what_is_asked_for_covers_and_what_is_sent_never_exceeds_what_is_owed(units: int) -> None:
    """contract.md, "Money": whole shillings, up on collections and down on payouts."""
    deposit = payment(local_amount=units)
    cash = whole_up(units)
    assert cash - 10**8 < units <= cash
    assert cash % 10**8 == 0
    net = moved(collected(deposit, "x"))
    assert net[system("KES", SystemPurpose.MPESA_FLOAT)] == -cash == -expected_cash(deposit)
    assert net.get(system("KES", SystemPurpose.ROUNDING), 0) == cash - units
    assert whole_down(units) <= units < whole_down(units) + 10**8


def test_cash_nobody_may_be_credited_waits_in_the_persons_suspense_account() -> None:
    """X-C15."""
    deposit = payment()
    key = USER._replace(asset="KES", purpose="SUSPENSE")
    assert suspense(deposit) == key
    assert moved(into_suspense(deposit, units_of("900"))) == {
        key: units_of("900"),
        system("KES", SystemPurpose.MPESA_FLOAT): -units_of("900"),
    }
    assert moved(out_of_suspense(deposit, units_of("666"))) == {
        system("KES", SystemPurpose.SUSPENSE): -units_of("666"),
        system("KES", SystemPurpose.MPESA_FLOAT): units_of("666"),
    }


def test_what_an_operator_approves_leaves_suspense_for_the_wallet() -> None:
    deposit = payment(cash=units_of("900"))
    assert moved(approved(deposit, units_of("6.75"), "x")) == {
        suspense(deposit): -units_of("900"),
        system("KES", SystemPurpose.FX_POSITION): units_of("900"),
        system("USD", SystemPurpose.FX_POSITION): -units_of("6.75"),
        USER: units_of("6.75"),
    }


def late_payout(kind: Kind = Kind.PARTNER_WITHDRAWAL, **changes: object) -> Payment:
    """5 USD that were given back, and whose 666 shillings went out all the same."""
    fields = {
        "amount": units_of("5"),
        "local_amount": units_of("666.65"),
        "fee": units_of("0.50"),
        "cash": units_of("666"),
        **changes,
    }
    return payment(kind, **fields)


def test_what_is_charged_late_is_what_was_agreed_and_clears_suspense() -> None:
    """As `paid_out`, but that suspense has paid already."""
    late = late_payout()
    assert as_paid_out(late) == late
    net = moved(out_of_suspense(late, late.cash) + charged(late, "x"))
    assert net == moved(paid_out(late, "x"))
    assert net[USER] == -units_of("5.50")


def test_what_the_platform_bears_is_a_loss_and_clears_suspense() -> None:
    late = late_payout()
    assert moved(out_of_suspense(late, late.cash) + borne(late)) == {
        system("KES", SystemPurpose.MPESA_FLOAT): units_of("666"),
        system("KES", SystemPurpose.PAYOUT_LOSS): -units_of("666"),
    }


def test_tokens_charged_late_go_where_a_settled_escrow_would_have_sent_them() -> None:
    token = USER._replace(asset="USDC", chain="polygon")
    fields = {"account": token, "asset": "USDC", "chain": "polygon", "fee": 0}
    kes = units_of("666")
    escrow = late_payout(Kind.TOKEN_ESCROW, local_amount=kes, cash=kes, **fields)
    net = moved(charged(escrow, "x"))
    assert net == {
        token: -units_of("5"),
        main_wallet("USDC", "polygon"): units_of("4.95"),
        fees_wallet("USDC", "polygon"): units_of("0.05"),
        system("KES", SystemPurpose.FX_POSITION): -units_of("666"),
        system("KES", SystemPurpose.SUSPENSE): units_of("666"),
    }


@given(st.integers(min_value=1, max_value=10**6))
def test_of_other_cash_than_agreed_the_owner_pays_a_proportion_rounded_up(kes: int) -> None:
    """X-C18; whatever went out, suspense is cleared to the unit."""
    late = late_payout(cash=units_of(str(kes)))
    due = as_paid_out(late)
    net = moved(charged(due, "x"))
    assert net[system("KES", SystemPurpose.SUSPENSE)] == late.cash
    assert due.amount % 10**6 == 0
    assert (due.amount - 10**6) * 666 < late.amount * kes <= due.amount * 666
    assert net[USER] == -due.amount - late.fee


def test_an_agent_who_hands_over_a_deposit_earns_what_the_platform_pays() -> None:
    """CASH-C35: the agent nets -98.00."""
    deposit = payment(Kind.AGENT_DEPOSIT, amount=units_of("100"), agent="AGT-1")
    assert moved(fulfilled(deposit, AGENT, units_of("2"))) == {
        USER: units_of("100"),
        AGENT: -units_of("98"),
        system("USD", SystemPurpose.COMMISSION): -units_of("2"),
    }


@pytest.mark.parametrize("fee", ["0", "1"])
def test_an_agent_who_pays_cash_gets_amount_and_fee(fee: str) -> None:
    """CASH-C38."""
    withdrawal = payment(Kind.AGENT_WITHDRAWAL, amount=units_of("50"), fee=units_of(fee))
    out = units_of("50") + units_of(fee)
    assert moved(cashed(withdrawal, AGENT)) == {USER: -out, AGENT: out}
