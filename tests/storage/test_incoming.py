"""What reconciliation reads of payments, from a real database."""

import msgspec

from domain.ledger import wallet
from domain.payments import Kind, Payment, State
from storage.incoming import PostgresIncoming
from storage.payments import PostgresPayments
from storage.pool import Pool

SAID = Payment(
    id=1,
    ref="DEP-KES-20240127-001",
    kind=Kind.PARTNER_DEPOSIT,
    state=State.FAILED,
    account=wallet(1, "USD"),
    user_id=1,
    asset="USD",
    amount=1,
    local_asset="KES",
    local_amount=100,
    created_us=5,
    due_us=6,
    asked_us=5,
    code="1032",
)


async def test_what_the_provider_has_ended_does_not_hide_what_it_has_not(pool: Pool) -> None:
    """X-C15: however many pushes were cancelled before, the payout nobody had word of is asked
    about."""
    payments, changed = PostgresPayments(pool), msgspec.structs.replace
    for number in range(1, 4):
        await payments.insert(changed(SAID, id=number, ref=f"DEP-{number}"), None, b"")
    silent = changed(SAID, id=4, ref="4", kind=Kind.TOKEN_ESCROW, code="")
    late = changed(silent, id=5, ref="5", cash=100)
    unasked = changed(silent, id=6, ref="6", asked_us=0)
    for payment in (silent, late, unasked):
        await payments.insert(payment, None, b"")
    assert await PostgresIncoming(pool).ended_payments(0, 3) == [silent]
