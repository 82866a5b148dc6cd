"""Server-sent events of one client (document 004, "SSE"; AMKT-C33..C35).

A heartbeat and the overview come at once; what changes is told when it changes, the overview and
trades at most every few seconds. Events that a client must not miss carry their offset as `id`, so
that a browser resumes by Last-Event-ID: what was missed comes first, every trade of it.
"""

from collections.abc import Callable
from typing import Final

import trio

from actors.people import Authenticated
from domain.events import BotCountChanged, BotUpdated, Fact, TradeExecuted, person
from domain.trading.records import Trade
from protocols.amarktai.codec import encode, iso
from protocols.amarktai.render import overview_update, trade_row
from protocols.amarktai.service import Amarktai
from protocols.amarktai.wire import bots as wire
from protocols.http import Request
from protocols.replay import Replay, resume_offset
from protocols.sse import EventStream, Sink

_RELOAD: Final = "events after this offset are not kept"


def stream_of(amarktai: Amarktai) -> Callable[[Request], EventStream]:
    """The endpoint's handler, but for its being a coroutine."""

    def opened(request: Request) -> EventStream:
        who: Authenticated = request.principal
        resume_from = request.query.get("resume_from")

        async def source(sink: Sink) -> None:
            await Stream(amarktai, who, sink, resume_from).run()

        return EventStream(source)

    return opened


class Stream:
    """Implements protocols.expiry.Expiring."""

    def __init__(
        self, amarktai: Amarktai, who: Authenticated, sink: Sink, resume_from: str | None
    ) -> None:
        self._amarktai = amarktai
        self._settings = amarktai.settings
        self._who = who
        self._sink = sink
        self._resume_from = sink.last_event_id or resume_from
        self._counter = 0
        self._trades: list[Trade] = []
        self._offset = 0  # of the newest event told or waiting in _trades
        self._replaying = True
        self._overview_changed = False
        self._awake = trio.Event()

    def end(self) -> None:
        """The token has expired or was revoked (X-C26)."""
        self._sink.close()

    async def run(self) -> None:
        """Tell until the client is gone, the token dies or storage is away."""
        amarktai, who = self._amarktai, self._who
        amarktai.expiries.add(self, who.expires_at_us)
        unwatch = amarktai.people.on_revoked(who, self.end)
        self._heartbeat()
        replay: Replay | None = None
        try:
            seen = resume_offset(self._resume_from)
            feed = person(who.user_id)
            if seen is None:
                seen = await amarktai.events.newest(feed)
            replay = Replay(feed, amarktai.feeds, amarktai.events, self._sink, self._tell, seen)
            replay.start()
            await self._overview()
            await replay.catch_up(self._reload)
            self._flush_trades()
            self._replaying = False
            await self._keep_telling()
        except amarktai.unavailable:
            return  # the client reconnects by itself, and resumes
        finally:
            if replay is not None:
                replay.stop()
            unwatch()
            amarktai.expiries.discard(self)

    async def _keep_telling(self) -> None:
        """Each of the three has its own time from which it may be told again."""
        beat_at = trio.current_time() + self._settings.heartbeat_s
        overview_at = trio.current_time() + self._settings.update_s
        trades_at = trio.current_time()
        while self._sink.is_open:
            now = trio.current_time()
            if now >= beat_at:
                self._heartbeat()
                beat_at = now + self._settings.heartbeat_s
            if self._trades and now >= trades_at:
                self._flush_trades()
                trades_at = now + self._settings.update_s
            if self._overview_changed and now >= overview_at:
                await self._overview()
                overview_at = now + self._settings.update_s
            due = [beat_at]
            due += [trades_at] if self._trades else []
            due += [overview_at] if self._overview_changed else []
            self._awake = trio.Event()
            with trio.move_on_at(min(due)):
                await self._awake.wait()

    def _tell(self, fact: Fact, offset: int | None) -> None:
        """One fact, replayed or just committed; facts of other surfaces are not told here."""
        if isinstance(fact, BotCountChanged):
            self._flush_trades()  # who resumes after the count would never hear of those before it
        if offset is not None:
            self._offset = offset
        match fact:
            case BotCountChanged(total_bots=total):
                update = wire.CountUpdate(total_bots=total, timestamp=self._now())
                self._send("bot_update", update, self._offset)
            case TradeExecuted(trade=trade):
                self._trades.append(trade)
                self._keep_recent()
            case BotUpdated():
                pass
            case _:
                return
        self._overview_changed = True
        self._awake.set()

    def _keep_recent(self) -> None:
        """Live, the last few trades are told (AMKT-C35); of those missed, every one."""
        most = self._settings.recent_trades
        if self._replaying and len(self._trades) >= most:
            self._flush_trades()
        del self._trades[:-most]

    def _flush_trades(self) -> None:
        if not self._trades:
            return
        rows = [trade_row(trade) for trade in self._trades]
        self._trades.clear()
        update = wire.TradeUpdate(trades=rows, count=len(rows), timestamp=self._now())
        self._send("trade_update", update, self._offset)

    async def _overview(self) -> None:
        """What cannot be valued just now is told the next time."""
        self._overview_changed = False
        try:
            overview = await self._amarktai.bots.overview(self._who.user_id)
        except self._amarktai.unavailable:
            self._overview_changed = True
            return
        self._send("overview_update", overview_update(overview, self._amarktai.clock.now_us()))

    def _heartbeat(self) -> None:
        self._counter += 1
        beat = wire.Heartbeat(timestamp=self._now(), counter=self._counter)
        first = self._settings.retry_ms if self._counter == 1 else None
        self._sink.send(encode(beat), event="heartbeat", retry=first)

    def _reload(self, newest: int) -> None:
        self._send("reload_required", wire.ReloadRequired(message=_RELOAD, offset=newest), newest)

    def _send(self, event: str, data: object, offset: int | None = None) -> None:
        self._sink.send(encode(data), event=event, id=None if offset is None else str(offset))

    def _now(self) -> str:
        return iso(self._amarktai.clock.now_us())
