"""`app.py backtest`: a strategy over a file of candles, its figures and its equity curve."""

from decimal import Decimal, InvalidOperation
from pathlib import Path

import click

from assembly.options import OptionError
from domain.money import ASSETS, UNITS_PER_WHOLE, AmountError, plain, units_from
from domain.trading.backtest import Report, backtest
from domain.trading.candle_file import NotCandles, read_candles
from domain.trading.fills import Rules
from domain.trading.market import WHOLE
from domain.trading.plot import equity_svg
from domain.trading.records import RiskMode
from domain.trading.risk import LIMITS
from domain.trading.strategies import STRATEGIES


def run_backtest(
    strategy: str, candles: Path, risk: RiskMode, symbol: str, capital: str, plot: Path
) -> None:
    """Print the figures and write the picture; OptionError names what is wrong with the input."""
    base, _, quote = symbol.partition("/")
    if not base or quote not in ASSETS:
        raise OptionError(f"--symbol: {symbol} has no quote currency of {', '.join(ASSETS)}")
    step = ASSETS[quote].step
    rules = Rules(base=base, quote=quote, least_cost=10 * step, quote_step=step)
    try:
        with candles.open(encoding="utf-8", newline="") as lines:
            report = backtest(
                STRATEGIES[strategy],
                LIMITS[risk],
                rules,
                _capital(capital, ASSETS[quote].decimals),
                read_candles(lines),
            )
    except (NotCandles, UnicodeDecodeError) as error:
        raise OptionError(f"{candles}: {error}") from error
    if not report.curve:
        raise OptionError(f"{candles}: no candles")
    click.echo(_figures(report, quote))
    title = f"{strategy}, {risk.value}, {symbol}"
    plot.write_text(equity_svg(title, quote, report.curve), encoding="utf-8")
    click.echo(f"equity curve {plot}")


def _figures(report: Report, quote: str) -> str:
    closed = report.closed_trades
    figures = [
        (f"initial capital {quote}", plain(report.initial_capital, 2)),
        (f"profit {quote}", plain(report.profit, 2)),
        ("profit %", _percent(report.profit, report.initial_capital)),
        ("max drawdown %", _percent(report.drawdown_ppm, WHOLE)),
        ("fills", str(len(report.fills))),
        ("closed trades", str(closed)),
        ("win rate %", _percent(report.winning_trades, closed) if closed else "0.00"),
        (f"fees {quote}", plain(report.fees, 2)),
        ("candles", str(len(report.curve))),
    ]
    return "\n".join(f"{name:<24}{figure:>16}" for name, figure in figures)


def _percent(part: int, whole: int) -> str:
    """Two decimals, towards zero."""
    hundredths = abs(part) * 10_000 // whole * (-1 if part < 0 else 1)
    return plain(hundredths * UNITS_PER_WHOLE // 100, 2)


def _capital(text: str, decimals: int) -> int:
    try:
        units = units_from(Decimal(text), decimals)
    except InvalidOperation:
        units = AmountError.NOT_A_NUMBER
    if isinstance(units, AmountError) or units <= 0:
        raise OptionError(f"--capital: {text} is no amount")
    return units
