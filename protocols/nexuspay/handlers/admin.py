"""Administration: users, transactions, the platform's wallets (document 002, "Admin").

What an administrator changes is audited (NXPY-C57).
"""

from typing import Any, Final

from actors.audit import AuditEntry
from actors.identity_store import UserOrder
from actors.token_transfers import Sent
from actors.treasury import Withdrawn
from domain.identity import Profile, Role
from domain.identity import Refused as Denied
from domain.ledger import AccountKey, Refusal
from domain.money import plain, round_down
from domain.nexuspay.catalogue import DEFAULT_TOKEN
from domain.nexuspay.codes import is_object_id, is_transaction_id
from domain.nexuspay.paging import Page
from domain.nexuspay.transactions import Filters, Status, Transaction, Type
from domain.nexuspay.treasury import personal
from protocols.http import Request, Response
from protocols.keyed import Call
from protocols.nexuspay.calls import respond, save
from protocols.nexuspay.checks import carried, chain_in, page_in, pagination, token_amount
from protocols.nexuspay.codec import cents, iso, iso_or_none, number
from protocols.nexuspay.errors import Problem, Refused, invalid, of_code, of_refusal
from protocols.nexuspay.handlers.history import choice, moment
from protocols.nexuspay.service import NexusPay
from protocols.nexuspay.wire import admin as wire
from protocols.nexuspay.wire.base import Reply

_SORTS: Final = {
    "createdAt": UserOrder.CREATED,
    "lastLogin": UserOrder.LAST_LOGIN,
    "email": UserOrder.EMAIL,
    "phoneNumber": UserOrder.PHONE,
    "role": UserOrder.ROLE,
}  # NXPY-C63
_ORDERS: Final = {"asc": False, "desc": True}
_NEWEST: Final = Page(1, 50)  # of one user's transactions


class Admin:
    """The endpoints below /api/admin that read, promote and move money."""

    def __init__(self, nexus: NexusPay) -> None:
        self._nexus = nexus

    async def users(self, request: Request) -> Response:
        """Everybody, a page at a time."""
        order = _SORTS.get(request.query.get("sortBy", "createdAt"))
        descending = _ORDERS.get(request.query.get("order", "desc"))
        if order is None or descending is None:
            raise invalid(f"sortBy must be one of {', '.join(_SORTS)}, order asc or desc")
        page = page_in(request)
        found, total = await self._nexus.people.page(
            order, descending=descending, limit=page.limit, offset=page.offset
        )
        users = [_user(profile) for profile in found]
        data = wire.Users(users=users, pagination=pagination(page, total))
        return respond(Reply(message="Users retrieved successfully", data=data))

    async def user(self, request: Request) -> Response:
        """One user with transactions and balances."""
        profile = await self._person(request.params["id"])
        store = self._nexus.transactions
        now_us = self._nexus.clock.now_us()
        found, _ = await store.history(profile.user_id, Filters(), _NEWEST, now_us)
        shown = _user(profile)
        detail = wire.UserDetail(
            **{name: getattr(shown, name) for name in shown.__struct_fields__},
            transactions=[_of_user(each) for each in found.transactions],
            wallet_balance=await self._balances(profile.user_id),
        )
        data = wire.OneUser(user=detail)
        return respond(Reply(message="User retrieved successfully", data=data))

    async def promote(self, request: Request) -> Response:
        """Make a user an administrator; tokens in use pass at once (X-C08). Of everything, unless
        surfaces keep flags of their own."""
        profile = await self._person(request.params["id"])
        own = self._nexus.settings.own_admins
        role = Role.NEXUSPAY_ADMIN if own else Role.ADMIN
        promoted = await self._nexus.people.promote(profile.user_id, role)
        if isinstance(promoted, Denied):
            raise of_code(promoted)
        await self._nexus.audit.write(
            AuditEntry(
                at_us=self._nexus.clock.now_us(),
                operator_id=request.principal.user_id,
                how=",".join(request.principal.amr),
                action="promote user",
                subject=f"user:{profile.user_id}",
            )
        )
        data = wire.Promoted(user_id=promoted.object_id, email=promoted.email, role=_role(promoted))
        return respond(Reply(message="User promoted to admin successfully", data=data))

    async def transactions(self, request: Request) -> Response:
        """Everybody's transactions, filtered, newest first."""
        query, page = request.query, page_in(request)
        filters = Filters(
            status=choice(query.get("status"), Status, "status"),
            type=choice(query.get("type"), Type, "type"),
            from_us=moment(query.get("startDate"), "startDate"),
            to_us=moment(query.get("endDate"), "endDate", end_of_day=True),
            user_id=await self._user_id(query.get("userId")),
        )
        found = await self._nexus.transactions.everybodys(filters, page)
        shown = [await self._shown(each) for each in found.transactions]
        data = wire.Transactions(transactions=shown, pagination=pagination(page, found.total))
        return respond(Reply(message="Transactions retrieved successfully", data=data))

    async def transaction(self, request: Request) -> Response:
        """Anybody's transaction."""
        found = await find_any(self._nexus, request.params["id"])
        data = wire.OneTransaction(transaction=await self._shown(found))
        return respond(Reply(message="Transaction retrieved successfully", data=data))

    async def wallets(self, _request: Request) -> Response:
        """What the platform's two wallets have."""
        treasury = self._nexus.treasury
        balances = await treasury.balances()
        data = wire.Wallets(
            main_wallet=wire.PlatformWallet(
                address=treasury.main_address, balance=number(balances.main)
            ),
            fees_wallet=wire.PlatformWallet(
                address=treasury.fees_address, balance=number(balances.fees)
            ),
        )
        return respond(Reply(message="Platform wallet status retrieved successfully", data=data))

    async def fund(self, call: Call, body: wire.Fund) -> Response:
        """Give a user USDC of the platform."""
        chain = chain_in(body.chain_name)
        carried(self._nexus, chain, DEFAULT_TOKEN)
        amount = token_amount(body.amount, DEFAULT_TOKEN)
        person = await self._person(body.user_id)

        def answer(sent: Sent) -> Response:
            account = personal(person.user_id, DEFAULT_TOKEN, chain)
            data = wire.Funded(
                user_id=person.object_id,
                amount=number(amount),
                transaction_hash=sent.transaction.tx_hash,
                recipient_address=person.wallet_address,
                **_moved(sent, account),
            )
            return respond(Reply(message="User wallet funded successfully", data=data))

        sent = await self._nexus.treasury.fund(
            call.who, person, chain, amount, call.ticket, lambda sent: save(answer(sent))
        )
        if isinstance(sent, Refusal):
            raise of_refusal(sent)
        call.journaled = True
        return answer(sent)

    async def withdraw_fees(self, call: Call, body: wire.WithdrawFees) -> Response:
        """Move collected fees to the main wallet."""
        amount = token_amount(body.amount, DEFAULT_TOKEN)
        treasury = self._nexus.treasury

        def answer(withdrawn: Withdrawn) -> Response:
            data = wire.FeesWithdrawn(
                amount=number(withdrawn.amount),
                transaction_hash=withdrawn.tx_hash,
                from_address=treasury.fees_address,
                to_address=treasury.main_address,
            )
            return respond(Reply(message="Fees withdrawn to main wallet successfully", data=data))

        done = await treasury.withdraw_fees(
            call.who, amount, call.ticket, lambda done: save(answer(done))
        )
        if isinstance(done, Refusal):
            raise of_refusal(done)
        call.journaled = True
        return answer(done)

    async def _person(self, object_id: str) -> Profile:
        profile = None
        if is_object_id(object_id):
            profile = await self._nexus.people.by_object_id(object_id)
        if profile is None or profile.deleted:
            raise Refused(Problem.NOT_FOUND, "User not found")
        return profile

    async def _user_id(self, object_id: str | None) -> int | None:
        """The user a list is filtered by; -1, who has no transactions, for nobody."""
        if object_id is None:
            return None
        if not is_object_id(object_id):
            raise invalid("userId must be 24 hex digits")
        profile = await self._nexus.people.by_object_id(object_id)
        return -1 if profile is None else profile.user_id

    async def _balances(self, user_id: int) -> dict[str, str]:
        """Two decimals, cut; tokens on chains only."""
        totals: dict[str, int] = {}
        for account in await self._nexus.accounts.owned_by(user_id):
            key = account.key
            if key == personal(user_id, key.asset, key.chain) and key.chain and account.posted:
                totals[key.asset] = totals.get(key.asset, 0) + account.posted
        return {token: plain(round_down(units, 2), 2) for token, units in totals.items()}

    async def _shown(self, transaction: Transaction) -> wire.Transaction:
        profile = await self._nexus.people.profile(transaction.user_id)
        return wire.Transaction(
            transaction_id=transaction.id,
            amount=cents(transaction.kes),
            crypto_amount=number(transaction.amount),
            type=transaction.type.value,
            status=transaction.status.value,
            user_id=wire.Owner(
                phone_number=None if profile is None else profile.phone,
                email=None if profile is None else profile.email,
                wallet_address=None if profile is None else profile.wallet_address,
            ),
            mpesa_transaction_id=transaction.mpesa_id or None,
            crypto_transaction_hash=transaction.tx_hash or None,
            created_at=iso(transaction.created_us),
            completed_at=iso_or_none(transaction.completed_us),
        )


async def find_any(nexus: NexusPay, wanted: str) -> Transaction:
    """Anybody's transaction by either of its ids; 404 for none."""
    found = None
    if is_transaction_id(wanted) or is_object_id(wanted):
        found = await nexus.transactions.find_any(wanted)
    if found is None:
        raise Refused(Problem.NOT_FOUND, "Transaction not found")
    return found


def _moved(sent: Sent, account: AccountKey) -> dict[str, Any]:
    line = sent.recorded.line(account)
    assert line is not None, "whoever is funded has a line in the journal"
    return {"balance_after": number(line.balance), "sequence": line.sequence}


def _role(profile: Profile) -> str:
    """The role in document 002's words."""
    return (Role.ADMIN if profile.is_nexuspay_admin else Role.USER).value


def _user(profile: Profile) -> wire.User:
    return wire.User(
        id=profile.object_id,
        email=profile.email,
        phone_number=profile.phone,
        wallet_address=profile.wallet_address,
        role=_role(profile),
        created_at=iso(profile.created_at_us),
        last_login=iso_or_none(profile.last_login_us),
    )


def _of_user(transaction: Transaction) -> wire.UserTransaction:
    return wire.UserTransaction(
        transaction_id=transaction.id,
        amount=cents(transaction.kes),
        type=transaction.type.value,
        status=transaction.status.value,
        created_at=iso(transaction.created_us),
    )
