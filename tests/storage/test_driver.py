"""psycopg under Trio: right answers, also among cancellations, ends of the server and silence."""

import contextlib
import errno
import random
import socket
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import psycopg
import pytest
import trio
import trio.testing

from storage.driver import TrioConnection, _ready_for_either
from storage.errors import OutcomeUnknown, Unavailable
from storage.pool import Pool


@pytest.fixture
async def connection(empty_dsn: str) -> AsyncIterator[TrioConnection]:
    opened = await TrioConnection.connect(empty_dsn)
    yield opened
    opened.discard()


async def _terminate_whoever_runs(pool: Pool, text: str) -> None:
    """End the session whose current statement contains `text`, once there is one."""
    while not await pool.fetch(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE query LIKE %s AND state = 'active' AND pid <> pg_backend_pid()",
        (f"%{text}%",),
    ):
        await trio.sleep(0.01)


async def test_a_statement_prepared_by_the_server_keeps_answering_right(
    connection: TrioConnection,
) -> None:
    for number in range(20):
        cursor = await connection.execute("SELECT %s::int + 1", (number,), prepare=True)
        assert await cursor.fetchall() == [(number + 1,)]
    names = await (await connection.execute("SELECT name FROM pg_prepared_statements")).fetchall()
    assert len(names) == 1


async def test_a_pipeline_answers_each_statement_in_order(connection: TrioConnection) -> None:
    async with connection.pipeline():
        cursors = [await connection.execute("SELECT %s::int", (n,)) for n in range(300)]
    assert [await cursor.fetchone() for cursor in cursors] == [(n,) for n in range(300)]


async def test_a_megabyte_travels_both_ways(connection: TrioConnection) -> None:
    """The socket's buffers fill up, so that reading and writing are waited for at once."""
    sent = bytes(range(256)) * 32_768
    cursor = await connection.execute("SELECT %b::bytea", (sent,))
    assert await cursor.fetchone() == (sent,)


async def test_copy_takes_rows_in_and_gives_them_back(connection: TrioConnection) -> None:
    await connection.execute("CREATE TABLE numbers (n int)")
    async with connection.cursor().copy("COPY numbers FROM STDIN") as copy:
        for number in range(1000):
            await copy.write_row((number,))
    cursor = await connection.execute("SELECT sum(n) FROM numbers")
    assert await cursor.fetchone() == (499_500,)


async def test_host_names_are_resolved_without_blocking_and_a_dead_address_is_an_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(psycopg.OperationalError):
        await TrioConnection.connect(f"host=localhost port={port} user=x dbname=x")


async def test_a_server_that_accepts_and_says_nothing_is_given_up_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with trio.fail_after(2), pytest.raises(psycopg.errors.ConnectionTimeout):
            await TrioConnection.connect(f"host=127.0.0.1 port={port} user=x", within_s=0.1)


async def test_a_busy_server_whose_queue_of_callers_is_full_is_waited_for(tmp_path: Path) -> None:
    """A unix socket refuses at once what TCP would queue; no reason to refuse a client."""
    with socket.socket(socket.AF_UNIX) as server, contextlib.ExitStack() as callers:
        server.bind(str(tmp_path / ".s.PGSQL.5432"))
        server.listen(0)
        full = False
        while not full:
            caller = callers.enter_context(socket.socket(socket.AF_UNIX))
            caller.setblocking(False)
            full = caller.connect_ex(server.getsockname()) == errno.EAGAIN
        with pytest.raises(psycopg.errors.ConnectionTimeout):
            await TrioConnection.connect(f"host={tmp_path}", within_s=0.2)


async def test_an_answer_that_does_not_come_in_time_closes_the_connection(
    connection: TrioConnection,
) -> None:
    connection.answer_within_s = 0.05
    with pytest.raises(psycopg.OperationalError, match="no answer"):
        await connection.execute("SELECT pg_sleep(10)")
    assert connection.closed


async def test_a_cancelled_query_stops_in_the_server_and_the_session_goes_on(
    connection: TrioConnection,
) -> None:
    backend = connection.info.backend_pid
    with trio.move_on_after(0.05) as scope, trio.fail_after(5):
        await connection.execute("SELECT pg_sleep(60)")
    assert scope.cancelled_caught
    cursor = await connection.execute("SELECT pg_backend_pid()")
    assert await cursor.fetchone() == (backend,)


async def test_a_socket_closed_under_whoever_waits_for_either_is_an_ordinary_error() -> None:
    """Waiting for either takes two tasks; what ends both is not to come as a group."""
    ours, theirs = socket.socketpair()
    with ours, theirs, trio.fail_after(5):
        ours.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                ours.send(b"x" * 65536)

        async def wait() -> None:
            with pytest.raises(trio.ClosedResourceError):
                await _ready_for_either(ours.fileno())

        async with trio.open_nursery() as nursery:
            nursery.start_soon(wait)
            await trio.testing.wait_all_tasks_blocked()
            trio.lowlevel.notify_closing(ours)


async def test_a_query_cancelled_inside_a_transaction_closes_the_session(bare_pool: Pool) -> None:
    """storage-facts.md: inside a transaction psycopg's own clean-up is cancelled too."""
    with trio.move_on_after(0.05):
        async with bare_pool.transaction() as connection:
            await connection.execute("SELECT pg_sleep(60)")
    assert connection.closed
    assert await bare_pool.fetch("SELECT 1") == [(1,)]


async def test_a_query_cancelled_inside_a_pipeline_closes_the_session(
    connection: TrioConnection,
) -> None:
    with trio.move_on_after(0.05):
        async with connection.pipeline():
            cursor = await connection.execute("SELECT pg_sleep(60)")
            await cursor.fetchone()
    assert connection.closed


async def test_a_read_whose_session_is_ended_is_unavailable_but_not_unknown(
    bare_pool: Pool,
) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_terminate_whoever_runs, bare_pool, "pg_sleep(61)")
        with pytest.raises(Unavailable) as caught:
            await bare_pool.fetch("SELECT pg_sleep(61)")
    assert not isinstance(caught.value, OutcomeUnknown)


async def test_a_write_whose_session_is_ended_has_an_unknown_outcome(bare_pool: Pool) -> None:
    await bare_pool.execute("CREATE TABLE shelf (id int)")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_terminate_whoever_runs, bare_pool, "pg_sleep(62)")
        with pytest.raises(OutcomeUnknown):
            await bare_pool.execute("INSERT INTO shelf SELECT 1 FROM pg_sleep(62)")


async def test_a_session_that_ends_before_commit_has_written_nothing(bare_pool: Pool) -> None:
    async def write_slowly() -> None:
        async with bare_pool.transaction() as connection:
            await connection.execute("CREATE TABLE shelf (id int)")
            await connection.execute("SELECT pg_sleep(63)")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(_terminate_whoever_runs, bare_pool, "pg_sleep(63)")
        with pytest.raises(Unavailable) as caught:
            await write_slowly()
    assert not isinstance(caught.value, OutcomeUnknown)
    assert await bare_pool.fetch("SELECT to_regclass('shelf')::text") == [(None,)]


def _lose_the_reply_to_commit(listener: socket.socket, server_path: str) -> None:
    """A wire between client and server that is cut once COMMIT has gone to the server."""
    client, _ = listener.accept()
    server = socket.socket(socket.AF_UNIX)
    server.connect(server_path)
    committed = threading.Event()

    def to_client() -> None:
        while (data := server.recv(65536)) and not committed.is_set():
            client.sendall(data)
        client.shutdown(socket.SHUT_RDWR)

    replies = threading.Thread(target=to_client)
    replies.start()
    while data := client.recv(65536):
        if b"COMMIT\0" in data:
            committed.set()
        server.sendall(data)
    server.shutdown(socket.SHUT_WR)
    replies.join()
    client.close()
    server.close()


async def test_a_commit_whose_reply_is_lost_has_an_unknown_outcome(
    empty_dsn: str, connection: TrioConnection
) -> None:
    """The commit did happen here, which is why it may never count as failed."""
    server_path = f"{connection.info.host}/.s.PGSQL.5432"
    with socket.create_server(("127.0.0.1", 0)) as listener:
        dsn = f"{empty_dsn} host=127.0.0.1 port={listener.getsockname()[1]}"
        async with trio.open_nursery() as nursery:
            nursery.start_soon(
                trio.to_thread.run_sync, _lose_the_reply_to_commit, listener, server_path
            )
            async with Pool.opened(dsn, size=1) as pool:
                with pytest.raises(OutcomeUnknown):
                    await _create_shelf(pool)
    cursor = await connection.execute("SELECT to_regclass('shelf')::text")
    assert await cursor.fetchone() == ("shelf",)


async def _create_shelf(pool: Pool) -> None:
    async with pool.transaction() as connection:
        await connection.execute("CREATE TABLE shelf (id int)")


async def test_hundreds_of_random_cancellations_give_no_wrong_answer(
    empty_dsn: str, rng: random.Random
) -> None:
    """storage-facts.md, "Driver under Trio": what was answered is right, a transaction is whole or
    absent, and an insert that was confirmed is there, whatever was cancelled around it."""
    confirmed: set[int] = set()
    cancelled = 0

    async def read(pool: Pool, number: int) -> None:
        rows = await pool.fetch("SELECT %s::int, pg_sleep(%s)", (number, rng.random() / 200))
        assert rows[0][0] == number

    async def insert(pool: Pool, number: int) -> None:
        assert await pool.execute("INSERT INTO halves VALUES (%s, 0), (%s, 1)", (number,) * 2) == 2
        confirmed.add(number)

    async def transact(pool: Pool, number: int) -> None:
        async with pool.transaction() as connection:
            await connection.execute("INSERT INTO halves VALUES (%s, 0)", (number,))
            await connection.execute("INSERT INTO halves VALUES (%s, 1)", (number,))
        confirmed.add(number)

    async def pipeline(pool: Pool, number: int) -> None:
        async with pool.connection() as connection, connection.pipeline():
            first = await connection.execute("SELECT %s::int", (number,))
            second = await connection.execute("SELECT %s::int", (-number,))
            assert [await first.fetchone(), await second.fetchone()] == [(number,), (-number,)]

    async def client(pool: Pool, numbers: range) -> None:
        nonlocal cancelled
        for number in numbers:
            work = rng.choice((read, insert, transact, pipeline))
            with trio.move_on_after(rng.random() / 100) as scope:
                await work(pool, number)
            cancelled += scope.cancelled_caught

    async with Pool.opened(empty_dsn, size=5) as pool:
        await pool.execute("CREATE TABLE halves (n int, half int, PRIMARY KEY (n, half))")
        async with trio.open_nursery() as nursery:
            for start in range(0, 1200, 150):
                nursery.start_soon(client, pool, range(start, start + 150))
        rows = await pool.fetch("SELECT n, count(*) FROM halves GROUP BY n")
    assert cancelled >= 200
    assert {count for _, count in rows} == {2}
    assert confirmed <= {n for n, _ in rows}
