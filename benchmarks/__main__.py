"""`python -m benchmarks [PART …]`: measure, print the tables, and with --write keep them.

Parts: `transfers` (ours, conventional server and pgbench in turns), `peers` (the same without
ours), `calibrate` (the generator's ceiling), `idle` (memory per connection), `all`.
"""

import argparse
import sys
import time
from dataclasses import replace
from pathlib import Path

from benchmarks import calibrate, house, idle, report
from benchmarks.house import QUICK, House, Plan
from benchmarks.transfers import Comparison

PARTS = ("calibrate", "transfers", "peers", "idle")
ALL = ("calibrate", "transfers", "idle")
RESULTS = Path(__file__).parent / "RESULTS.md"


def _part(name: str, shared: House) -> str:
    if name == "calibrate":
        return f"## Ceiling of the generator\n\n{report.ceilings(calibrate.measure(shared))}"
    if name in ("transfers", "peers"):
        comparison = Comparison(shared, with_ours=name == "transfers")
        rows = report.transfers(comparison.run())
        return f"## Transfers\n\n{rows}\n\n### Pool sweep\n\n{report.pools(comparison.pools)}"
    return f"## Idle connections\n\n{report.idle(idle.measure(shared, with_ours=True))}"


def _say(line: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {line}", file=sys.stderr, flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, "all"], default=["all"])
    parser.add_argument("--quick", action="store_true", help="short: shows that it runs, no more")
    parser.add_argument("--seconds", type=float, help="length of each measured window")
    parser.add_argument("--rounds", type=int, help="how often the systems take turns")
    parser.add_argument("--dir", type=Path, help="a directory on the disk to measure")
    parser.add_argument("--write", action="store_true", help="keep the tables in RESULTS.md")
    return parser.parse_args()


def _plan(options: argparse.Namespace) -> Plan:
    plan = QUICK if options.quick else Plan()
    if options.seconds:
        plan = replace(plan, measure_s=options.seconds)
    return replace(plan, rounds=options.rounds) if options.rounds else plan


def main() -> None:
    """Run the chosen parts one after another."""
    options = _options()
    parts = ALL if "all" in options.parts else options.parts
    started = time.monotonic()
    with house.opened(options.dir, _plan(options), _say) as shared:
        sections = [f"{report.machine(shared)} {report.disk(shared)}"]
        sections += [_part(name, shared) for name in parts]
    sections.append(f"The run took {(time.monotonic() - started) / 60:.1f} minutes.")
    text = "\n\n".join(sections)
    print(text)
    if options.write:
        report.write(RESULTS, text)


if __name__ == "__main__":
    main()
