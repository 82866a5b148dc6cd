"""What an answer, or none, proves: retries, Retry-After, pacing, unreadable bodies."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import msgspec
import pytest
import trio

from actors.exchanges import (
    ExchangeUnavailable,
    KeysRefused,
    OutcomeUnknown,
)
from providers.exchanges.http import Http, Pace, decoded, open_http
from providers.sandbox.server import Hangup, HttpReply, HttpRequest, serve_http

FAST = Pace(per_second=1_000, burst=100)
Play = Callable[[int], HttpReply | None]


class Scripted:
    """A server that answers the nth request as its script says; None hangs up."""

    def __init__(self, play: Play) -> None:
        self.asked = 0
        self._play = play

    async def handle(self, _request: HttpRequest) -> HttpReply:
        self.asked += 1
        reply = self._play(self.asked)
        if reply is None:
            raise Hangup
        if reply.status == 999:
            await trio.sleep(1)
        return reply


@asynccontextmanager
async def scripted(
    play: Play, pace: Pace = FAST, answer_seconds: float = 0.3
) -> AsyncIterator[tuple[Http, Scripted]]:
    server = Scripted(play)
    async with trio.open_nursery() as nursery, open_http() as pool:
        port = await nursery.start(serve_http, server.handle)
        url = f"http://127.0.0.1:{port}"
        yield Http(pool, url, pace=pace, answer_seconds=answer_seconds), server
        nursery.cancel_scope.cancel()


def busy(retry_after: str, then: int = 200) -> Play:
    def play(nth: int) -> HttpReply:
        if nth == 1:
            return HttpReply(429, b"{}", headers=(("retry-after", retry_after),))
        return HttpReply(then, b"{}")

    return play


async def test_a_read_that_was_too_many_is_asked_again_when_it_was_told_to() -> None:
    async with scripted(busy("1")) as (http, server):
        began = trio.current_time()
        assert (await http.read("GET", "/")).status == 200
    assert server.asked == 2
    assert trio.current_time() - began >= 0.9


async def test_kucoins_own_header_says_how_long_to_wait() -> None:
    def play(nth: int) -> HttpReply:
        headers = (("gw-ratelimit-reset", "30000"),)
        return HttpReply(429 if nth == 1 else 200, b"{}", headers=headers)

    async with scripted(play) as (http, server):
        with pytest.raises(ExchangeUnavailable):
            await http.read("GET", "/")
        with pytest.raises(ExchangeUnavailable, match="rate limited"):
            await http.read("GET", "/")
    assert server.asked == 1


async def test_nothing_is_asked_before_a_long_retry_after_has_passed() -> None:
    async with scripted(busy("60")) as (http, server):
        for _ in range(3):
            with pytest.raises(ExchangeUnavailable):
                await http.read("GET", "/")
        with pytest.raises(ExchangeUnavailable):
            await http.change("POST", "/")
    assert server.asked == 1


async def test_an_order_that_was_too_many_was_not_placed_and_is_not_sent_again() -> None:
    async with scripted(busy("0")) as (http, server):
        with pytest.raises(ExchangeUnavailable):
            await http.change("POST", "/")
    assert server.asked == 1


@pytest.mark.parametrize("status", [500, 502, 503, 504])
async def test_a_failing_exchange_leaves_a_change_unknown_and_a_read_unavailable(
    status: int,
) -> None:
    async with scripted(lambda _nth: HttpReply(status, b"{}")) as (http, server):
        with pytest.raises(OutcomeUnknown):
            await http.change("POST", "/")
        assert server.asked == 1
        with pytest.raises(ExchangeUnavailable):
            await http.read("GET", "/")
    assert server.asked == 3


async def test_a_read_survives_one_lost_connection() -> None:
    async with scripted(lambda nth: HttpReply(200, b"{}") if nth > 1 else None) as (http, _):
        assert (await http.read("GET", "/")).status == 200


@pytest.mark.parametrize("reply", [None, HttpReply(999)], ids=["hung up", "too late"])
async def test_a_change_without_an_answer_is_unknown_and_sent_once(
    reply: HttpReply | None,
) -> None:
    async with scripted(lambda _nth: reply) as (http, server):
        with pytest.raises(OutcomeUnknown):
            await http.change("DELETE", "/")
    assert server.asked == 1


async def test_an_answer_without_end_is_cut_off() -> None:
    big = HttpReply(200, b"x" * 4_194_305)
    async with scripted(lambda _nth: big, answer_seconds=5) as (http, _):
        with pytest.raises(OutcomeUnknown):
            await http.change("POST", "/")


async def test_requests_are_paced_and_turned_away_when_the_queue_is_long() -> None:
    pace = Pace(per_second=20, burst=5)
    refused = 0
    async with scripted(lambda _nth: HttpReply(200, b"{}"), pace) as (http, server):
        began = trio.current_time()

        async def ask() -> None:
            nonlocal refused
            try:
                await http.read("GET", "/")
            except ExchangeUnavailable:
                refused += 1

        async with trio.open_nursery() as nursery:
            for _ in range(60):
                nursery.start_soon(ask)
        took = trio.current_time() - began
    # Five at once, then 20 a second for the two seconds that anybody waits.
    assert 40 <= server.asked <= 50
    assert refused == 60 - server.asked
    assert took >= (server.asked - 5) / 20 * 0.9


async def test_a_key_with_a_line_break_never_leaves() -> None:
    async with scripted(lambda _nth: HttpReply(200, b"{}")) as (http, server):
        for key in ("a\r\nx: y", "clé", " padded", "nul\0"):
            with pytest.raises(KeysRefused):
                await http.read("GET", "/", headers={"authorization": key})
    assert server.asked == 0


def test_an_unreadable_answer_to_an_order_is_unknown() -> None:
    decoder = msgspec.json.Decoder(dict[str, int])
    with pytest.raises(OutcomeUnknown):
        decoded(b"<html>", decoder, changes=True)
    with pytest.raises(ExchangeUnavailable):
        decoded(b'{"a":"b"}', decoder)
