"""daftari: entry point. Reads options, puts the parts together (assembly), serves."""

import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, NoReturn

import click
import structlog
import trio

from actors.journal import Fenced
from assembly.awake import AwakeClock
from assembly.backtest import run_backtest
from assembly.commands import print_token, print_verification
from assembly.frozen import adopt
from assembly.operators import print_float, print_reviews, reverse, rule
from assembly.options import OptionError, Options, read_options
from assembly.reconcile import print_reconciliation
from assembly.server import running
from assembly.sweeps import print_sweep, print_sweeps
from domain.trading.records import RiskMode
from domain.trading.strategies import STRATEGIES
from protocols.ops.wire import SweepRequest
from storage.embedded import EmbeddedError
from storage.errors import StorageError

_FAILED = 1


@click.group()
def main() -> None:
    """Five money APIs on one identity store and one double-entry journal."""
    adopt()


def _with_options(command: Callable[..., None]) -> Callable[..., None]:
    for flag, name, kind in (
        ("--data-dir", "data_dir", str),
        ("--database-url", "database_url", str),
    ):
        command = click.option(flag, name, type=kind)(command)
    return command


@main.command()
@click.option("--host", "app_host")
@click.option("--port", "app_port", type=int)
@click.option("--mode", "app_mode", type=click.Choice(["sandbox", "live"]))
@_with_options
def serve(**flags: Any) -> None:
    """Serve until SIGTERM or Ctrl-C."""
    options = _options(flags)
    _run(_serve, options)


@main.command()
@click.argument("user")
@_with_options
def token(user: str, **flags: Any) -> None:
    """Print a JWT for a sandbox user: id, e-mail or agent id."""
    options = _options(flags)
    if not options.is_sandbox:
        _fail("token: only in sandbox mode (APP_MODE=sandbox)")
    _run(print_token, options, user)


@main.command()
@_with_options
def verify(**flags: Any) -> None:
    """Re-derive every balance from the journal; exit 1 at the first difference."""
    _run(print_verification, _options(flags))


_operator = click.option(
    "--operator", default="", help="Administrator's e-mail; the first of ADMIN_EMAILS by default."
)


@main.command()
@_operator
@_with_options
def reviews(operator: str, **flags: Any) -> None:
    """List what waits for an operator's decision on the running server."""
    _run(print_reviews, _options(flags), operator)


@main.command()
@click.argument("reference")
@click.argument("decision", type=click.Choice(["approve", "reject"]))
@click.option("--note", default="", help="Why; kept in the audit log.")
@_operator
@_with_options
def review(reference: str, decision: str, note: str, operator: str, **flags: Any) -> None:
    """Approve or reject what waits under REFERENCE on the running server."""
    _run(rule, _options(flags), reference, decision, note, operator)


@main.command("reverse")
@click.argument("receipt")
@click.option("--note", default="", help="Why; kept in the audit log.")
@_operator
@_with_options
def reverse_cash(receipt: str, note: str, operator: str, **flags: Any) -> None:
    """Let the running server give the cash under an M-Pesa RECEIPT in suspense back."""
    _run(reverse, _options(flags), receipt, note, operator)


@main.command("float")
@_operator
@_with_options
def balances(operator: str, **flags: Any) -> None:
    """Let the running server ask M-Pesa for our balances there."""
    _run(print_float, _options(flags), operator)


@main.command()
@_operator
@_with_options
def reconcile(operator: str, **flags: Any) -> None:
    """Let the server compare its payments with M-Pesa, and print what it found; where none runs
    on this DATA_DIR, one does for as long as that takes."""
    _run(print_reconciliation, _options(flags), operator)


@main.command()
@click.argument("chain")
@click.option("--minimum-usd", default="1", show_default=True, help="What is worth less stays.")
@click.option("--everything", is_flag=True, help="Look at addresses without new deposits, too.")
@click.option("--execute", is_flag=True, help="Move it, rather than say what would be moved.")
@_operator
@_with_options
def sweep(
    chain: str, minimum_usd: str, everything: bool, execute: bool, operator: str, **flags: Any
) -> None:
    """Collect what lies on CHAIN's deposit addresses into the hot wallet."""
    asked = SweepRequest(
        chain=chain, minimum_usd=minimum_usd, everything=everything, execute=execute
    )
    _run(print_sweep, _options(flags), asked, operator)


@main.command()
@_operator
@_with_options
def sweeps(operator: str, **flags: Any) -> None:
    """List what was collected from deposit addresses, and what became of it."""
    _run(print_sweeps, _options(flags), operator)


@main.command()
@click.option("--strategy", required=True, type=click.Choice(list(STRATEGIES)))
@click.option(
    "--candles",
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="CSV with the columns timestamp, open, high, low, close; or these five without names.",
)
@click.option("--risk", default="balanced", type=click.Choice([mode.value for mode in RiskMode]))
@click.option("--symbol", default="BTC/ZAR", show_default=True)
@click.option("--capital", default="1000", show_default=True, help="In the quote currency.")
@click.option(
    "--plot",
    default=Path("equity.svg"),
    show_default=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where the equity curve is written.",
)
def backtest(
    strategy: str, candles: Path, risk: str, symbol: str, capital: str, plot: Path
) -> None:
    """Try a strategy on recorded candles, with the fees and slippage of paper trading."""
    try:
        run_backtest(strategy, candles, RiskMode(risk), symbol, capital, plot)
    except (OptionError, OSError) as error:
        _fail(str(error))


async def _serve(options: Options) -> int:
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async with running(options) as server:
            host = f"[{options.app_host}]" if ":" in options.app_host else options.app_host
            scheme = "https" if options.tls_cert else "http"
            click.echo(f"listening on {scheme}://{host}:{server.port}")
            async for _ in signals:
                break
    return 0


def _options(flags: dict[str, Any]) -> Options:
    try:
        options = read_options(os.environ, **flags)
    except OptionError as error:
        _fail(str(error))
    _log_to_stderr(options.log_level)
    return options


def _run(command: Callable[..., Awaitable[int]], *arguments: Any) -> NoReturn:
    try:
        status = trio.run(command, *arguments, clock=AwakeClock())
    except BaseException as error:
        for reason in _reasons(error):
            _fail(reason)
        raise
    sys.exit(status)


def _reasons(error: BaseException) -> list[str]:
    """The one line an operator needs, for failures that are not ours to debug."""
    if isinstance(error, BaseExceptionGroup):
        return [reason for inner in error.exceptions for reason in _reasons(inner)][:1]
    if isinstance(error, (OptionError, EmbeddedError, StorageError, Fenced)):
        return [str(error).splitlines()[0]]
    if isinstance(error, OSError):
        named = f"{error.filename}: " if error.filename else ""
        return [f"{named}{error.strerror or error}"]
    return []


def _fail(message: str) -> NoReturn:
    click.echo(f"daftari: {message}", err=True)
    sys.exit(_FAILED)


def _log_to_stderr(level: str) -> None:
    *steps, _ = structlog.get_config()["processors"]
    # By itself it would print every local variable, codes and keys among them, where the packages
    # for that happen to be installed.
    renderer = structlog.dev.ConsoleRenderer(
        colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
    )
    structlog.configure(
        processors=[*steps, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.getLevelNamesMapping().get(level.upper(), logging.INFO)
        ),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    # Libraries only warn: at INFO, httpx would log callback addresses with their keys in them.
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING)


if __name__ == "__main__":
    main()
