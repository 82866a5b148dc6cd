"""A ledger with one of everything in it."""

from actors.payment_store import PaymentCreated
from domain.ledger import (
    AccountKey,
    Effects,
    Hold,
    Intent,
    Posting,
    Recorded,
    SystemPurpose,
    system,
    wallet,
)
from domain.payments import Kind, Payment, State
from storage import payments as payments_storage
from tests.ledger.house import House, close, transfer

ANN, BEN, COY = 1, 2, 3
assert payments_storage  # it teaches the journal to write payments


def _payment(hold: Recorded, account: AccountKey, units: int) -> Payment:
    return Payment(
        id=1,
        ref="WDR-KES-20240127-001",
        kind=Kind.PARTNER_WITHDRAWAL,
        state=State.PENDING,
        account=account,
        user_id=account.owner,
        asset="USD",
        amount=units,
        local_asset="KES",
        local_amount=units * 130,
        created_us=1,
        due_us=2,
        held=units,
        hold_id=hold.journal_id,
    )


async def fill(house: House) -> None:
    """Journals 1 to 11: funding, transfers, a conversion, holds in every state, a payment."""
    await house.fund(ANN, 1000_00000000)
    await house.fund(BEN, 500_00000000)
    await house.must(transfer(ANN, BEN, 12_50000000, description='"Quoted", naïve ☃\n\x1f'))
    await house.must(transfer(BEN, COY, 1))
    position = system("USD", SystemPurpose.FX_POSITION)
    postings = (
        Posting(wallet(ANN, "USD"), position, 100_00000000),
        Posting(system("BTC", SystemPurpose.FX_POSITION), wallet(ANN, "BTC"), 230_000),
    )
    await house.must(Intent(kind="CONVERSION", postings=postings, quote_id=3))
    posted, voided, kept = [await house.hold(ANN, units) for units in (500, 600, 700)]
    await house.must(close(posted, BEN, 400))
    await house.must(close(voided, BEN))
    assert kept.id == 8
    account = wallet(BEN, "USD")

    def effects(recorded: Recorded) -> Effects:
        return Effects(changes=(PaymentCreated(_payment(recorded, account, 900)),))

    await house.must(
        Intent(
            kind="WITHDRAWAL",
            place=Hold(account, 900),
            ref="WDR-KES-20240127-001",
            effects=effects,
        )
    )
