"""Conversion between the caller's own accounts (document, "Currency Conversion")."""

from typing import NamedTuple

from domain import fees
from domain.fx import Converted as FxConverted
from domain.fx import rate_text, receive
from domain.ledger import (
    Fee,
    Intent,
    Posting,
    Recorded,
    SystemPurpose,
    receipt_code,
    system,
    wallet,
)
from domain.money import Asset
from protocols.cashier import checks
from protocols.cashier.calls import Call, Recording
from protocols.cashier.codec import amount, iso
from protocols.cashier.errors import Problem, Refused
from protocols.cashier.service import Cashier
from protocols.cashier.wire.base import Success
from protocols.cashier.wire.payments import Converted
from protocols.cashier.wire.requests import ConvertAndTransfer


async def convert_and_transfer(
    cashier: Cashier, call: Call, request: ConvertAndTransfer
) -> Success:
    """The fee is inside `amount`; the rest is converted and rounded down (CASH-C22, CASH-C56)."""
    units = checks.positive(request.amount)
    source = checks.currency(request.from_currency)
    target = checks.currency(request.to_currency)
    if source is target:
        raise Refused(Problem.SAME_CURRENCY)
    checks.exact(units, source)
    quote = await cashier.quote(source.code, target.code)
    usd = await cashier.usd_quote(source.code)
    fee = fees.quote(fees.CONVERSION, units, source.code, usd).platform
    got = receive(quote, source.code, max(0, units - fee))
    if not got.units:
        raise Refused(Problem.TOO_SMALL)

    paying = wallet(call.user_id, source.code)

    def render(recorded: Recorded) -> Success:
        line = recorded.line(paying)
        assert line is not None, "the source account is in the journal"
        converted = Converted(
            receipt_code=receipt_code(recorded.receipt),
            journal_id=recorded.journal_id,
            source_currency=source.code,
            dest_currency=target.code,
            source_amount=amount(units),
            converted_amount=amount(got.units),
            fx_rate=rate_text(quote.rate),
            fx_rate_id=quote.id,
            fee=amount(fee),
            created_at=iso(recorded.recorded_us),
            balance_after=amount(line.balance),
            sequence=line.sequence,
        )
        return Success(message="conversion completed", data=converted)

    recording = Recording(call, render)
    text = request.description or f"Conversion from {source.code} to {target.code}"
    intent = Intent(
        kind="CONVERSION",
        postings=_postings(call.user_id, _Deal(source, target, units - fee, fee, got), text),
        initiator=call.user_id,
        description=text,
        quote_id=quote.id,
        fees=(Fee("PLATFORM_FEE", fee, source.code),),
        effects=recording.effects,
        ticket=call.ticket,
        strict_credit=True,
    )
    return await call.record(cashier.ledger, intent, recording)


class _Deal(NamedTuple):
    """What is exchanged: `net` and `fee` leave the source account, `got` arrives; in units."""

    source: Asset
    target: Asset
    net: int
    fee: int
    got: FxConverted


def _postings(user_id: int, deal: _Deal, text: str) -> tuple[Posting, ...]:
    """Out into one position, out of the other, the fee apart; rounding stays visible (X-C18)."""
    source, target = deal.source.code, deal.target.code
    paying, position = wallet(user_id, source), system(target, SystemPurpose.FX_POSITION)
    postings = [
        Posting(paying, system(source, SystemPurpose.FX_POSITION), deal.net, text),
        Posting(paying, system(source, SystemPurpose.FEE_INCOME), deal.fee, "Conversion fee"),
        Posting(position, wallet(user_id, target), deal.got.units, text),
    ]
    if deal.got.remainder:
        rounding = system(target, SystemPurpose.ROUNDING)
        postings.append(Posting(position, rounding, deal.got.remainder, "Rounding"))
    return tuple(postings)
