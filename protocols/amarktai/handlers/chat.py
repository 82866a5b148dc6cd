"""The assistant's endpoints (document 004, "AI Chat")."""

from typing import Final

from actors.assistant import EXPIRES_S, Action
from domain.assistant.intents import ActOnAll, ActOnBot, SetMode
from protocols.amarktai.checks import text_in, whole_in
from protocols.amarktai.codec import iso
from protocols.amarktai.service import Amarktai
from protocols.amarktai.wire import chat as wire
from protocols.amarktai.wire.base import Done
from protocols.keyed import Call

LONGEST_MESSAGE: Final = 4_000  # characters
_LISTED: Final = 50  # messages by default (AMKT-171)
_LISTED_MOST: Final = 500


class Chat:
    """Both ways to talk share one conversation (AMKT-C27)."""

    def __init__(self, amarktai: Amarktai) -> None:
        self._assistant = amarktai.assistant

    async def say(self, call: Call, body: wire.Say) -> wire.Said:
        """Answer, with the action that waits for its token."""
        answer = await self._assistant.say(call.profile, _message(body))
        action = answer.action
        return wire.Said(
            response=answer.text if action is None else answer.with_token,
            requires_confirmation=action is not None,
            actions=[] if action is None else [_action(action)],
        )

    async def say_short(self, call: Call, body: wire.Say) -> wire.SaidShort:
        """Answer; the token, if there is one, is in the text (AMKT-165)."""
        answer = await self._assistant.say(call.profile, _message(body))
        return wire.SaidShort(response=answer.with_token, timestamp=iso(answer.at_us))

    async def history(self, call: Call) -> wire.History:
        """The newest messages, oldest first."""
        limit = whole_in(call.request, "limit", _LISTED, 1, _LISTED_MOST)
        messages = await self._assistant.history(call.user_id, limit)
        return wire.History(
            messages=[
                wire.Line(role=one.role, content=one.content, timestamp=iso(one.at_us))
                for one in messages
            ]
        )

    async def greeting(self, call: Call) -> wire.Greeting:
        """The welcome and today's report."""
        report = await self._assistant.greet(call.profile)
        daily = wire.Report(summary=report.summary, highlights=report.highlights)
        return wire.Greeting(greeting=report.greeting, daily_report=daily)

    async def clear(self, call: Call) -> Done:
        """Forget the conversation."""
        await self._assistant.clear(call.user_id)
        return Done(message="Chat history cleared")


def _message(body: wire.Say) -> str:
    return text_in(body.message, "message", LONGEST_MESSAGE)


def _action(action: Action) -> wire.Action:
    token = action.token
    match action.proposal:
        case ActOnBot(act, bot_id):
            return wire.Action(
                type=f"{act.value}_bot",
                bot_id=bot_id,
                confirmation_token=token,
                expires_in=EXPIRES_S,
            )
        case ActOnAll(act, bot_ids):
            return wire.Action(
                type=f"{act.value}_bots",
                bot_ids=bot_ids,
                confirmation_token=token,
                expires_in=EXPIRES_S,
            )
        case SetMode(mode):
            return wire.Action(
                type="set_mode",
                mode=mode.value,
                confirmation_token=token,
                expires_in=EXPIRES_S,
            )
