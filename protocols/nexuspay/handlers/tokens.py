"""Tokens to people and merchants, and who sent what (document 002, "Crypto Transactions")."""

from typing import Any, Final

from msgspec import UnsetType

from actors.token_transfers import CONFIRMED, Sent, Side, Transfer
from domain.identity.contact import normalise_phone
from domain.ledger import AccountKey, Recorded, Refusal
from domain.money import plain
from domain.nexuspay.addresses import is_address, is_hex, is_misspelled, same
from domain.nexuspay.business import Business
from domain.nexuspay.catalogue import DEFAULT_TOKEN
from domain.nexuspay.transactions import Operation, Status, Transaction
from domain.nexuspay.treasury import business as business_account
from domain.nexuspay.treasury import personal
from domain.payments import Payment
from protocols.http import Request, Response
from protocols.keyed import Call
from protocols.nexuspay.calls import respond, save
from protocols.nexuspay.checks import carried, chain_in, page_in, pagination, token_amount
from protocols.nexuspay.codec import iso, number
from protocols.nexuspay.errors import Problem, Refused, invalid, of_refusal
from protocols.nexuspay.service import NexusPay
from protocols.nexuspay.wire import tokens as wire
from protocols.nexuspay.wire.base import Amount, Reply

_LONGEST_ADDRESS: Final = 100
_NOBODY: Final = f"0x{0:040}"
_STATUSES: Final = {Status.COMPLETED: CONFIRMED}  # of a transfer on a chain (NXPY-C20)


class Tokens:
    """sendToken, pay and tokenTransferEvents."""

    def __init__(self, nexus: NexusPay) -> None:
        self._nexus = nexus

    async def send(self, call: Call, body: wire.SendToken) -> Response:
        """Send USDC to a person's phone or to a wallet address."""
        chain, amount = self._payment(call, body.amount, body.chain, body.chain_name)
        source = _own_side(call, body.sender_address, chain)
        destination = await self._recipient(call, body.recipient_identifier, chain)
        if destination is None:
            return await self._send_out(call, source.account, amount, body.recipient_identifier)
        transfer = Transfer(
            operation=Operation.SEND,
            source=source,
            destination=destination,
            amount=amount,
            initiator=call.user_id,
            target=body.recipient_identifier,
        )
        return await self._transfer(call, transfer, body.recipient_identifier)

    async def pay(self, call: Call, body: wire.Pay) -> Response:
        """Pay a merchant in USDC."""
        if not body.confirm:
            raise invalid("confirm must be true", "Payment must be confirmed")
        chain, amount = self._payment(call, body.amount, body.chain_name, body.chain)
        source = _own_side(call, body.sender_address, chain)
        business = await self._nexus.businesses.by_code(body.business_unique_code)
        if business is None:
            raise Refused(Problem.NOT_FOUND, "Business not found")
        transfer = Transfer(
            operation=Operation.PAY,
            source=source,
            destination=_business_side(call, business, chain),
            amount=amount,
            initiator=call.user_id,
            target=business.merchant_id,
            description=business.name,
        )
        return await self._transfer(call, transfer, business.name)

    async def events(self, request: Request) -> Response:
        """Token transfers from or to an address, known to the platform (NXPY-C19)."""
        address = request.query.get("address", "")
        settings = self._nexus.settings
        if not is_address(address) and not (
            settings.short_addresses and is_hex(address) and len(address) <= _LONGEST_ADDRESS
        ):
            raise invalid("address must be 0x and 40 hex digits")
        if is_address(address) and is_misspelled(address):
            raise invalid("address has a wrong checksum")
        chain = request.query.get("chain")
        if chain is not None:
            chain_in(chain)
        page = page_in(request)
        found = await self._nexus.transactions.by_address(address, chain, page)
        events = [_event(transaction) for transaction in found.transactions]
        data = wire.TransferEvents(events=events, pagination=pagination(page, found.total))
        return respond(Reply(data=data))

    def _payment(self, call: Call, amount: Amount, *chains: str | UnsetType) -> tuple[str, int]:
        """The chain and the units of USDC on it."""
        chain = chain_in(*chains)
        carried(self._nexus, chain, DEFAULT_TOKEN)
        return chain, token_amount(amount, DEFAULT_TOKEN)

    async def _recipient(self, call: Call, identifier: str, chain: str) -> Side | None:
        """Whose phone or address it is, None of an address outside (NXPY-C16)."""
        if identifier.startswith("+"):
            return await self._by_phone(call, identifier, chain)
        if not is_address(identifier):
            raise invalid("recipientIdentifier must be a phone number or a wallet address")
        if is_misspelled(identifier):
            raise invalid("recipientIdentifier has a wrong checksum")
        person = await self._nexus.people.by_wallet_address(identifier)
        if person is not None and not person.deleted:
            if person.user_id == call.user_id:
                raise invalid("recipientIdentifier is your own address")
            account = personal(person.user_id, DEFAULT_TOKEN, chain)
            return Side(account, person.wallet_address or identifier)
        business = await self._nexus.businesses.by_address(identifier)
        if business is not None:
            return _business_side(call, business, chain)
        if identifier == _NOBODY or not self._nexus.sends.reaches(chain, identifier):
            raise invalid(
                "tokens cannot be sent to this address",
                "Transfers to this address are not available",
            )
        return None

    async def _by_phone(self, call: Call, identifier: str, chain: str) -> Side:
        phone = normalise_phone(identifier)
        if phone is None:
            raise invalid("recipientIdentifier is not a phone number")
        person = await self._nexus.people.by_phone(phone)
        if person is None or person.deleted:
            raise Refused(Problem.NOT_FOUND, "Recipient not found")
        if person.user_id == call.user_id:
            raise invalid("recipientIdentifier is your own phone")
        return Side(personal(person.user_id, DEFAULT_TOKEN, chain), person.wallet_address or "")

    async def _send_out(
        self, call: Call, account: AccountKey, amount: int, address: str
    ) -> Response:
        """Over the chain: answered once the tokens are set aside, and told when confirmed."""

        def answer(payment: Payment, recorded: Recorded | None) -> Response:
            line = None if recorded is None else recorded.line(account)
            assert line is not None, "the hold is on the sender's account"
            token = wire.TokenSent(
                transaction_id=payment.ref,
                transaction_code=payment.success_code,
                amount=f"{plain(payment.amount)} {payment.asset}",
                recipient=address,
                timestamp=iso(payment.created_us),
                balance_after=number(line.balance),
                sequence=line.sequence,
            )
            return respond(Reply(message="Token sent successfully!", data=token))

        def outcome(payment: Payment, recorded: Recorded | None) -> bytes:
            return save(answer(payment, recorded))

        sends = self._nexus.sends
        made = await sends.send(call.user_id, account, amount, address, call.ticket, outcome)
        if isinstance(made, Refusal):
            raise of_refusal(made)
        call.journaled = True
        return answer(made.payment, made.recorded)

    async def _transfer(self, call: Call, transfer: Transfer, shown: str) -> Response:
        def outcome(sent: Sent) -> bytes:
            return save(_answer(transfer, sent, shown))

        sent = await self._nexus.transfers.send(transfer, call.ticket, outcome)
        if isinstance(sent, Refusal):
            raise of_refusal(sent)
        call.journaled = True
        return _answer(transfer, sent, shown)


def _own_side(call: Call, address: str, chain: str) -> Side:
    """The caller's tokens; 403 for an address that is not the caller's."""
    own = call.profile.wallet_address
    if not is_address(address):
        raise invalid("senderAddress must be 0x and 40 hex digits")
    if is_misspelled(address):
        raise invalid("senderAddress has a wrong checksum")
    if own is None or not same(address, own):
        raise Refused(Problem.FORBIDDEN, details="senderAddress is not your wallet address")
    return Side(personal(call.user_id, DEFAULT_TOKEN, chain), own)


def _business_side(call: Call, business: Business, chain: str) -> Side:
    if business.user_id == call.user_id:
        raise invalid("the business is your own")
    account: AccountKey = business_account(business.user_id, DEFAULT_TOKEN, chain)
    return Side(account, business.address)


def _answer(transfer: Transfer, sent: Sent, shown: str) -> Response:
    transaction, line = sent.transaction, sent.recorded.line(transfer.source.account)
    assert line is not None, "the source has a line in its own journal"
    members: dict[str, Any] = {
        "transaction_id": transaction.id,
        "transaction_code": transaction.code,
        "amount": f"{plain(transaction.amount)} {transaction.token}",
        "timestamp": iso(transaction.created_us),
        "balance_after": number(line.balance),
        "sequence": line.sequence,
    }
    if transfer.operation is Operation.PAY:
        paid = wire.Paid(business_name=shown, **members)
        return respond(Reply(message="Payment successful!", data=paid))
    token = wire.TokenSent(recipient=shown, **members)
    return respond(Reply(message="Token sent successfully!", data=token))


def _event(transaction: Transaction) -> wire.TransferEvent:
    return wire.TransferEvent(
        tx_hash=transaction.tx_hash,
        from_=transaction.from_address,
        to=transaction.to_address,
        amount=plain(transaction.amount),
        token=transaction.token,
        timestamp=iso(transaction.created_us),
        status=_STATUSES.get(transaction.status, transaction.status.value),
        block_number=transaction.block,
    )
