"""Tokens for shillings and shillings for tokens, answered before M-Pesa is done
(document 002, "MPESA Integration")."""

import re
from collections.abc import Callable
from typing import Any, Final

from actors.token_orders import Made, Order
from domain.fx import Quote
from domain.identity.contact import normalise_phone
from domain.ledger import Recorded, Refusal
from domain.money import UNITS_PER_WHOLE, plain
from domain.nexuspay.catalogue import CHAINS, DEFAULT_CHAIN, DEFAULT_TOKEN
from domain.nexuspay.codes import is_transaction_id
from domain.nexuspay.token_payments import PAYBILL, TILL, status_of
from domain.nexuspay.transactions import Operation, Status
from domain.nexuspay.treasury import personal
from domain.payments import Kind, Payment
from protocols.http import Request, Response
from protocols.keyed import Call
from protocols.nexuspay.calls import respond, save, save_payment
from protocols.nexuspay.checks import (
    available,
    carried,
    chain_in,
    shillings,
    token_amount,
    token_in,
)
from protocols.nexuspay.codec import iso, iso_ms, iso_or_none, number
from protocols.nexuspay.errors import Problem, Refused, invalid, of_refusal
from protocols.nexuspay.service import NexusPay
from protocols.nexuspay.wire import mpesa as wire
from protocols.nexuspay.wire.base import Amount, Reply

MOST_KES: Final = 250_000  # of one M-Pesa transaction
_PUSH_WITHIN_S: Final = 31.0  # of real time: the client gives a call 30 s
_PURCHASE_US: Final = 136_000_000  # estimates, as the document's examples have them
_PAYOUT_US: Final = 300_000_000
_NUMBER: Final = re.compile(r"[0-9]{5,10}", re.ASCII)
_ACCOUNT: Final = re.compile(r"[\x21-\x7e]([\x20-\x7e]{0,11}[\x21-\x7e])?")


class Mpesa:
    """Deposit, purchase, withdrawal, bills, and how a transaction stands."""

    def __init__(self, nexus: NexusPay) -> None:
        self._nexus = nexus

    async def deposit(self, call: Call, body: wire.Deposit) -> Response:
        """Buy USDC for an amount of shillings (NXPY-C21)."""
        local, phone = within_limits(shillings(body.amount)), mpesa_phone(body.phone)
        quote = await self._nexus.orders.quote(DEFAULT_TOKEN)
        amount = self._nexus.orders.bought(quote, local)
        if not amount:
            raise invalid("amount is too small to buy anything")
        order = _order(Kind.TOKEN_DEPOSIT, call, quote, amount, local, phone=phone)
        made = await self._place(call, order, purchase=True)
        return await self.deposited(call, made.payment.ref)

    async def deposited(self, _call: Call, ref: str) -> Response:
        """The answer of a deposit, from its payment."""
        payment = await self._pushed(ref)
        data = wire.Deposited(
            transaction_id=payment.ref,
            status=Status.PENDING.value,
            checkout_request_id=payment.checkout or None,
        )
        return respond(Reply(message="Transaction initiated", data=data))

    async def buy(self, call: Call, body: wire.BuyCrypto) -> Response:
        """Buy an amount of tokens, which is set aside for the buyer (NXPY-C24, NXPY-C25)."""
        chain, token = chain_in(body.chain, body.chain_name), token_in(body.token_type)
        carried(self._nexus, chain, token)
        amount = token_amount(body.crypto_amount, token, "cryptoAmount")
        phone = mpesa_phone(body.phone)
        quote = await self._nexus.orders.quote(token)
        local = within_limits(self._nexus.orders.price(quote, token, amount), "cryptoAmount")
        order = Order(
            kind=Kind.TOKEN_PURCHASE,
            user_id=call.user_id,
            token=token,
            chain=chain,
            amount=amount,
            local=local,
            quote=quote,
            phone=phone,
            description=f"Buy {token}",
        )
        made = await self._place(call, order, purchase=True)
        return await self.bought(call, made.payment.ref)

    async def bought(self, _call: Call, ref: str) -> Response:
        """The answer of a purchase, from its payment."""
        payment = await self._pushed(ref)
        data = wire.Bought(
            transaction_id=payment.ref,
            mpesa_amount=payment.local_amount // UNITS_PER_WHOLE,
            crypto_amount=number(payment.amount),
            token_type=payment.asset,
            chain=payment.chain,
            status=Status.RESERVED.value,
            checkout_request_id=payment.checkout or None,
            created_at=iso_ms(payment.created_us),
            estimated_completion_time=iso_ms(payment.created_us + _PURCHASE_US),
            success_code=payment.success_code,
        )
        return respond(Reply(message="Crypto purchase initiated successfully", data=data))

    async def withdraw(self, call: Call, body: wire.Withdraw) -> Response:
        """Sell USDC for shillings to a phone (NXPY-C31)."""
        local, phone = within_limits(shillings(body.amount)), mpesa_phone(body.phone)
        quote = await self._nexus.orders.quote(DEFAULT_TOKEN)
        order = await self._sale(call, Kind.TOKEN_SALE, quote, local, phone=phone)

        def answer(payment: Payment, recorded: Recorded | None) -> Response:
            data = wire.Withdrawn(
                transaction_id=payment.ref,
                status=Status.PENDING.value,
                estimated_completion_time=iso(payment.created_us + _PAYOUT_US),
                **_after(payment, recorded),
            )
            return respond(Reply(message="Withdrawal initiated", data=data))

        made = await self._place(call, order, answer=answer)
        return answer(made.payment, made.recorded)

    async def paybill(self, call: Call, body: wire.Paybill) -> Response:
        """Pay a paybill number from the USDC balance (NXPY-C32)."""
        number_, account = bill_number(body.business_number, "businessNumber"), body.account_number
        return await self._bill(call, body.amount, PAYBILL, number_, bill_account(account))

    async def till(self, call: Call, body: wire.Till) -> Response:
        """Pay a till number from the USDC balance (NXPY-C32)."""
        number_ = bill_number(body.till_number, "tillNumber")
        return await self._bill(call, body.amount, TILL, number_, "")

    async def status(self, request: Request) -> Response:
        """How one of the caller's M-Pesa transactions stands (NXPY-C22)."""
        wanted, found = request.params["id"], None
        if is_transaction_id(wanted):
            found = await self._nexus.transactions.find(request.principal.user_id, wanted)
        if found is None or not found.is_mpesa:
            raise Refused(Problem.NOT_FOUND, "Transaction not found")
        # What a deposit buys is known when it is completed (NXPY-C21).
        is_known = found.operation is not Operation.DEPOSIT or found.completed_us
        data = wire.TransactionStatus(
            transaction_id=found.id,
            type=found.operation.value,
            amount=plain(found.kes),
            status=found.status.value,
            crypto_amount=plain(found.amount, 2) if is_known else None,
            timestamp=iso(found.created_us),
            completed_at=iso_or_none(found.completed_us),
        )
        return respond(Reply(data=data))

    async def _bill(
        self, call: Call, amount: Amount, partner: str, bill: str, account: str
    ) -> Response:
        local = within_limits(shillings(amount))
        quote = await self._nexus.orders.quote(DEFAULT_TOKEN)
        order = await self._sale(
            call, Kind.TOKEN_BILL, quote, local, partner=partner, bill=bill, bill_account=account
        )

        def answer(payment: Payment, recorded: Recorded | None) -> Response:
            moved = _after(payment, recorded)
            status = Status.PENDING.value
            data = wire.BillOrdered(transaction_id=payment.ref, status=status, **moved)
            return respond(Reply(message="Payment initiated", data=data))

        made = await self._place(call, order, answer=answer)
        return answer(made.payment, made.recorded)

    async def _sale(
        self, call: Call, kind: Kind, quote: Quote, local: int, **members: str
    ) -> Order:
        """An order of shillings for USDC on the first chain with enough of it (NXPY-C31)."""
        amount = self._nexus.orders.spent(quote, local)
        for chain in (DEFAULT_CHAIN, *CHAINS):
            key = personal(call.user_id, DEFAULT_TOKEN, chain)
            if await available(self._nexus, key) >= amount:
                return _order(kind, call, quote, amount, local, chain=chain, **members)
        short = f"{plain(amount)} {DEFAULT_TOKEN} are needed on one chain"
        raise Refused(Problem.INSUFFICIENT_BALANCE, details=short)

    async def _place(
        self,
        call: Call,
        order: Order,
        *,
        purchase: bool = False,
        answer: Callable[[Payment, Recorded | None], Response] | None = None,
    ) -> Made:
        """Record the order, with the whole answer or with what it is made from again."""

        def outcome(payment: Payment, recorded: Recorded | None) -> bytes:
            if answer is None:
                return save_payment(payment.ref)
            return save(answer(payment, recorded))

        made = await self._nexus.orders.place(order, call.ticket, outcome)
        if made in (Refusal.INSUFFICIENT_FUNDS, Refusal.ACCOUNT_NOT_FOUND) and purchase:
            raise Refused(Problem.INSUFFICIENT_LIQUIDITY)
        if isinstance(made, Refusal):
            raise of_refusal(made)
        call.journaled = True
        return made

    async def _pushed(self, ref: str) -> Payment:
        """The payment once M-Pesa has taken or refused its push; 502 for a refused one."""
        payments = self._nexus.orders.payments
        payment = await payments.store.by_ref(ref)
        assert payment is not None, "payments are never deleted"
        asked = await payments.until(payment.id, _answered, _PUSH_WITHIN_S)
        payment = asked or payment
        if status_of(payment) is Status.FAILED and not payment.checkout:
            raise Refused(Problem.PROVIDER_ERROR, "M-Pesa refused the request", payment.reason)
        return payment


def within_limits(local: int, member: str = "amount") -> int:
    """Units of KES that one M-Pesa transaction can move."""
    if local > MOST_KES * UNITS_PER_WHOLE:
        raise invalid(f"{member}: M-Pesa moves at most KES {MOST_KES:,} at a time")
    return local


def mpesa_phone(text: str) -> str:
    """A Kenyan mobile number with its plus, in M-Pesa's form 2547…"""
    phone = normalise_phone(text) if text.startswith("+") else None
    if phone is None or not phone.startswith("+254") or len(phone) != len("+254712345678"):
        raise invalid("phone must be a Kenyan number in international format, like +254712345678")
    return phone.removeprefix("+")


def bill_number(text: str, member: str) -> str:
    """A paybill or till number."""
    if not _NUMBER.fullmatch(text):
        raise invalid(f"{member} must have 5 to 10 digits")
    return text


def bill_account(text: str | None) -> str:
    """An account at a paybill, as long as M-Pesa carries it: cut, it would be another's."""
    if text is None or not _ACCOUNT.fullmatch(text):
        raise invalid("accountNumber must have 1 to 13 printable characters")
    return text


def _order(
    kind: Kind,
    call: Call,
    quote: Quote,
    amount: int,
    local: int,
    chain: str = DEFAULT_CHAIN,
    **members: str,
) -> Order:
    return Order(
        kind=kind,
        user_id=call.user_id,
        token=DEFAULT_TOKEN,
        chain=chain,
        amount=amount,
        local=local,
        quote=quote,
        **members,
    )


def _answered(payment: Payment) -> bool:
    """M-Pesa has said something, or its answer is lost: then nobody waits for one any longer."""
    return bool(payment.checkout) or payment.doubted or not payment.is_open


def _after(payment: Payment, recorded: Recorded | None) -> dict[str, Any]:
    """The caller's account after the hold, which leaves its balance as it was."""
    line = None if recorded is None else recorded.line(payment.account)
    if line is None:
        return {}
    return {"balance_after": number(line.balance), "sequence": line.sequence}
