"""Backtests: the bots' own engine and fills over a file, reported and drawn."""

from xml.etree import ElementTree

import pytest
from click.testing import CliRunner

from app import main
from domain.money import units_of
from domain.trading.backtest import Report, backtest
from domain.trading.candle_file import NotCandles, read_candles
from domain.trading.fills import Rules
from domain.trading.metrics import Share, drawdown_ppm, risk_level, totals
from domain.trading.plot import equity_svg
from domain.trading.records import Metrics, RiskLevel, RiskMode
from domain.trading.risk import LIMITS
from domain.trading.strategies import STRATEGIES

HEAD = "timestamp,open,high,low,close,volume\n"


def _wave_csv(minutes=600):
    price, rows = 1_000_000.0, []
    for minute in range(minutes):
        opened = price
        price *= 1.004 if minute // 60 % 2 == 0 else 0.997
        low, high = min(opened, price), max(opened, price)
        rows.append(
            f"{1_700_000_000 + minute * 60},{opened:.2f},{high:.2f},{low:.2f},{price:.2f},1"
        )
    return HEAD + "\n".join(rows) + "\n"


def test_a_backtest_trades_like_a_bot_and_its_curve_ends_at_its_profit():
    candles = list(read_candles(_wave_csv().splitlines()))
    rules = Rules(base="BTC", quote="ZAR", quote_step=units_of("0.01"))
    limits = LIMITS[RiskMode.BALANCED]
    report = backtest(STRATEGIES["momentum"], limits, rules, units_of("1000"), candles)
    assert report.closed_trades == 5
    assert report.winning_trades == 5
    assert report.profit == report.curve[-1][1] - units_of("1000") > units_of("100")
    assert report.fees == sum(fill.fee for fill in report.fills) > 0
    again = backtest(STRATEGIES["momentum"], limits, rules, units_of("1000"), candles)
    assert again == report


def test_the_command_prints_metrics_and_writes_the_curve(tmp_path):
    candles, picture = tmp_path / "candles.csv", tmp_path / "curve.svg"
    candles.write_text(_wave_csv())
    arguments = ["backtest", "--strategy", "momentum", "--candles", str(candles)]
    done = CliRunner().invoke(main, [*arguments, "--plot", str(picture)])
    assert done.exit_code == 0, done.output
    figures = dict(line.rsplit(maxsplit=1) for line in done.output.splitlines() if line)
    assert figures["closed trades"] == "5"
    assert figures["win rate %"] == "100.00"
    assert float(figures["profit ZAR"]) > 100
    assert float(figures["max drawdown %"]) > 0
    root = ElementTree.fromstring(picture.read_text())
    line = root.find("{http://www.w3.org/2000/svg}polyline")
    assert len(line.attrib["points"].split()) == 600


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("time,open\n1,2\n", "no column high, low, close"),
        (HEAD + "1,2,3,1,x,0\n", "line 2"),
        (HEAD + "1,2,3,1,NaN,0\n", "line 2"),
        (HEAD + "1,2,3,1,1e400,0\n", "line 2"),
        (HEAD + "1,2,3,1,-2,0\n", "line 2"),
        (HEAD + "1,5,3,1,2,0\n", "do not hold"),
        (HEAD + "1,2,3,1,2,0\n1,2,3,1,2,0\n", "line 3: is not later"),
        (HEAD + "1,2\n", "line 2"),
        (HEAD, "no candles"),
    ],
)
def test_what_is_not_candles_is_refused_by_line(tmp_path, text, complaint):
    candles = tmp_path / "candles.csv"
    candles.write_text(text)
    done = CliRunner().invoke(
        main, ["backtest", "--strategy", "grid", "--candles", str(candles)], catch_exceptions=False
    )
    assert done.exit_code == 1
    assert complaint in done.output


def test_an_unknown_strategy_is_named_with_the_known_ones(tmp_path):
    done = CliRunner().invoke(main, ["backtest", "--strategy", "x", "--candles", str(tmp_path)])
    assert done.exit_code != 0
    assert "mean_reversion" in done.output


def test_timestamps_are_seconds_milliseconds_microseconds_or_iso():
    rows = "".join(f"{stamp},1,1,1,1,0\n" for stamp in ("1700000000", "1700000060000"))
    rows += "1700000120000000,1,1,1,1,0\n2023-11-14T22:16:20Z,1,1,1,1,0\n"
    times = [candle.open_us // 1_000_000 for candle in read_candles((HEAD + rows).splitlines())]
    assert times == [1700000000, 1700000060, 1700000120, 1700000180]
    with pytest.raises(NotCandles):
        list(read_candles((HEAD + "²,1,1,1,1,0\n").splitlines()))


@pytest.mark.parametrize(
    "text",
    [
        "\ufeffTime,Open,High,Low,Close,Volume\n60,1,2,1,2,5\n\n120,2,3,2,3,5\n",
        "Volume;Close;Low;High;Open;Open_Time\r\n5;2;1;2;1;60\r\n5;3;2;3;2;120\r\n",
        "60,1,2,1,2\n120,2,3,2,3\n",
        "date\to\th\tl\tc\n1970-01-01 00:01:00\t1\t2\t1\t2\n120.0\t2\t3\t2\t3\n",
    ],
)
def test_files_as_others_write_them_are_understood(text):
    candles = list(read_candles(text.splitlines(keepends=True)))
    assert [candle.open_us for candle in candles] == [60_000_000, 120_000_000]
    assert [candle.close for candle in candles] == [2 * 10**8, 3 * 10**8]
    assert [candle.low for candle in candles] == [10**8, 2 * 10**8]


def test_a_field_without_end_is_refused_by_line():
    with pytest.raises(NotCandles, match="line 2"):
        list(read_candles([HEAD, "1" * 200_000 + ",1,1,1,1\n"]))


def test_totals_follow_their_formulas():
    """AMKT-C24."""
    assert totals([]) == Metrics()
    share = Share(active=True, profit=5, capital=100, open=15, closed_trades=4, winning_trades=3)
    other = Share(active=False, profit=-1, capital=100, open=0, closed_trades=0, winning_trades=0)
    assert totals([share, other]) == Metrics(
        total_profit=4,
        total_capital=200,
        active_bots=1,
        total_bots=2,
        win_rate_bp=7_500,
        exposure_bp=750,
        risk_level=RiskLevel.LOW,
    )
    levels = [risk_level(bp) for bp in (999, 1_000, 3_999, 4_000)]
    assert levels == [RiskLevel.LOW, RiskLevel.MODERATE, RiskLevel.MODERATE, RiskLevel.HIGH]
    assert drawdown_ppm([100, 120, 90, 130, 117]) == 250_000


def test_what_is_lost_with_the_first_candle_is_a_drawdown():
    """A loss in all is never more than the deepest fall."""
    report = Report(
        initial_capital=1000,
        curve=((1, 900), (2, 810)),
        fills=(),
        closed_trades=0,
        winning_trades=0,
        fees=0,
    )
    assert report.profit == -190
    assert report.drawdown_ppm == 190_000


def test_a_title_cannot_break_the_picture():
    picture = equity_svg("<&\"'>", "ZAR", [(0, 1), (1, 1)])
    assert ElementTree.fromstring(picture) is not None
