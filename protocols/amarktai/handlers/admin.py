"""What administrators do (document 004, "Admin Endpoints"); every change is audited."""

from typing import Final

from actors.audit import AuditEntry
from actors.identity_store import UserOrder
from domain.identity import Profile
from protocols.amarktai.checks import whole_in
from protocols.amarktai.codec import iso
from protocols.amarktai.handlers.bots import granted
from protocols.amarktai.render import bot_row
from protocols.amarktai.service import Amarktai
from protocols.amarktai.wire import admin as wire
from protocols.amarktai.wire import bots
from protocols.amarktai.wire.bots import BotMoved
from protocols.keyed import Call

_USERS_MOST: Final = 10_000  # in one answer; `offset` shows the others
_OFFSET_MOST: Final = 10**9


class Admin:
    """The three endpoints below /api/admin."""

    def __init__(self, amarktai: Amarktai) -> None:
        self._amarktai = amarktai

    async def users(self, call: Call) -> wire.Users:
        """Everybody who is not deleted, oldest first; limit and offset are additive."""
        limit = whole_in(call.request, "limit", _USERS_MOST, 1, _USERS_MOST)
        offset = whole_in(call.request, "offset", 0, 0, _OFFSET_MOST)
        page, total = await self._amarktai.people.page(
            UserOrder.CREATED, descending=False, limit=limit, offset=offset
        )
        return wire.Users(users=[_user(profile) for profile in page], total=total)

    async def bots(self, call: Call) -> bots.Bots:
        """Everybody's bots, or one person's."""
        text = call.request.query.get("user_id")
        if text is None:
            found = await self._amarktai.bots.list(None)
        elif text.isascii() and text.isdigit() and len(text) <= 18:
            found = await self._amarktai.bots.list(int(text))
        else:
            found = []  # nobody has such an id
        return bots.Bots(bots=[bot_row(bot, owner=True) for bot in found], total=len(found))

    async def pause(self, call: Call) -> BotMoved:
        """Pause anybody's bot; its owner gets an alert (FA-10)."""
        bot_id = call.request.params["bot_id"]
        paused = granted(await self._amarktai.bots.pause(None, bot_id))
        await self._amarktai.audit.write(
            AuditEntry(
                at_us=self._amarktai.clock.now_us(),
                operator_id=call.user_id,
                how=",".join(call.who.amr),
                action="pause bot",
                subject=bot_id,
                note=f"bot of user {paused.user_id}",
            )
        )
        return BotMoved(bot_id=bot_id, status=paused.status.value)


def _user(profile: Profile) -> wire.User:
    return wire.User(
        id=str(profile.user_id),
        email=profile.email or "",
        first_name=profile.first_name,
        is_admin=profile.is_admin,
        created_at=iso(profile.created_at_us),
    )
