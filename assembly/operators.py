"""Operators' commands. The ledger has one writer, the running server, so they ask it over HTTP."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import click
import httpx

from assembly.certificates import recognised
from assembly.commands import database, find_user, issue
from assembly.options import OptionError, Options
from storage.installation import recall
from storage.pool import Pool

ADDRESS: Final = "address"  # under which the server keeps where it listens
_SANDBOX_ADMIN: Final = "admin@example.com"
_WITHIN_S: Final = 60.0


class NobodyServes(OptionError):
    """No server listens on `port`, where the last one on this database did."""

    def __init__(self, port: int, why: str) -> None:
        super().__init__(f"no server answers on port {port}: {why}")
        self.port = port


async def print_reviews(options: Options, operator: str) -> int:
    """A table of everything that waits for an operator."""
    async with server(options, operator) as client:
        rows = (await asked(client, "GET", "/ops/reviews", None))["reviews"]
    if not rows:
        click.echo("nothing is under review")
    for row in rows:
        amount = f"{row['amount']:.2f} {row['currency']}"
        why = ", ".join(row["reasons"])
        click.echo(
            f"{row['reference']}  {row['kind']}  user {row['user_id']}  {amount}  "
            f"since {row['requested_at']}  {why}"
        )
    return 0


async def rule(options: Options, reference: str, decision: str, note: str, operator: str) -> int:
    """Approve or reject one of them; audited as a deed of `operator`."""
    async with server(options, operator) as client:
        body = {"decision": decision, "note": note}
        ruled = await asked(client, "POST", f"/ops/reviews/{reference}", body)
    click.echo(f"{reference}: {ruled['status']}")
    return 0


async def reverse(options: Options, receipt: str, note: str, operator: str) -> int:
    """Give cash in suspense back to its payer; 1 when that did not work, or nobody knows yet."""
    async with server(options, operator) as client:
        body = {"receipt": receipt, "note": note}
        made = await asked(client, "POST", "/ops/reversals", body)
    why = f" ({made['message']})" if made["message"] else ""
    click.echo(f"{made['reference']}: {made['status']}{why}")
    return 0 if made["status"] == "completed" else 1


async def print_float(options: Options, operator: str) -> int:
    """What M-Pesa says we have there, beside what the books say."""
    async with server(options, operator) as client:
        said = await asked(client, "POST", "/ops/float", None)
    for account in said["accounts"]:
        click.echo(f"{account['account']}: {account['available']:.2f} {account['currency']}")
    click.echo(f"collected less paid out, by the books: {said['booked']:.2f} KES")
    return 0


@asynccontextmanager
async def server(options: Options, operator: str) -> AsyncIterator[httpx.AsyncClient]:
    """The running server of this database, as seen by the administrator `operator`."""
    async with database(options) as pool:
        token = await _token(options, pool, operator)
        address = await recall(pool, ADDRESS)
    if address is None:
        raise OptionError("no server has run on this database yet")
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(
        base_url=address,
        headers=headers,
        timeout=_WITHIN_S,
        trust_env=False,
        verify=recognised(options),
    ) as client:
        yield client


async def _token(options: Options, pool: Pool, operator: str) -> str:
    """A token that says it was made at the console, for the audit."""
    who = operator or next(iter(options.admins), _SANDBOX_ADMIN if options.is_sandbox else "")
    if not who:
        raise OptionError("name an administrator: --operator EMAIL, or set ADMIN_EMAILS")
    profile = await find_user(options, pool, who)
    if profile is None or not profile.is_admin:
        raise OptionError(f"no such administrator: {who}")
    return await issue(options, pool, profile, ("console",))


async def asked(client: httpx.AsyncClient, method: str, path: str, body: Any) -> Any:
    """The JSON answer to one request. Raises OptionError for anything but 200."""
    try:
        response = await client.request(method, path, json=body)
    except httpx.ConnectError as error:
        raise NobodyServes(client.base_url.port or 0, str(error)) from error
    except httpx.TransportError as error:
        raise OptionError(f"no answer from {client.base_url}: {error}") from error
    if response.status_code != httpx.codes.OK:
        raise OptionError(str(response.json().get("error", response.status_code)))
    return response.json()
