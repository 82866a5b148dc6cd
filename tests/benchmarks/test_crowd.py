"""benchmarks.crowd: the least disturbed round is chosen by CPU time, never by its latency."""

from benchmarks.crowd import by_group
from benchmarks.targets import Measured, verdicts
from benchmarks.transfers import Row


def _round(cpu_us: float, p99_ms: float, *, hot: bool = False) -> Row:
    return Row(
        system="daftari",
        clients=1000,
        hot=hot,
        delay_us=0,
        rate=1e6 / cpu_us,
        p50_us=1,
        p99_us=1000 * p99_ms,
        server_cores=0.6,
        postgres_cores=0.4,
    )


def test_a_groups_rounds_are_ordered_by_cpu_time() -> None:
    rounds = [_round(200, 90), _round(80, 1, hot=True), _round(100, 170), _round(125, 100)]
    uniform, hot = by_group(rounds)
    assert [each.cpu_us for each in uniform] == [100, 125, 200]
    assert [each.cpu_us for each in hot] == [80]


def test_the_verdict_is_on_the_least_disturbed_round_even_if_another_was_quicker() -> None:
    p99, rate = verdicts(Measured(crowd=[_round(200, 90), _round(100, 170)]))
    assert (p99.measured, p99.met) == (170, False)
    assert (rate.measured, rate.met) == (10_000, True)
