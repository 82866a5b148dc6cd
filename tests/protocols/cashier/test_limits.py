"""The most that M-Pesa moves at once, which is refused before it is asked."""

from tests.protocols.cashier.house import USER, House
from tests.protocols.cashier.test_deposits import MPESA as DEPOSIT
from tests.protocols.cashier.test_deposits import settled
from tests.protocols.cashier.test_withdrawals import MPESA as WITHDRAWAL


async def test_more_than_m_pesa_moves_at_once_is_refused_before_it_is_asked(house: House) -> None:
    user = await house.connect()
    for amount in (250_000.01, 250_001, 10**12):
        text = await user.refused("deposit_request", **{**DEPOSIT, "amount": amount})
        assert text == "amount exceeds the M-Pesa limit"
    await settled()
    assert not house.rail.pushes
    made = await user.ask("deposit_request", **{**DEPOSIT, "amount": 250_000})
    assert made["request_ref"].endswith("-001")


async def test_a_withdrawal_beyond_it_is_refused_after_account_and_balance(house: House) -> None:
    """CASH-C28; 1,875.04 USD are 250,000 shillings and a little."""
    user = await house.connect()
    order = {**WITHDRAWAL, "amount": 1876, "verification_token": await house.token(USER)}
    assert await user.refused("withdraw_request", **order) == "insufficient balance"
    await house.credit(USER, "5000")
    assert await user.refused("withdraw_request", **order) == "amount exceeds the M-Pesa limit"
    await settled()
    assert not house.rail.payouts
    await user.ask("withdraw_request", **{**order, "amount": 1875})
