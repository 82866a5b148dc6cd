"""The conventional REST server ours is compared with: FastAPI on uvicorn, asyncpg, uvloop.

It answers the history, the insights and the status of a transaction of document 002 from our own
tables, with the statements ours uses, tuned as a careful owner would: one worker, httptools, no
access log, asyncpg's prepared statements, no reset query, JSON encoded once and without a response
model. It checks the token and that the person's tokens are still good, reads the page and the
counts, and makes the documented members of each.

    python -m benchmarks.peers.rest --port P --database URL --secret SECRET
"""

import argparse
import hashlib
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import asyncpg
import jwt
import uvicorn
from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse

UNIT = 10**8
DAY_US = 86_400_000_000
POOL = 8
COLUMNS = """t.transaction_id, t.type, t.status, t.operation, t.chain, t.token, t.amount::text,
t.kes::text, t.usd::text, t.rate::text, t.usd_rate::text, t.created_us, t.completed_us, t.tx_hash,
t.mpesa_id, t.retries, t.target, t.block, t.balance::text, t.last_retry_us"""
PAGE = f"""
SELECT {COLUMNS}
FROM (SELECT transaction_id, user_id FROM nexus_transactions WHERE user_id = $1
      ORDER BY created_us DESC, transaction_id DESC LIMIT $2 OFFSET $3) k
JOIN nexus_transactions t USING (transaction_id, user_id)
ORDER BY t.created_us DESC, t.transaction_id DESC"""
SORTS = """
SELECT status, chain, token, number, usd::text, kes::text FROM nexus_totals
WHERE user_id = $1 AND number > 0
UNION ALL
SELECT '', '', '', (
    SELECT COALESCE(sum(number), 0)::bigint FROM nexus_hours
    WHERE user_id = $1 AND hour > s.since / 3600000000
) + (
    SELECT count(*) FROM nexus_transactions
    WHERE user_id = $1 AND created_us > s.since
      AND created_us < (s.since / 3600000000 + 1) * 3600000000
), '0', '0'
FROM unnest($2::bigint[]) AS s(since)"""
FIND = f"""SELECT {COLUMNS} FROM nexus_transactions t
WHERE (t.transaction_id = $1 OR t.object_id = $1) AND t.user_id = $2 LIMIT 1"""
PERSON = "SELECT token_version, deleted FROM users WHERE id = $1"
LISTED = "Enhanced transaction history retrieved successfully"
CURRENT = {
    "USDC": (1.0, 133.33)
}  # US dollars and shillings for one: ours has its rates at hand too
NEWEST = 50
NETWORKS = {"arbitrum": ("Arbitrum One", "Arbiscan", "https://arbiscan.io/tx/")}


class WithoutReset(asyncpg.Connection):  # type: ignore[misc]
    """Skips the reset query on release: nothing here leaves session state behind."""

    def get_reset_query(self) -> str:
        return ""


def application(database: str, secret: str) -> FastAPI:
    """The three endpoints."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.pool = await asyncpg.create_pool(
            database, min_size=POOL, max_size=POOL, connection_class=WithoutReset
        )
        yield
        await app.state.pool.close()

    app = FastAPI(lifespan=lifespan)

    async def person(request: Request) -> int:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        try:
            claims = jwt.decode(token, secret, algorithms=["HS256"])
        except jwt.InvalidTokenError:
            raise HTTPException(401) from None
        row = await request.app.state.pool.fetchrow(PERSON, int(claims["sub"]))
        if scheme != "Bearer" or row is None or row[1] or row[0] != claims["tv"]:
            raise HTTPException(401)
        return int(claims["sub"])

    @app.get("/nexuspay/api/transactions/history")
    async def history(
        request: Request, page: int = 1, limit: int = 10, user_id: int = Depends(person)
    ) -> JSONResponse:
        return JSONResponse(await _listed(request, user_id, page, limit, _item))

    @app.get("/nexuspay/api/transactions/dashboard/insights")
    async def insights(request: Request, user_id: int = Depends(person)) -> JSONResponse:
        return JSONResponse(await _listed(request, user_id, 1, NEWEST, _detail))

    @app.get("/nexuspay/api/mpesa/transaction/{wanted}")
    async def status(request: Request, wanted: str, user_id: int = Depends(person)) -> JSONResponse:
        row = await request.app.state.pool.fetchrow(FIND, wanted, user_id)
        if row is None:
            raise HTTPException(404)
        data = {
            "transactionId": row["transaction_id"],
            "type": row["operation"],
            "amount": f"{_value(row['kes']):g}",
            "status": row["status"],
            "cryptoAmount": f"{_value(row['amount']):.2f}",
            "timestamp": _iso(row["created_us"]),
            "completedAt": _iso(row["completed_us"]) if row["completed_us"] else None,
        }
        return JSONResponse({"success": True, "data": data})

    return app


async def _listed(
    request: Request,
    user_id: int,
    page: int,
    limit: int,
    show: Callable[[Any, int], dict[str, Any]],
) -> dict[str, Any]:
    now_us = time.time_ns() // 1000
    async with request.app.state.pool.acquire() as connection:
        rows = await connection.fetch(PAGE, user_id, limit, (page - 1) * limit)
        since = [now_us - days * DAY_US for days in (1, 7, 30)]
        counts = await connection.fetch(SORTS, user_id, since)
    sorts = [row for row in counts if row[0]]
    recent = sorted(row[3] for row in counts if not row[0])
    total = sum(row[3] for row in sorts)
    names = ("status", "type", "chain", "tokenType", "dateFrom", "dateTo")
    summary = {"total": total, "page": page, "limit": limit, "pages": -(-total // limit)}
    data = {
        "transactions": [show(row, now_us) for row in rows],
        "summary": {**summary, "filters": dict.fromkeys(names)},
        "insights": _insights(sorts, recent),
    }
    return {"success": True, "message": LISTED, "data": data}


def _value(text: str) -> float:
    return int(text) / UNIT


def _iso(at_us: int) -> str:
    return datetime.fromtimestamp(at_us // 1_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _formatted(at_us: int) -> str:
    at = datetime.fromtimestamp(at_us // 1_000_000, UTC)
    return f"{at.month}/{at.day}/{at.year}, {at.hour % 12 or 12}:{at:%M:%S} {at:%p}"


def _item(row: Any, now_us: int) -> dict[str, Any]:
    """The documented members of one transaction."""
    kes, usd, amount = _value(row["kes"]), _value(row["usd"]), _value(row["amount"])
    rate, usd_rate = _value(row["rate"]), _value(row["usd_rate"])
    created, completed = row["created_us"], row["completed_us"]
    network, explorer, url = NETWORKS[row["chain"]]
    shown = f"KES {kes:,.0f}"
    return {
        "id": row["transaction_id"],
        "type": row["type"],
        "status": row["status"],
        "token": {"symbol": row["token"], "name": "USD Coin", "amount": amount, "decimals": 6},
        "values": {
            "fiat": {"amount": kes, "currency": "KES", "formatted": shown},
            "usd": {"amount": usd, "formatted": f"${usd:,.2f}", "rate": usd_rate},
            "kes": {"amount": kes, "formatted": shown, "rate": rate},
        },
        "blockchain": {
            "chain": row["chain"],
            "network": network,
            "txHash": row["tx_hash"],
            "explorerUrl": f"{url}{row['tx_hash']}",
            "explorerName": explorer,
        },
        "portfolio": {
            "impact": "positive",
            "direction": "+",
            "description": "Added crypto to your portfolio",
        },
        "timing": {
            "createdAt": _iso(created),
            "completedAt": _iso(completed),
            "processingTimeSeconds": (completed - created) // 1_000_000,
            "ageMinutes": (now_us - created) // 60_000_000,
            "formatted": {"created": _formatted(created), "completed": _formatted(completed)},
        },
        "references": {
            "transactionId": row["transaction_id"],
            "mpesaTransactionId": row["mpesa_id"] or None,
            "retryCount": row["retries"],
        },
        "dashboard": {
            "priority": "low",
            "category": "Buy Crypto",
            "statusColor": "#10B981",
            "icon": "💳→🪙",
            "summary": f"Bought {amount:g} {row['token']} (${usd:,.2f}) on {row['chain']}",
        },
    }


def _detail(row: Any, now_us: int) -> dict[str, Any]:
    """The same with the members of the details."""
    shown = _item(row, now_us)
    usd_now, kes_now = CURRENT[row["token"]]
    rate, usd = _value(row["rate"]), _value(row["usd"])
    shown["objectId"] = hashlib.sha256(row["transaction_id"].encode()).hexdigest()[:24]
    shown["token"]["contractAddress"] = None
    shown["values"]["fiat"]["historicalRate"] = rate
    shown["values"]["usd"]["currentRate"] = usd_now
    shown["values"]["kes"] |= {"currentRate": kes_now, "historicalRate": rate}
    shown["blockchain"] |= {"blockNumber": row["block"] or None, "gasUsed": 0, "gasFee": 0}
    shown["portfolio"]["category"] = "Buy Crypto"
    shown["references"] |= {
        "cryptoTransactionHash": row["tx_hash"] or None,
        "lastRetryAt": _iso(row["last_retry_us"]) if row["last_retry_us"] else None,
    }
    amount = shown["token"]["amount"]
    shown["metadata"] = {
        "chain": row["chain"],
        "tokenType": row["token"],
        "directBuy": row["operation"] == "buy_crypto",
        "conversionRate": rate,
        "estimatedValue": f"${usd:,.2f} USD",
        "currentEstimatedValue": f"${amount * usd_now:,.2f} USD",
        "kesEstimatedValue": f"KES {_value(row['kes']):,.2f}",
        "platformFee": amount / 100,
        "userBalanceAtTime": None if row["balance"] is None else _value(row["balance"]),
    }
    actions = ["View on blockchain explorer"]
    shown["dashboard"] |= {"progressPercentage": 100, "actionItems": actions}
    return shown


def _insights(sorts: list[Any], recent: Any) -> dict[str, Any]:
    counts: dict[str, int] = {}
    chains: dict[str, int] = {}
    tokens: dict[str, int] = {}
    usd = kes = 0
    for status, chain, token, number, in_usd, in_kes in sorts:
        counts[status] = counts.get(status, 0) + number
        chains[chain] = chains.get(chain, 0) + number
        tokens[token] = tokens.get(token, 0) + number
        if status == "completed":
            usd, kes = usd + int(in_usd), kes + int(in_kes)
    done = counts.get("completed", 0)
    return {
        "totalTransactions": sum(counts.values()),
        "completedTransactions": done,
        "pendingTransactions": counts.get("pending", 0) + counts.get("reserved", 0),
        "failedTransactions": counts.get("failed", 0) + counts.get("error", 0),
        "totalVolume": {"usd": usd / UNIT, "kes": kes / UNIT},
        "mostUsedChain": max(chains, key=chains.__getitem__, default=None),
        "mostUsedToken": max(tokens, key=tokens.__getitem__, default=None),
        "averageTransactionSize": usd // done * 100 // UNIT / 100 if done else 0,
        "recentActivity": dict(zip(("last24h", "last7d", "last30d"), recent, strict=True)),
    }


class Announcing(uvicorn.Server):
    """Says when it serves, in the words the benchmarks wait for."""

    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        print(f"listening on http://127.0.0.1:{self.config.port}", flush=True)


def main() -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--database", required=True)
    parser.add_argument("--secret", required=True)
    options = parser.parse_args()
    config = uvicorn.Config(
        application(options.database, options.secret),
        port=options.port,
        loop="uvloop",
        http="httptools",
        access_log=False,
        log_level="warning",
    )
    Announcing(config).run()


if __name__ == "__main__":
    main()
