"""The surface's route table: a function a section of the document."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from protocols.amarktai.calls import guarded, once, simple
from protocols.amarktai.handlers.admin import Admin
from protocols.amarktai.handlers.auth import Auth
from protocols.amarktai.handlers.bots import Bots
from protocols.amarktai.handlers.chat import Chat
from protocols.amarktai.handlers.system import System
from protocols.amarktai.handlers.wallet import Wallet
from protocols.amarktai.service import Access, Amarktai
from protocols.amarktai.spoken import STREAMED
from protocols.amarktai.stream import stream_of
from protocols.amarktai.wire import admin, auth, bots, chat, system, wallet
from protocols.amarktai.wire.base import Done, FollowQuery, NewestQuery, PageQuery
from protocols.http import Request
from protocols.sse import EventStream
from protocols.web import Route


def routes(amarktai: Amarktai) -> tuple[Route, ...]:
    """Every endpoint."""
    table = _Table(amarktai)
    return (
        *_auth(table, Auth(amarktai)),
        *_system(table, System(amarktai)),
        *_bots(table, Bots(amarktai)),
        *_chat(table, Chat(amarktai)),
        *_wallet(table, Wallet(amarktai)),
        *_admin(table, Admin(amarktai)),
        _stream(amarktai),
    )


class _Table:
    """Makes routes; summaries are the handlers' own."""

    def __init__(self, amarktai: Amarktai) -> None:
        self._amarktai = amarktai

    def public(
        self, method: str, path: str, handler: Callable[..., Any], response: Any, body: Any = None
    ) -> Route:
        """For anybody."""
        return self._route(method, path, handler, response, body, Access.ANYBODY, 200)

    def user(
        self,
        method: str,
        path: str,
        handler: Callable[..., Any],
        response: Any,
        body: Any = None,
        access: Access = Access.USER,
        query: Any = None,
    ) -> Route:
        """For whoever has a token."""
        route = self._route(method, path, simple(handler), response, body, access, 200, handler)
        return replace(route, query=query)

    def keyed(
        self,
        path: str,
        handler: Callable[..., Any],
        response: Any,
        body: Any,
        status: int = 200,
    ) -> Route:
        """As `user`, a POST that moves money and honours an idempotency key."""
        operation = once(self._amarktai, path, handler)
        user = Access.USER
        route = self._route("POST", path, operation, response, body, user, status, handler)
        return replace(route, keyed=True)

    def _route(  # a row of the table names all of it
        self,
        method: str,
        path: str,
        operation: Callable[..., Any],
        response: Any,
        body: Any,
        access: Access,
        status: int,
        named: Callable[..., Any] | None = None,
    ) -> Route:
        text = (named or operation).__doc__ or ""
        return Route(
            method,
            path,
            guarded(self._amarktai, operation),
            request=body,
            response=response,
            access=access,
            status=status,
            summary=text.partition("\n")[0],
        )


def _auth(table: _Table, handlers: Auth) -> tuple[Route, ...]:
    """Document 004, "Authentication"."""
    return (
        table.public(
            "POST", "/api/auth/register", handlers.register, auth.Registered, auth.Register
        ),
        table.public("POST", "/api/auth/login", handlers.log_in, auth.LoggedIn, auth.Login),
        table.user("POST", "/api/auth/2fa/enroll", handlers.enroll, auth.Enrolled),
        table.user("POST", "/api/auth/2fa/verify", handlers.verify, Done, auth.VerifyTotp),
    )


def _system(table: _Table, handlers: System) -> tuple[Route, ...]:
    """Document 004, "Core", "System" and "Platform & Provider Endpoints"."""
    return (
        table.public("GET", "/api/system/ping", handlers.ping, system.Ping),
        table.user("GET", "/api/system/status", handlers.status, system.Status),
        table.user("GET", "/api/system/mode", handlers.mode, system.Mode),
        table.user("POST", "/api/system/mode", handlers.set_mode, system.ModeSet, system.SetMode),
        table.public("GET", "/api/system/platforms", handlers.platforms, system.Platforms),
        table.user("GET", "/api/platforms/health", handlers.health, system.PlatformHealth),
        table.public("GET", "/api/providers", handlers.providers, system.Providers),
        table.user(
            "POST", "/api/keys/test", handlers.test_keys, system.KeysTested, system.TestKeys
        ),
    )


def _bots(table: _Table, handlers: Bots) -> tuple[Route, ...]:
    """Document 004, "Bot Management" and "Trading Endpoints"; stop and start are additive."""
    one = "/api/bots/:bot_id"
    return (
        table.user("GET", "/api/bots", handlers.list, bots.Bots, query=bots.BotsQuery),
        table.keyed("/api/bots", handlers.create, bots.BotCreated, bots.NewBot, 201),
        table.user("DELETE", one, handlers.delete, bots.BotDeleted),
        table.user("POST", f"{one}/pause", handlers.pause, bots.BotMoved),
        table.user("POST", f"{one}/resume", handlers.resume, bots.BotMoved),
        table.user("POST", f"{one}/stop", handlers.stop, bots.BotMoved),
        table.user("POST", f"{one}/start", handlers.start, bots.BotMoved),
        table.user("GET", "/api/trades", handlers.trades, bots.Trades, query=bots.TradesQuery),
        table.user("GET", "/api/metrics", handlers.metrics, bots.Metrics),
    )


def _chat(table: _Table, handlers: Chat) -> tuple[Route, ...]:
    """Document 004, "AI Chat"."""
    return (
        table.user("POST", "/api/ai/chat", handlers.say, chat.Said, chat.Say),
        table.user("POST", "/api/chat/message", handlers.say_short, chat.SaidShort, chat.Say),
        table.user(
            "GET", "/api/ai/chat/history", handlers.history, chat.History, query=NewestQuery
        ),
        table.user("POST", "/api/ai/chat/greeting", handlers.greeting, chat.Greeting),
        table.user("POST", "/api/ai/chat/clear", handlers.clear, Done),
    )


def _wallet(table: _Table, handlers: Wallet) -> tuple[Route, ...]:
    """Document 004, "Wallet & Fund Management"."""
    return (
        table.user("GET", "/api/wallet/balances", handlers.balances, wallet.Balances),
        table.user("GET", "/api/wallet/transfers", handlers.transfers, wallet.Transfers),
        table.keyed(
            "/api/wallet/transfer",
            handlers.transfer,
            wallet.TransferRequested,
            wallet.TransferRequest,
        ),
    )


def _admin(table: _Table, handlers: Admin) -> tuple[Route, ...]:
    """Document 004, "Admin Endpoints"."""
    admins = Access.ADMIN
    return (
        table.user(
            "GET",
            "/api/admin/users",
            handlers.users,
            admin.Users,
            access=admins,
            query=PageQuery,
        ),
        table.user(
            "GET",
            "/api/admin/bots",
            handlers.bots,
            bots.Bots,
            access=admins,
            query=bots.OwnerQuery,
        ),
        table.user(
            "POST", "/api/admin/bot/:bot_id/pause", handlers.pause, bots.BotMoved, access=admins
        ),
    )


def _stream(amarktai: Amarktai) -> Route:
    """Document 004, "SSE"."""
    opened = stream_of(amarktai)

    async def events(request: Request) -> EventStream:
        return opened(request)

    return Route(
        "GET",
        "/api/realtime/events",
        events,
        access=Access.STREAM,
        query=FollowQuery,
        events=STREAMED,
        summary="Server-sent events: heartbeat, overview_update, bot_update, trade_update",
    )
