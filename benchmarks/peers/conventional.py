"""The conventional server ours is compared with: the same transfer over the same wire.

asyncio on uvloop, the `websockets` server, an asyncpg pool, one database transaction a transfer
with SELECT … FOR UPDATE on both balance rows. It is tuned the way a careful owner would: prepared
statements (asyncpg caches them), both rows locked by one statement in a fixed order, both entries
in one INSERT, no reset query when a connection returns to the pool, msgspec for JSON, no
compression, the event to a connected recipient sent without waiting. It checks the token, shape,
amount, recipient and balance, remembers idempotency keys, and answers after COMMIT.

    python -m benchmarks.peers.conventional --port P --database URL --pool 16 --secret SECRET
"""

import argparse
import asyncio
import hashlib
import http
import signal
import time
from typing import Any

import asyncpg
import jwt
import msgspec
import uvloop
from websockets.asyncio.server import ServerConnection, broadcast, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

UNITS_PER_WHOLE = 10**8

LOCK = """
SELECT a.owner_id, b.account_id, b.credits_posted - b.debits_posted AS balance,
       b.debits_pending, b.sequence
FROM accounts a JOIN balances b ON b.account_id = a.id
WHERE a.owner_id = ANY($1::bigint[]) AND a.asset = $2 AND a.purpose = 'WALLET'
  AND a.chain = '' AND a.provider = '' AND a.mode = 'REAL'
ORDER BY b.account_id FOR UPDATE OF b"""
INSERT_JOURNAL = """
INSERT INTO journals (kind, initiator, ref, description, fees, quote_id, occurred_us, recorded_us)
VALUES ('transfer', $1, '', $2, '', 0, $3, $3) RETURNING id, receipt"""
INSERT_ENTRIES = """
INSERT INTO entries (journal_id, account_id, asset, sequence, amount, balance_after, description,
                     recorded_us)
VALUES ($1, $2, $3, $4, $5, $6, $11, $12), ($1, $7, $3, $8, $9, $10, $11, $12)"""
INSERT_EVENT = "INSERT INTO events (feed, body, recorded_us) VALUES ($1, $2, $3)"
DEBIT = """
UPDATE balances SET debits_posted = debits_posted + $2, sequence = sequence + 1, last_us = $3
WHERE account_id = $1"""
CREDIT = """
UPDATE balances SET credits_posted = credits_posted + $2, sequence = sequence + 1, last_us = $3
WHERE account_id = $1"""
SELECT_KEY = "SELECT fingerprint, outcome FROM idempotency WHERE scope = $1 AND key = $2"
INSERT_KEY = """
INSERT INTO idempotency (scope, key, fingerprint, outcome, recorded_us)
VALUES ($1, $2, $3, $4, $5)"""


class Transfer(msgspec.Struct):
    """The `data` of a transfer request; `amount` is read as text, exactly."""

    to_user_id: str
    amount: msgspec.Raw
    currency: str
    description: str = ""
    idempotency_key: str = ""


class Frame(msgspec.Struct):
    """Any request."""

    type: str
    data: Transfer


class Refused(Exception):
    """A request that gets an error reply with this text."""


class WithoutReset(asyncpg.Connection):  # type: ignore[misc]
    """Skips the reset query on release: nothing here leaves session state behind."""

    def get_reset_query(self) -> str:
        """Nothing to reset, so no round trip."""
        return ""


_decode = msgspec.json.Decoder(Frame).decode
_encode = msgspec.json.Encoder().encode


def units_of(raw: msgspec.Raw) -> int:
    """An amount of at most two decimals in units of 10^-8, without a float in between."""
    whole, _, decimals = bytes(raw).decode().partition(".")
    if (
        not whole.isdigit()
        or len(whole) > 12
        or len(decimals) > 2
        or not (decimals or "0").isdigit()
    ):
        raise Refused("invalid amount")
    return int(whole) * UNITS_PER_WHOLE + int(decimals.ljust(8, "0"))


class Server:
    """The connected users and the pool."""

    def __init__(self, pool: Any, secret: str) -> None:
        self._pool = pool
        self._secret = secret
        self._sockets: dict[str, ServerConnection] = {}

    async def authenticate(self, socket: ServerConnection, request: Request) -> Response | None:
        """Let the upgrade through for a good bearer token, else answer 401."""
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        try:
            socket.username = jwt.decode(token, self._secret, algorithms=["HS256"])["sub"]
        except (jwt.InvalidTokenError, KeyError):
            return socket.respond(http.HTTPStatus.UNAUTHORIZED, "unauthorized")
        return None

    async def serve_one(self, socket: ServerConnection) -> None:
        """One connection: greet, then answer request by request."""
        user = socket.username
        self._sockets[user] = socket
        now = int(time.time())
        greeting = {"user_id": user, "timestamp": now}
        try:
            await _send(socket, "connected", greeting)
            async for text in socket:
                await self._answer(socket, user, text)
        except ConnectionClosed:
            pass
        finally:
            if self._sockets.get(user) is socket:
                del self._sockets[user]

    async def _answer(self, socket: ServerConnection, user: str, text: str | bytes) -> None:
        try:
            frame = _decode(text)
            if frame.type != "transfer":
                raise Refused("unknown message type")
            reply = await self._transfer(user, frame.data)
        except msgspec.ValidationError:
            await _send(socket, "error", {"message": "invalid request data"})
        except Refused as refusal:
            await _send(socket, "error", {"message": str(refusal)})
        else:
            await _send(socket, "success", {"message": "transfer completed", "data": reply})

    async def _transfer(self, user: str, asked: Transfer) -> Any:
        amount = units_of(asked.amount)
        if amount <= 0:
            raise Refused("amount must be greater than zero")
        if asked.to_user_id == user or not asked.to_user_id.isdigit():
            raise Refused("invalid recipient")
        try:
            reply, event = await self._commit(user, asked, amount)
        except asyncpg.UniqueViolationError:  # only the idempotency key is not from a sequence
            raise Refused("request in progress") from None
        if event and (recipient := self._sockets.get(asked.to_user_id)):
            broadcast([recipient], event.decode())
        return reply

    async def _commit(self, user: str, asked: Transfer, amount: int) -> tuple[Any, bytes]:
        """The transfer in one transaction: its reply and event, no event for a replay."""
        async with self._pool.acquire() as connection, connection.transaction():
            if asked.idempotency_key and (known := await _replay(connection, user, asked)):
                return known, b""
            reply, event = await _record(connection, int(user), asked, amount)
            if asked.idempotency_key:
                await _remember(connection, user, asked, reply)
            return reply, event


async def _record(
    connection: Any, user: int, asked: Transfer, amount: int
) -> tuple[dict[str, Any], bytes]:
    """Lock, check, insert and update inside the open transaction; the reply and the event."""
    now_us = time.time_ns() // 1000
    to = int(asked.to_user_id)
    rows = await connection.fetch(LOCK, [user, to], asked.currency)
    accounts = {row["owner_id"]: row for row in rows}
    payer, payee = accounts.get(user), accounts.get(to)
    if payer is None or payee is None:
        raise Refused("account not found")
    if payer["balance"] - payer["debits_pending"] < amount:
        raise Refused("insufficient balance")
    journal, receipt = await connection.fetchrow(INSERT_JOURNAL, user, asked.description, now_us)
    await connection.execute(
        INSERT_ENTRIES,
        *(journal, payer["account_id"], asked.currency, payer["sequence"] + 1, -amount),
        *(payer["balance"] - amount, payee["account_id"], payee["sequence"] + 1, amount),
        *(payee["balance"] + amount, asked.description, now_us),
    )
    about = {"amount": asked.amount, "currency": asked.currency, "transfer_type": "p2p"}
    about["receipt_code"] = f"RCP-{receipt}"
    told = {"from_user_id": str(user), "description": asked.description, **about}
    event = _envelope("transfer_received", told)
    await connection.execute(INSERT_EVENT, f"user {to}", event, now_us)
    await connection.execute(DEBIT, payer["account_id"], amount, now_us)
    await connection.execute(CREDIT, payee["account_id"], amount, now_us)
    created = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now_us // 1_000_000))
    reply = {"journal_id": journal, "fee": msgspec.Raw(b"0.00"), "to_user_id": asked.to_user_id}
    return {**about, **reply, "created_at": created}, event


def _fingerprint(asked: Transfer) -> bytes:
    return hashlib.sha256(_encode(asked)).digest()


async def _replay(connection: Any, user: str, asked: Transfer) -> msgspec.Raw | None:
    row = await connection.fetchrow(SELECT_KEY, user, asked.idempotency_key)
    if row is None:
        return None
    if row["fingerprint"] != _fingerprint(asked):
        raise Refused("idempotency key already used for a different request")
    return msgspec.Raw(row["outcome"])


async def _remember(connection: Any, user: str, asked: Transfer, reply: dict[str, Any]) -> None:
    fingerprint, outcome = _fingerprint(asked), _encode(reply)
    now_us = time.time_ns() // 1000
    await connection.execute(INSERT_KEY, user, asked.idempotency_key, fingerprint, outcome, now_us)


def _envelope(kind: str, data: Any) -> bytes:
    return _encode({"type": kind, "data": data, "timestamp": int(time.time())})


async def _send(socket: ServerConnection, kind: str, data: Any) -> None:
    await socket.send(_envelope(kind, data), text=True)


async def main(port: int, database: str, pool_size: int, secret: str) -> None:
    """Serve until SIGTERM."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    pool = asyncpg.create_pool(
        database, min_size=pool_size, max_size=pool_size, connection_class=WithoutReset
    )
    async with pool:
        server = Server(pool, secret)
        listening = serve(
            server.serve_one,
            "127.0.0.1",
            port,
            process_request=server.authenticate,
            compression=None,
            ping_interval=54,
            ping_timeout=60,
            backlog=1024,
        )
        async with listening:
            print(f"listening on http://127.0.0.1:{port}", flush=True)
            await stop.wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--database", required=True)
    parser.add_argument("--pool", type=int, default=16)
    parser.add_argument("--secret", required=True)
    options = parser.parse_args()
    uvloop.run(main(options.port, options.database, options.pool, options.secret))
