"""The surface's route table: a function a section of the document."""

from collections.abc import Callable
from typing import Any

from protocols.nexuspay.handlers.admin import Admin
from protocols.nexuspay.handlers.auth import Auth
from protocols.nexuspay.handlers.business import BusinessAccounts
from protocols.nexuspay.handlers.history import History
from protocols.nexuspay.handlers.mpesa import Mpesa
from protocols.nexuspay.handlers.receipts import Receipts
from protocols.nexuspay.handlers.spending import Spending
from protocols.nexuspay.handlers.statuses import Statuses
from protocols.nexuspay.handlers.tokens import Tokens
from protocols.nexuspay.keyed import Operation, Replay, guarded, once
from protocols.nexuspay.service import Access, NexusPay, Rate
from protocols.nexuspay.wire import admin, auth, business, history, mpesa, tokens
from protocols.nexuspay.wire.base import Reply
from protocols.web import Route


def routes(nexus: NexusPay) -> tuple[Route, ...]:
    """Every endpoint."""
    table = _Table(nexus)
    return (
        *_auth(table, Auth(nexus)),
        *_tokens(table, Tokens(nexus)),
        *_business(table, BusinessAccounts(nexus)),
        *_mpesa(table, Mpesa(nexus)),
        *_by_receipt_or_wait(table, Receipts(nexus), Spending(nexus)),
        *_history(table, History(nexus)),
        *_admin(table, Admin(nexus), Statuses(nexus)),
    )


class _Table:
    """Makes routes; summaries are the handlers' own."""

    def __init__(self, nexus: NexusPay) -> None:
        self._nexus = nexus

    def get(
        self,
        path: str,
        handler: Callable[..., Any],
        data: Any,
        query: Any = None,
        access: Access = Access.USER,
    ) -> Route:
        """A query; `query` is the struct of its fields."""
        return self._route("GET", path, handler, None, data, access, Rate.QUERY, query=query)

    def change(  # a row of the table names all of it
        self,
        path: str,
        handler: Callable[..., Any],
        body: Any,
        data: Any,
        *,
        access: Access = Access.USER,
        rate: Rate = Rate.TRANSACTION,
        status: int = 200,
        method: str = "POST",
    ) -> Route:
        """A request that changes something but moves no money by itself."""
        return self._route(method, path, handler, body, data, access, rate, status)

    def money(
        self,
        path: str,
        operation: Operation,
        body: Any,
        data: Any,
        *,
        access: Access = Access.MONEY,
        replay: Replay | None = None,
    ) -> Route:
        """A request that moves money; it may carry an Idempotency-Key (X-C29)."""
        handler = once(self._nexus, path, operation, replay)
        summary = _summary(operation)
        return self._route(
            "POST",
            path,
            handler,
            body,
            data,
            access,
            Rate.TRANSACTION,
            summary=summary,
            keyed=True,
        )

    def _route(
        self,
        method: str,
        path: str,
        handler: Callable[..., Any],
        body: Any,
        data: Any,
        access: Access,
        rate: Rate,
        status: int = 200,
        summary: str = "",
        query: Any = None,
        keyed: bool = False,
    ) -> Route:
        return Route(
            method,
            f"/api{path}",
            guarded(self._nexus, handler),
            request=body,
            response=Reply[data],
            access=access,
            rate=rate,
            status=status,
            summary=summary or _summary(handler),
            query=query,
            keyed=keyed,
        )


def _summary(handler: Callable[..., Any]) -> str:
    return (handler.__doc__ or "").strip().partition("\n")[0]


def _auth(table: _Table, handlers: Auth) -> tuple[Route, ...]:
    rows: tuple[tuple[str, Callable[..., Any], Any, Any, int], ...] = (
        ("register", handlers.register, auth.Register, auth.Registered, 201),
        ("register/verify/email", handlers.verify_email, auth.VerifyEmail, auth.LoggedIn, 200),
        ("register/verify/phone", handlers.verify_phone, auth.VerifyPhone, auth.LoggedIn, 200),
        ("login", handlers.log_in, auth.Login, auth.CodeSent, 200),
        ("login/verify", handlers.verify_login, auth.VerifyEmail, auth.LoggedIn, 200),
        ("password-reset/request", handlers.request_reset, auth.ResetRequest, auth.CodeSent, 200),
        ("password-reset", handlers.reset, auth.Reset, None, 200),
    )
    return tuple(
        table.change(
            f"/auth/{path}",
            handler,
            body,
            data,
            access=Access.ANYBODY,
            rate=Rate.AUTHENTICATION,
            status=status,
        )
        for path, handler, body, data, status in rows
    )


def _tokens(table: _Table, handlers: Tokens) -> tuple[Route, ...]:
    return (
        table.money("/token/sendToken", handlers.send, tokens.SendToken, tokens.TokenSent),
        table.money("/token/pay", handlers.pay, tokens.Pay, tokens.Paid),
        table.get(
            "/token/tokenTransferEvents", handlers.events, tokens.TransferEvents, tokens.EventsQuery
        ),
    )


def _business(table: _Table, handlers: BusinessAccounts) -> tuple[Route, ...]:
    return (
        table.change(
            "/business/request-upgrade",
            handlers.request_upgrade,
            business.RequestUpgrade,
            business.UpgradeRequested,
            status=201,
        ),
        table.change(
            "/business/complete-upgrade",
            handlers.complete_upgrade,
            business.CompleteUpgrade,
            business.UpgradeCompleted,
        ),
        table.money(
            "/business/transfer-funds",
            handlers.transfer_funds,
            business.TransferFunds,
            business.FundsTransferred,
        ),
    )


def _mpesa(table: _Table, handlers: Mpesa) -> tuple[Route, ...]:
    deposited, bought = handlers.deposited, handlers.bought
    return (
        table.money(
            "/mpesa/deposit", handlers.deposit, mpesa.Deposit, mpesa.Deposited, replay=deposited
        ),
        table.money(
            "/mpesa/buy-crypto", handlers.buy, mpesa.BuyCrypto, mpesa.Bought, replay=bought
        ),
        table.money("/mpesa/withdraw", handlers.withdraw, mpesa.Withdraw, mpesa.Withdrawn),
        table.money("/mpesa/paybill", handlers.paybill, mpesa.Paybill, mpesa.BillOrdered),
        table.money("/mpesa/till", handlers.till, mpesa.Till, mpesa.BillOrdered),
        table.get("/mpesa/transaction/:id", handlers.status, mpesa.TransactionStatus),
    )


def _by_receipt_or_wait(table: _Table, receipts: Receipts, spending: Spending) -> tuple[Route, ...]:
    return (
        table.change(
            "/mpesa/submit-receipt",
            receipts.submit,
            mpesa.SubmitReceipt,
            mpesa.ReceiptVerified,
            access=Access.MONEY,
        ),
        table.money(
            "/mpesa/pay-with-crypto",
            spending.pay,
            mpesa.PayWithCrypto,
            mpesa.CryptoPaid,
            replay=spending.paid,
        ),
    )


def _history(table: _Table, handlers: History) -> tuple[Route, ...]:
    return (
        table.get("/transactions/history", handlers.history, history.History, history.HistoryQuery),
        table.get(
            "/transactions/dashboard/insights",
            handlers.insights,
            history.Overview,
            history.HistoryQuery,
        ),
        table.get("/transactions/:id", handlers.details, history.Found),
    )


def _admin(table: _Table, handlers: Admin, statuses: Statuses) -> tuple[Route, ...]:
    access = Access.ADMIN
    return (
        table.get("/admin/users", handlers.users, admin.Users, admin.UsersQuery, access=access),
        table.get("/admin/users/:id", handlers.user, admin.OneUser, access=access),
        table.change(
            "/admin/users/promote/:id", handlers.promote, None, admin.Promoted, access=access
        ),
        table.get(
            "/admin/transactions",
            handlers.transactions,
            admin.Transactions,
            admin.TransactionsQuery,
            access=access,
        ),
        table.get(
            "/admin/transactions/:id", handlers.transaction, admin.OneTransaction, access=access
        ),
        table.change(
            "/admin/transactions/:id/status",
            statuses.set,
            admin.SetStatus,
            admin.StatusSet,
            access=Access.ADMIN_MONEY,
            method="PUT",
        ),
        table.get("/admin/platform-wallets", handlers.wallets, admin.Wallets, access=access),
        table.money(
            "/admin/wallets/fund",
            handlers.fund,
            admin.Fund,
            admin.Funded,
            access=Access.ADMIN_MONEY,
        ),
        table.money(
            "/admin/wallets/withdraw-fees",
            handlers.withdraw_fees,
            admin.WithdrawFees,
            admin.FeesWithdrawn,
            access=Access.ADMIN_MONEY,
        ),
    )
