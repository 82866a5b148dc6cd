"""`POST /ops/kill-switch`: stop the bots of one user or of everybody, and let them go on."""

import structlog

from actors.audit import AuditEntry, AuditLog
from actors.bots import Bots
from actors.clock import Clock
from actors.identity_store import StoreUnavailable
from actors.people import Authenticated
from protocols.http import Request, Response, json_response
from protocols.ops import wire
from protocols.web import Route

log = structlog.get_logger(__name__)

_LONGEST_ID = 18  # digits


def kill_switch_route(bots: Bots, audit: AuditLog, clock: Clock) -> Route:
    """For administrators, by the surface's own check; audited, at once, and without a restart."""

    async def switch(
        request: Request, body: wire.KillSwitchRequest
    ) -> wire.KillSwitchResponse | Response:
        whose, who = body.user_id, request.principal
        assert isinstance(who, Authenticated)
        if whose is not None and not _is_id(whose):
            return json_response({"error": "user_id must be a user's id"}, 400)
        entry = AuditEntry(
            at_us=clock.now_us(),
            operator_id=who.user_id,
            how=",".join(who.amr),
            action="stop trading" if body.on else "allow trading",
            subject=f"user:{whose}" if whose is not None else "everybody",
        )
        try:
            await bots.kill_switch(None if whose is None else int(whose), body.on)
            await audit.write(entry)
        except StoreUnavailable:
            return json_response({"error": "unavailable"}, 503)
        log.warning("ops.kill_switch", on=body.on, user_id=whose, by=who.user_id)
        return wire.KillSwitchResponse(on=body.on, user_id=whose)

    return Route(
        "POST",
        "/kill-switch",
        switch,
        request=wire.KillSwitchRequest,
        response=wire.KillSwitchResponse,
        summary="Stop all trading, or allow it again",
    )


def _is_id(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= _LONGEST_ID and int(text) > 0
