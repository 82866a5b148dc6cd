"""Business accounts: upgrade by a code, and funds back to their owner (NXPY-C34..C36)."""

from typing import Final

from actors.business import AlreadyComplete
from actors.token_transfers import Sent, Side, Transfer
from domain.identity import Refused as Denied
from domain.identity.contact import normalise_phone
from domain.ledger import Refusal
from domain.money import plain
from domain.nexuspay.addresses import is_address, is_misspelled, same
from domain.nexuspay.business import Business as Firm
from domain.nexuspay.catalogue import CHAINS, DEFAULT_TOKEN
from domain.nexuspay.transactions import Operation
from domain.nexuspay.treasury import business as business_account
from domain.nexuspay.treasury import personal
from protocols.http import Request, Response
from protocols.keyed import Call
from protocols.nexuspay.calls import respond, save
from protocols.nexuspay.checks import available, carried, chain_in, token_amount
from protocols.nexuspay.codec import iso, number
from protocols.nexuspay.errors import Problem, Refused, invalid, of_code, of_refusal, of_sending
from protocols.nexuspay.service import NexusPay
from protocols.nexuspay.wire import business as wire
from protocols.nexuspay.wire.base import Reply

_LONGEST: Final = 200  # characters of a name or a place


class BusinessAccounts:
    """The three endpoints below /api/business."""

    def __init__(self, nexus: NexusPay) -> None:
        self._nexus = nexus

    async def request_upgrade(self, request: Request, body: wire.RequestUpgrade) -> Response:
        """Store the upgrade and send a code to the business's phone."""
        call = Call(request)
        phone = normalise_phone(body.phone_number) if body.phone_number[:1] == "+" else None
        if phone is None:
            raise invalid("phoneNumber must be in international format, like +254712345678")
        draft = Firm(
            id="",
            user_id=call.user_id,
            name=_text(body.business_name, "businessName"),
            owner_name=_text(body.owner_name, "ownerName"),
            location=_text(body.location, "location"),
            type=_text(body.business_type, "businessType"),
            phone=phone,
            created_us=0,
        )
        made = await self._nexus.businesses.request(draft)
        if isinstance(made, Denied):
            raise of_sending(made)
        if isinstance(made, AlreadyComplete):
            raise invalid("you have a business account already")
        message = "Business upgrade initiated. Please verify with the OTP sent to your phone."
        data = wire.UpgradeRequested(business_id=made.id, status="pending")
        return respond(Reply(message=message, data=data), 201)

    async def complete_upgrade(self, request: Request, body: wire.CompleteUpgrade) -> Response:
        """Try the code; the business gets its merchant id and address."""
        business = await self._own(Call(request), body.business_id)
        done = await self._nexus.businesses.complete(business, body.otp)
        if isinstance(done, Denied):
            raise of_code(done)
        if isinstance(done, AlreadyComplete):
            raise invalid("the business account is complete already")
        data = wire.UpgradeCompleted(
            business_id=done.id,
            business_name=done.name,
            merchant_id=done.merchant_id,
            wallet_address=done.address,
        )
        return respond(Reply(message="Business account successfully created", data=data))

    async def transfer_funds(self, call: Call, body: wire.TransferFunds) -> Response:
        """Business funds to the owner's personal wallet."""
        amount = token_amount(body.amount, DEFAULT_TOKEN)
        wanted = chain_in(body.chain) if isinstance(body.chain, str) else None
        business = await self._own(call, body.business_id)
        if not business.is_complete:
            raise invalid("the business account is not complete yet")
        own = call.profile.wallet_address
        if own is None or not is_address(body.wallet_address) or not same(body.wallet_address, own):
            raise invalid("walletAddress must be your personal wallet address")
        if is_misspelled(body.wallet_address):
            raise invalid("walletAddress has a wrong checksum")
        chain = wanted or await self._chain_with(business, amount)
        carried(self._nexus, chain, DEFAULT_TOKEN)
        source = Side(business_account(business.user_id, DEFAULT_TOKEN, chain), business.address)
        transfer = Transfer(
            operation=Operation.TRANSFER_FUNDS,
            source=source,
            destination=Side(personal(call.user_id, DEFAULT_TOKEN, chain), own),
            amount=amount,
            initiator=call.user_id,
            target=business.merchant_id,
            description=business.name,
        )
        return await self._transfer(call, transfer)

    async def _transfer(self, call: Call, transfer: Transfer) -> Response:
        def answer(sent: Sent) -> Response:
            line = sent.recorded.line(transfer.destination.account)
            assert line is not None, "the destination has a line in its own journal"
            data = wire.FundsTransferred(
                transaction_id=sent.transaction.id,
                amount=plain(sent.transaction.amount),
                timestamp=iso(sent.transaction.created_us),
                balance_after=number(line.balance),
                sequence=line.sequence,
            )
            return respond(Reply(message="Funds transferred successfully", data=data))

        sent = await self._nexus.transfers.send(transfer, call.ticket, lambda s: save(answer(s)))
        if isinstance(sent, Refusal):
            raise of_refusal(sent)
        call.journaled = True
        return answer(sent)

    async def _own(self, call: Call, business_id: str) -> Firm:
        """404 for a business that is not there, 403 for somebody else's."""
        business = await self._nexus.businesses.by_id(business_id)
        if business is None:
            raise Refused(Problem.NOT_FOUND, "Business not found")
        if business.user_id != call.user_id:
            raise Refused(Problem.FORBIDDEN, details="the business is not yours")
        return business

    async def _chain_with(self, business: Firm, amount: int) -> str:
        """The first chain, in the document's order, with enough on it (NXPY-C31, NXPY-C36)."""
        for chain in CHAINS:
            key = business_account(business.user_id, DEFAULT_TOKEN, chain)
            if await available(self._nexus, key) >= amount:
                return chain
        raise Refused(Problem.INSUFFICIENT_BALANCE)


def _text(text: str, member: str) -> str:
    text = text.strip()
    if not 1 <= len(text) <= _LONGEST:
        raise invalid(f"{member} must have 1 to {_LONGEST} characters")
    return text
