"""The sandbox's language model: chat completions with tools, by the grammar's own understanding.

It reads the bots out of the system message, as a model would, and answers with one tool call.
Faults: `down` hangs up, `error` answers 500, `slow` answers later than its client waits.
"""

from itertools import count
from typing import Any, Final

import msgspec
import trio

from domain.assistant.grammar import understand
from domain.assistant.intents import (
    ActOnAll,
    ActOnBot,
    Describe,
    NamedBot,
    SetMode,
    Show,
)
from providers.assistant import wire
from providers.sandbox.fault import Fault
from providers.sandbox.server import Hangup, HttpReply, HttpRequest, serve_http

API_KEY: Final = "sandbox-assistant"
MODEL: Final = "sandbox-grammar"
_SLOW_S: Final = 12.0
_PATH: Final = "/v1/chat/completions"
_requests: Final = msgspec.json.Decoder(wire.Request)
_bots: Final = msgspec.json.Decoder(list[NamedBot])


class AssistantServer:
    """Answers one model's requests."""

    def __init__(self, fault: Fault, *, slow_seconds: float = _SLOW_S) -> None:
        self._fault = fault
        self._slow_seconds = slow_seconds
        self._ids = count(1)

    async def serve(self, *, task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve until cancelled; `task_status.started(port)`."""
        await serve_http(self.handle, task_status=task_status)

    async def handle(self, request: HttpRequest) -> HttpReply:
        """One completion."""
        match self._fault.take("down", "error", "slow"):
            case "down":
                raise Hangup
            case "error":
                return _failed(500, "The server had an error")
            case "slow":
                await trio.sleep(self._slow_seconds)
        if (request.method, request.path) != ("POST", _PATH):
            return _failed(404, "Unknown request URL")
        if request.headers.get("authorization") != f"Bearer {API_KEY}":
            return _failed(401, "Incorrect API key provided")
        try:
            asked = _requests.decode(request.body)
            bots = _bots.decode(asked.messages[0].content.rpartition("as JSON: ")[2])
        except (msgspec.MsgspecError, IndexError):
            return _failed(400, "Invalid request")
        name, arguments = _call(asked.messages[-1].content, bots)
        call = wire.ToolCall(
            id=f"call_{next(self._ids)}",
            function=wire.FunctionCall(
                name=name, arguments=msgspec.json.encode(arguments).decode()
            ),
        )
        choice = wire.Choice(
            message=wire.AnswerMessage(tool_calls=[call]), finish_reason="tool_calls"
        )
        return HttpReply(200, msgspec.json.encode(wire.Answer(choices=[choice])))


def _call(text: str, bots: list[NamedBot]) -> tuple[str, dict[str, Any]]:
    match understand(text, bots):
        case Show(topic):
            return "show", {"topic": topic}
        case Describe(bot_id):
            return "describe_bot", {"bot_id": bot_id}
        case ActOnBot(act, bot_id):
            return "act_on_bot", {"action": act, "bot_id": bot_id}
        case ActOnAll(act):
            return "act_on_all_bots", {"action": act}
        case SetMode(mode):
            return "set_mode", {"mode": mode}
        case _:
            return "not_understood", {}


def _failed(status: int, message: str) -> HttpReply:
    return HttpReply(status, msgspec.json.encode({"error": {"message": message}}))
