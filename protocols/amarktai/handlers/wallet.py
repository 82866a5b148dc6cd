"""Funds at exchanges (document 004, "Wallet & Fund Management")."""

from typing import Final

from actors.fund_transfers import PENDING, FundTransfer
from domain.ledger import Recorded, Refusal
from domain.money import ASSETS
from protocols.amarktai.calls import respond, save
from protocols.amarktai.checks import platform_in, positive
from protocols.amarktai.codec import iso, number
from protocols.amarktai.errors import Problem, Refused, invalid, of_refusal
from protocols.amarktai.service import Amarktai
from protocols.amarktai.wire import wallet as wire
from protocols.http import Response
from protocols.keyed import Call

_RECORDED: Final = "Transfer recorded. Manual action required for real exchange transfer."
_LISTED: Final = 500  # transfers, newest first
_LONGEST_REASON: Final = 200


class Wallet:
    """The three endpoints below /api/wallet."""

    def __init__(self, amarktai: Amarktai) -> None:
        self._amarktai = amarktai

    async def balances(self, call: Call) -> wire.Balances:
        """By provider with a balance or keys (AMKT-C31)."""
        keyed = await self._amarktai.keys.platforms(call.profile)
        await self._amarktai.mirror.freshen(call.user_id, keyed)
        held = await self._amarktai.holdings.of(call.user_id)
        total = await self._amarktai.holdings.total_in_rand(held)
        for platform in keyed:
            held.setdefault(platform, {})
        return wire.Balances(
            balances={
                platform: {asset: number(units) for asset, units in amounts.items()}
                for platform, amounts in held.items()
            },
            total_value_zar=number(total),
        )

    async def transfers(self, call: Call) -> wire.Transfers:
        """The newest first."""
        listed = await self._amarktai.transfers.of(call.user_id, _LISTED)
        return wire.Transfers(transfers=[_transfer(one) for one in listed])

    async def transfer(self, call: Call, body: wire.TransferRequest) -> Response:
        """Set the amount aside and leave the rest to an operator (AMKT-C29)."""
        draft = _draft(call, body)
        await self._amarktai.mirror.freshen(call.user_id, (draft.from_provider,))

        def render(transfer: FundTransfer, recorded: Recorded) -> bytes:
            return save(_answer(transfer, recorded))

        made = await self._amarktai.transfers.request(draft, call.ticket, render)
        if made in (Refusal.INSUFFICIENT_FUNDS, Refusal.ACCOUNT_NOT_FOUND):
            text = f"Insufficient {draft.asset} at {draft.from_provider}"
            raise Refused(Problem.INSUFFICIENT_FUNDS, text)
        if isinstance(made, Refusal):
            raise of_refusal(made)
        call.journaled = True
        return _answer(*made)


def _draft(call: Call, body: wire.TransferRequest) -> FundTransfer:
    source = platform_in(body.from_provider, "from_provider").id
    destination = platform_in(body.to_provider, "to_provider").id
    if source == destination:
        raise invalid("from_provider and to_provider must differ")
    if body.currency not in ASSETS:
        raise invalid("currency is not supported")
    if len(body.reason) > _LONGEST_REASON:
        raise invalid(f"reason must have at most {_LONGEST_REASON} characters")
    return FundTransfer(
        id="",
        user_id=call.user_id,
        from_provider=source,
        to_provider=destination,
        amount=positive(body.amount, body.currency, "amount"),
        asset=body.currency,
        status=PENDING,
        reason=body.reason,
        correlation_id="",
        created_us=0,
    )


def _answer(transfer: FundTransfer, recorded: Recorded) -> Response:
    line = recorded.line(transfer.source)
    assert line is not None, "the hold is on this account"
    requested = wire.RequestedTransfer(id=transfer.id, status=transfer.status, message=_RECORDED)
    return respond(
        wire.TransferRequested(
            transfer=requested, balance_after=number(line.balance), sequence=line.sequence
        )
    )


def _transfer(transfer: FundTransfer) -> wire.Transfer:
    return wire.Transfer(
        id=transfer.id,
        from_provider=transfer.from_provider,
        to_provider=transfer.to_provider,
        amount=number(transfer.amount),
        currency=transfer.asset,
        status=transfer.status,
        reason=transfer.reason,
        correlation_id=transfer.correlation_id,
        timestamp=iso(transfer.created_us),
    )
