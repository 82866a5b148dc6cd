"""The control endpoints as one route table at the root."""

from datetime import UTC, datetime
from decimal import InvalidOperation
from typing import Any, Final

import msgspec

from actors.clock import US
from domain.identity import Profile
from domain.identity.contact import normalise_email
from protocols.described import Errors
from protocols.http import Request
from protocols.sandbox import wire
from protocols.sandbox.answers import change, look, patient, refused
from protocols.sandbox.chains import chain_routes
from protocols.sandbox.persons import BadRequest, make_user
from protocols.sandbox.service import Sandbox
from protocols.web import About, Route

# The clock's offset is kept: moved out of the years that dates and the database can write, it
# would end this server and every later start.
_LATEST_S: Final = int(datetime(3000, 1, 1, tzinfo=UTC).timestamp())


def sandbox_routes(sandbox: Sandbox) -> tuple[Route, ...]:
    """Routes under /sandbox; app.py leaves them out in live mode."""
    control = Control(sandbox)
    routes = (
        change("users", control.users, wire.NewUser, wire.UserMade),
        change("users/:user", control.change_user, wire.UserChange, wire.UserChanged),
        change("token", control.token, wire.WhoBody, wire.TokenMade),
        look("messages", control.messages, wire.Messages, wire.MessagesQuery),
        change("clock", control.clock, wire.ClockBody, wire.ClockShown),
        change("mpesa", control.mpesa, wire.RuleBody, wire.Ok),
        look("mpesa/operations", control.operations, wire.Operations, wire.OperationsQuery),
        change("mpesa/callback", control.callback, wire.CallbackBody, wire.Ok),
        change("faults", control.faults, wire.FaultBody, wire.Ok),
        change("rates", control.rates, wire.RateBody, wire.Ok),
        change("market", control.market, wire.MarketBody, wire.Ok),
        look("ledger", control.ledger, wire.LedgerReport),
        *chain_routes(sandbox.chains),
    )
    return tuple(patient(route, sandbox.unavailable) for route in routes)


def _refusals(route: Route) -> Errors:
    return dict.fromkeys((400, 404), wire.Refusal) if route.request is not None else {}


ABOUT: Final = About(
    title="Sandbox",
    text="Control of the sandbox; in live mode these answer 404. No authentication.",
    error=wire.Refusal,
    errors=_refusals,
)


async def find(sandbox: Sandbox, who: str) -> Profile | None:
    """A user by id, e-mail or agent id."""
    people = sandbox.people
    if "\0" in who:  # PostgreSQL's text cannot hold it
        return None
    if who.isascii() and who.isdigit() and len(who) < 19:
        return await people.profile(int(who))
    if "@" in who:
        email = normalise_email(who)
        return await people.by_email(email) if email is not None else None
    return await people.by_agent_id(who)


class Control:
    """Handlers."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    async def users(self, _request: Request, body: wire.NewUser) -> Any:
        """Make a verified person with money."""
        try:
            return await make_user(self._sandbox, body)
        except BadRequest as error:
            return refused(400, str(error))

    async def change_user(self, request: Request, body: wire.UserChange) -> Any:
        """Switch a person's wallet, delete a person, lock an account."""
        sandbox = self._sandbox
        profile = await find(sandbox, request.params["user"])
        if profile is None:
            return refused(404, "user not found")
        if body.wallet_active is not None:
            await sandbox.people.set_wallet_active(profile.user_id, body.wallet_active)
        if body.deleted is not None:
            await sandbox.people.set_deleted(profile.user_id, body.deleted)
        if body.account_locked is not None and not await self._lock(body.account_locked):
            return refused(404, "account not found")
        return wire.UserChanged(user_id=str(profile.user_id))

    async def _lock(self, number: str) -> bool:
        sandbox = self._sandbox
        snapshot = await sandbox.accounts.by_number(number)
        if snapshot is None or not await sandbox.locks.set_locked(number, True):
            return False
        account = await sandbox.ledger.accounts.get(snapshot.key)
        if account is not None:
            account.is_locked = True
        return True

    async def token(self, _request: Request, body: wire.WhoBody) -> Any:
        """A token by user id, e-mail or agent id."""
        profile = await find(self._sandbox, body.user)
        if profile is None:
            return refused(404, "user not found")
        return wire.TokenMade(token=self._sandbox.people.issue_token(profile, ("pwd", "otp")))

    async def messages(self, request: Request) -> Any:
        """Mail, SMS and WhatsApp that were sent, newest first."""
        rows = self._sandbox.messages.messages(request.query.get("to"))
        found = [msgspec.convert(row, wire.MessageRow, from_attributes=True) for row in rows]
        return wire.Messages(messages=found)

    async def clock(self, _request: Request, body: wire.ClockBody) -> Any:
        """Move the application's clock; it never goes back."""
        clock, seconds = self._sandbox.clock, body.advance_seconds
        if seconds < 0:
            return refused(400, "the clock never goes back")
        if seconds and clock.now_s() + seconds > _LATEST_S:
            return refused(400, "the clock ends with the year 2999")
        # Kept first: after a crash in between, the clock is ahead of what was answered, not behind.
        await self._sandbox.keep_clock(clock.offset_us + seconds * US)
        now = datetime.fromtimestamp(clock.advance(seconds) // US, UTC)
        return wire.ClockShown(now=f"{now:%Y-%m-%dT%H:%M:%SZ}")

    async def mpesa(self, _request: Request, body: wire.RuleBody) -> Any:
        """Say what the simulated M-Pesa does with matching operations."""
        try:
            await self._sandbox.set_rule(msgspec.structs.asdict(body))
        except (ValueError, msgspec.ValidationError) as error:
            return refused(400, str(error))
        return wire.Ok()

    async def operations(self, request: Request) -> Any:
        """What reached the simulated M-Pesa, newest first."""
        phone, target = request.query.get("phone", ""), request.query.get("target", "")
        rows = self._sandbox.mpesa.operations(phone=phone, target=target)
        return wire.Operations(operations=msgspec.convert(rows, list[wire.OperationRow]))

    async def callback(self, _request: Request, body: wire.CallbackBody) -> Any:
        """Make the simulated M-Pesa call back again, late or otherwise."""
        try:
            known = await self._sandbox.mpesa.callback(
                body.checkout or body.conversation, body.outcome
            )
        except ValueError as error:
            return refused(400, str(error))
        return wire.Ok() if known else refused(404, "operation not found")

    async def faults(self, _request: Request, body: wire.FaultBody) -> Any:
        """Break something for a while."""
        if body.target == "bot":
            return await self._fail_bot(body)
        switch = self._sandbox.faults.get(body.target)
        if switch is None or body.fault not in {"down", "slow", "error"}:
            return refused(400, "unknown target or fault")
        try:
            await switch(body.fault, body.seconds, body.times)
        except ValueError as error:
            return refused(400, str(error))
        return wire.Ok()

    async def _fail_bot(self, body: wire.FaultBody) -> Any:
        """A bot's strategy raises for its next ticks, whichever fault is named."""
        if body.bot_id is None:
            return refused(400, "a bot's fault needs bot_id")
        times = 1 if body.times is None else body.times
        known = await self._sandbox.fail_bot(body.bot_id, times)
        return wire.Ok() if known else refused(404, "bot not found")

    async def rates(self, _request: Request, body: wire.RateBody) -> Any:
        """Set the rate source's next answer."""
        try:
            self._sandbox.rates.set_rate(body.pair, body.rate)
        except (ValueError, InvalidOperation) as error:
            return refused(400, str(error) or "not a rate")
        return wire.Ok()

    async def market(self, _request: Request, body: wire.MarketBody) -> Any:
        """The simulated exchange's next tick, or how its prices move from here."""
        if body.price is None and body.script is None:
            return refused(400, "price or script is missing")
        markets = self._sandbox.markets
        try:
            if body.price is not None:
                markets.set_price(body.platform, body.symbol, body.price)
            if body.script is not None:
                markets.play(body.platform, body.symbol, body.script)
        except ValueError as error:
            return refused(400, str(error))
        return wire.Ok()

    async def ledger(self, _request: Request) -> Any:
        """The checks of `verify` on the running server."""
        return await self._sandbox.verify()
