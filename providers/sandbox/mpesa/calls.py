"""Every Daraja call but OAuth: checked fields in, an acknowledgement or an error out."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, Final

import msgspec
import trio

from providers.mpesa import wire
from providers.mpesa.codec import EAST_AFRICA
from providers.sandbox.mpesa import bodies, fields, forms
from providers.sandbox.mpesa.account import Account, Vault
from providers.sandbox.mpesa.book import Addresses, Payment
from providers.sandbox.mpesa.desk import Desk, Inquiry
from providers.sandbox.mpesa.outcomes import DELAY_SECONDS, OK_TEXT, Kind, Rule, number
from providers.sandbox.server import HttpReply

_ACCEPTED: Final = "Accept the service request successfully."
_PUSHED: Final = "Success. Request accepted for processing"
_PROCESSING: Final = "The transaction is being processed"
_INTERNAL_ERROR: Final = (500, "500.003.1001", "Internal Server Error")
_DUPLICATE: Final = (500, "500.002.1001", "Duplicate OriginatorConversationID.")
_SPIKE_ARREST: Final = (429, "500.003.02", "Error Occurred: Spike Arrest Violation")
_NO_MERCHANT: Final = (500, "500.001.1001", "Merchant does not exist")
_WRONG_PASSWORD: Final = (500, "500.001.1001", "Wrong credentials")
_PULL_PAGE: Final = 1_000

Members = dict[str, str]
Call = Callable[[Members], Awaitable[HttpReply]]


class Calls:
    """The calls of one account, answered from one desk."""

    def __init__(self, account: Account, vault: Vault, desk: Desk) -> None:
        self._account = account
        self._vault = vault
        self._desk = desk
        self._book = desk.book
        self._table: dict[str, tuple[forms.Checks, Call]] = {
            wire.STK_PUSH_PATH: (forms.STK, self._stk),
            wire.STK_QUERY_PATH: (forms.STK_QUERY, self._stk_query),
            wire.B2C_PATH: (forms.B2C, self._b2c),
            wire.B2B_PATH: (forms.B2B, self._b2b),
            wire.STATUS_PATH: (forms.STATUS, self._status),
            wire.REVERSAL_PATH: (forms.REVERSAL, self._reversal),
            wire.BALANCE_PATH: (forms.BALANCE, self._balance),
            wire.C2B_REGISTER_PATH: (forms.REGISTER, self._register),
            wire.C2B_SIMULATE_PATH: (forms.SIMULATE, self._simulate),
            wire.PULL_REGISTER_PATH: (forms.PULL_REGISTER, self._pull_register),
            wire.PULL_QUERY_PATH: (forms.PULL, self._pull),
        }

    def knows(self, path: str) -> bool:
        """Whether there is such a call."""
        return path in self._table

    async def answer(self, path: str, body: bytes) -> HttpReply:
        """One authorised call."""
        if self._desk.is_full:
            return self.error(*_SPIKE_ARREST)
        checks, call = self._table[path]
        members = fields.read(body, checks)
        if isinstance(members, str):
            return self._invalid(members)
        for name in ("BusinessShortCode", "ShortCode", "ReceiverParty"):
            if name in members and not self._account.is_shortcode(members[name]):
                return self.error(*_NO_MERCHANT)
        return await call(members)

    def error(self, status: int, code: str, message: str) -> HttpReply:
        """Daraja's error envelope."""
        envelope = {
            "requestId": self._desk.ids.request(),
            "errorCode": code,
            "errorMessage": message,
        }
        return HttpReply(status, msgspec.json.encode(envelope))

    def internal_error(self) -> HttpReply:
        """The failure that says nothing about what was done."""
        return self.error(*_INTERNAL_ERROR)

    async def _stk(self, members: Members) -> HttpReply:
        if not self._account.is_password(members["Password"], members["Timestamp"]):
            return self.error(*_WRONG_PASSWORD)
        payment = self._payment("stk", number(members["PhoneNumber"]), members)
        payment.shortcode = members["PartyB"]
        payment.checkout = self._desk.ids.checkout(payment.created_at)
        payment.merchant = self._desk.ids.request()
        payment.callback_url = members["CallBackURL"]
        refused = await self._accept(payment, "PhoneNumber")
        return refused or _ok(
            {
                "MerchantRequestID": payment.merchant,
                "CheckoutRequestID": payment.checkout,
                "ResponseCode": "0",
                "ResponseDescription": _PUSHED,
                "CustomerMessage": _PUSHED,
            }
        )

    async def _stk_query(self, members: Members) -> HttpReply:
        if not self._account.is_password(members["Password"], members["Timestamp"]):
            return self.error(*_WRONG_PASSWORD)
        payment = self._book.by_reference(members["CheckoutRequestID"])
        if payment is None or payment.kind != "stk":
            return self._invalid("CheckoutRequestID")
        if payment.state in ("pending", "open"):
            return self.error(500, "500.001.1001", _PROCESSING)
        return _ok(
            {
                "ResponseCode": "0",
                "ResponseDescription": "The service request has been accepted successsfully",
                "MerchantRequestID": payment.merchant,
                "CheckoutRequestID": payment.checkout,
                "ResultCode": payment.code,
                "ResultDesc": payment.message,
            }
        )

    async def _b2c(self, members: Members) -> HttpReply:
        if self._book.by_reference(members["OriginatorConversationID"]) is not None:
            return self.error(*_DUPLICATE)
        payment = self._payment("b2c", number(members["PartyB"]), members)
        payment.originator = members["OriginatorConversationID"]
        payment.own_originator = True
        return await self._transfer(payment, members, members["InitiatorName"])

    async def _b2b(self, members: Members) -> HttpReply:
        payment = self._payment("b2b", members["PartyB"], members)
        payment.originator = self._desk.ids.request()
        return await self._transfer(payment, members, members["Initiator"])

    async def _transfer(self, payment: Payment, members: Members, initiator: str) -> HttpReply:
        if not self._account.is_shortcode(members["PartyA"]):
            return self._invalid("PartyA")
        payment.shortcode = members["PartyA"]
        payment.conversation = self._desk.ids.conversation(payment.created_at)
        payment.callback_url = members["ResultURL"]
        payment.timeout_url = members["QueueTimeOutURL"]
        trusted = self._vault.is_initiator(initiator, members["SecurityCredential"])
        refused = await self._accept(payment, "PartyB", trusted=trusted)
        return refused or _acknowledged(payment.originator, payment.conversation)

    def _payment(self, kind: Kind, who: str, members: Members) -> Payment:
        return Payment(
            serial=self._book.new_serial(),
            kind=kind,
            who=who,
            amount=int(members["Amount"]),
            outcome="success",
            shortcode="",
            reference=members.get("AccountReference", ""),
            created_at=self._desk.wall(),
        )

    async def _accept(
        self, payment: Payment, member: str, *, trusted: bool = True
    ) -> HttpReply | None:
        """Take the payment as its rule says; an error if the call is to fail. A bad initiator
        is found out later, as by the real one, and uses up no rule."""
        rule, used = Rule(outcome="bad_credential"), False
        if trusted:
            rule, used = self._book.rules.take(payment.who, payment.kind)
        payment.outcome = rule.outcome
        payment.due_at = payment.created_at + rule.answer_delay + rule.ending_delay
        if rule.outcome in ("reject", "http_500"):
            payment.state = "rejected" if rule.outcome == "reject" else "error"
            payment.checkout = payment.conversation = ""  # nobody is told any
        # Nothing has been awaited since a payout's originator was looked up: `take` enters it,
        # so that of two that arrive together the second is a duplicate.
        await self._desk.take(payment)
        if used:
            await self._book.keep_settings()
        if payment.state == "rejected":
            return self._invalid(member)
        if payment.state == "error":
            return self.internal_error()
        await trio.sleep(rule.answer_delay)
        return None

    async def _status(self, members: Members) -> HttpReply:
        receipt = members.get("TransactionID", "")
        reference = members.get("OriginalConversationID", "")
        if not receipt and not reference:
            return self._invalid("TransactionID")
        book = self._book
        payment = book.by_receipt(receipt) if receipt else book.by_reference(reference)
        inquiry = self._inquiry(members)
        self._desk.answer_status(inquiry, payment)
        return _acknowledged(inquiry.originator, inquiry.conversation)

    async def _reversal(self, members: Members) -> HttpReply:
        inquiry = self._inquiry(members)
        await self._desk.reverse(inquiry, members["TransactionID"])
        return _acknowledged(inquiry.originator, inquiry.conversation)

    async def _balance(self, members: Members) -> HttpReply:
        inquiry = self._inquiry(members)
        self._desk.answer_balance(inquiry)
        return _acknowledged(inquiry.originator, inquiry.conversation)

    def _inquiry(self, members: Members) -> Inquiry:
        return Inquiry(
            originator=self._desk.ids.request(),
            conversation=self._desk.ids.conversation(self._desk.wall()),
            result_url=members["ResultURL"],
            timeout_url=members["QueueTimeOutURL"],
            trusted=self._vault.is_initiator(members["Initiator"], members["SecurityCredential"]),
        )

    async def _register(self, members: Members) -> HttpReply:
        self._book.addresses = Addresses(
            confirmation_url=members["ConfirmationURL"],
            validation_url=members["ValidationURL"],
            accept_when_silent=members["ResponseType"] == "Completed",
        )
        await self._book.keep_settings()
        return _ok(
            {
                "OriginatorCoversationID": self._desk.ids.request(),  # as the real one spells it
                "ResponseCode": "0",
                "ResponseDescription": "Success",
            }
        )

    async def _simulate(self, members: Members) -> HttpReply:
        payment = self._payment("c2b", number(members["Msisdn"]), members)
        payment.shortcode = members["ShortCode"]
        payment.reference = members.get("BillRefNumber", "")
        payment.receipt = self._desk.new_receipt()  # validation names it already
        addresses = self._book.addresses
        payment.callback_url = addresses.confirmation_url if addresses is not None else ""
        payment.due_at = payment.created_at + DELAY_SECONDS
        await self._desk.take(payment)
        return _ok(
            {
                "OriginatorCoversationID": self._desk.ids.request(),
                "ResponseCode": "0",
                "ResponseDescription": _ACCEPTED,
            }
        )

    async def _pull_register(self, members: Members) -> HttpReply:
        return _ok(
            {
                "ResponseRefID": self._desk.ids.request(),
                "Response Status": "1000",
                "ShortCode": members["ShortCode"],
                "Response Description": OK_TEXT,
            }
        )

    async def _pull(self, members: Members) -> HttpReply:
        first, last = (_moment(members[name]) for name in ("StartDate", "EndDate"))
        offset = int(members["OffSetValue"])
        paid = [
            bodies.pulled(payment)
            for payment in self._book
            if payment.kind in ("stk", "c2b")
            and payment.state == "paid"
            and first <= payment.ended_at < last + 1
        ]
        page = paid[::-1][offset : offset + _PULL_PAGE]
        return _ok(
            {
                "ResponseRefID": self._desk.ids.request(),
                "ResponseCode": "1000" if page else "1001",
                "ResponseMessage": "Success" if page else "No transactions",
                "Response": [page],
            }
        )

    def _invalid(self, member: str) -> HttpReply:
        return self.error(400, "400.002.02", f"Bad Request - Invalid {member}")


def _moment(text: str) -> float:
    return datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=EAST_AFRICA).timestamp()


def _acknowledged(originator: str, conversation: str) -> HttpReply:
    return _ok(
        {
            "ConversationID": conversation,
            "OriginatorConversationID": originator,
            "ResponseCode": "0",
            "ResponseDescription": _ACCEPTED,
        }
    )


def _ok(members: dict[str, Any]) -> HttpReply:
    return HttpReply(200, msgspec.json.encode(members))
