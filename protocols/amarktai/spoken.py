"""Every message of socket and event stream as documents describe it (AMKT-C33..C36)."""

from typing import Final, Literal

from protocols.amarktai.wire import bots as wire
from protocols.described import Said, narrowed

_PING: Final = narrowed("PingFrame", wire.Incoming, "Answered by a pong.", type=Literal["ping"])
_RELOAD: Final = Said(
    "reload_required", wire.ReloadRequired, "What was missed is not kept any more"
)
ASKED: Final = (Said("ping", _PING, "Whether the server is there", answers=("pong", "error")),)
TOLD: Final = (
    Said("pong", wire.Pong, "The server's time"),
    Said("error", wire.Problem, "A message that is none of ours"),
    Said("bot_update", wire.BotUpdate, "A bot changed"),
    Said("trade_executed", wire.TradeExecuted, "A bot traded"),
    Said("alert", wire.Alert, "Something its owner should know"),
    _RELOAD,
)
STREAMED: Final = (
    Said("heartbeat", wire.Heartbeat, "The stream is alive"),
    Said("overview_update", wire.OverviewUpdate, "The totals changed"),
    Said("bot_update", wire.CountUpdate, "The number of bots changed"),
    Said("trade_update", wire.TradeUpdate, "The latest trades"),
    _RELOAD,
)
