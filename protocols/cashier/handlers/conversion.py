"""Conversion between the caller's own accounts (document, "Currency Conversion")."""

from domain import fees
from domain.fx import Converted as FxConverted
from domain.fx import Quote, rate_text, receive
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

    deal = _Deal(call, source=source, target=target, units=units, fee=fee, got=got, quote=quote)
    text = request.description or f"Conversion from {source.code} to {target.code}"
    intent = Intent(
        kind="CONVERSION",
        postings=_postings(deal, text),
        initiator=call.user_id,
        description=text,
        quote_id=quote.id,
        fees=(Fee("PLATFORM_FEE", fee, source.code),),
        effects=deal.effects,
        ticket=call.ticket,
        strict_credit=True,
    )
    return await call.record(cashier.ledger, intent, deal)


class _Deal(Recording, kw_only=True, gc=False):
    """What is exchanged: `units` leave the source account, `fee` of them for us; `got` arrives."""

    source: Asset
    target: Asset
    units: int
    fee: int
    got: FxConverted
    quote: Quote

    def render(self, recorded: Recorded) -> Success:
        """To the caller."""
        line = recorded.line(wallet(self.call.user_id, self.source.code))
        assert line is not None, "the source account is in the journal"
        converted = Converted(
            receipt_code=receipt_code(recorded.receipt),
            journal_id=recorded.journal_id,
            source_currency=self.source.code,
            dest_currency=self.target.code,
            source_amount=amount(self.units),
            converted_amount=amount(self.got.units),
            fx_rate=rate_text(self.quote.rate),
            fx_rate_id=self.quote.id,
            fee=amount(self.fee),
            created_at=iso(recorded.recorded_us),
            balance_after=amount(line.balance),
            sequence=line.sequence,
        )
        return Success(message="conversion completed", data=converted)


def _postings(deal: _Deal, text: str) -> tuple[Posting, ...]:
    """Out into one position, out of the other, the fee apart; rounding stays visible (X-C18)."""
    user_id, source, target = deal.call.user_id, deal.source.code, deal.target.code
    paying, position = wallet(user_id, source), system(target, SystemPurpose.FX_POSITION)
    net = deal.units - deal.fee
    postings = [
        Posting(paying, system(source, SystemPurpose.FX_POSITION), net, text),
        Posting(paying, system(source, SystemPurpose.FEE_INCOME), deal.fee, "Conversion fee"),
        Posting(position, wallet(user_id, target), deal.got.units, text),
    ]
    if deal.got.remainder:
        rounding = system(target, SystemPurpose.ROUNDING)
        postings.append(Posting(position, rounding, deal.got.remainder, "Rounding"))
    return tuple(postings)
