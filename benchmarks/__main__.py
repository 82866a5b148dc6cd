"""`python -m benchmarks [PART …]`: measure, print the tables, and with --write keep them.

Parts: `transfers` (ours, conventional server and pgbench in turns), `peers` (the same without
ours), `calibrate` (the generator's ceiling), `journal` (the journal alone), `idle` (memory per
connection), `growth` (1,000 against 1,000,000 accounts, and the start with them), `stk` (M-Pesa
pushes in flight), `sse` (event streams of the trading network), `bots` (1,000 trading bots with
transfers beside them), `reads` (REST reads beside a FastAPI server), `storm` (transfers beside a
storm of logins), `pages` (transfers with and without huge pages), `all`.
"""

import argparse
import sys
import time
from dataclasses import replace
from pathlib import Path

from benchmarks import (
    bots,
    calibrate,
    growth,
    house,
    idle,
    journal,
    pages,
    reads,
    report,
    sse,
    stk,
    storm,
)
from benchmarks.house import QUICK, House, Plan
from benchmarks.speed import Speed
from benchmarks.targets import Measured, verdicts
from benchmarks.transfers import Comparison

ALL = (
    *("calibrate", "transfers", "journal", "idle", "growth"),
    *("stk", "sse", "bots", "reads", "storm", "pages"),
)
PARTS = (*ALL, "peers")
RESULTS = Path(__file__).parent / "RESULTS.md"


def _part(name: str, shared: House, measured: Measured) -> str:
    if name == "calibrate":
        return f"## Ceiling of the generator\n\n{report.ceilings(calibrate.measure(shared))}"
    if name in ("transfers", "peers"):
        comparison = Comparison(shared, with_ours=name == "transfers")
        measured.transfers = comparison.run()
        rows = report.transfers(measured.transfers)
        return f"## Transfers\n\n{rows}\n\n### Pool sweep\n\n{report.pools(comparison.pools)}"
    if name == "journal":
        return f"## The journal alone\n\n{report.journal(journal.measure(shared))}"
    if name == "growth":
        measured.growth = growth.measure(shared)
        return f"## Growth and start\n\n{report.growth(measured.growth)}"
    if name == "stk":
        measured.stk = stk.measure(shared)
        return f"## M-Pesa pushes\n\n{report.stk(measured.stk)}"
    if name == "sse":
        measured.sse = sse.measure(shared)
        return f"## Event streams\n\n{report.sse(measured.sse)}"
    if name == "bots":
        measured.bots = bots.measure(shared)
        return f"## Trading bots\n\n{report.bots(measured.bots)}"
    if name == "reads":
        measured.reads = reads.measure(shared)
        return f"## REST reads\n\n{report.reads(measured.reads)}"
    if name == "storm":
        measured.storm = storm.measure(shared)
        return f"## A storm of logins\n\n{report.storm(measured.storm)}"
    if name == "pages":
        return f"## Huge pages\n\n{report.pages(pages.measure(shared))}"
    measured.idle = idle.measure(shared, with_ours=True)
    return f"## Idle connections\n\n{report.idle(measured.idle)}"


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


def _text(head: str, speed: Speed, sections: list[str], measured: Measured, took_s: float) -> str:
    found = verdicts(measured)
    targets = [f"## Targets\n\n{report.targets(found)}"] if found else []
    command = " ".join(["python -m benchmarks", *sys.argv[1:]])
    took = f"`{command}`, {took_s / 60:.1f} minutes."
    return "\n\n".join([f"{head} {speed}", *targets, *sections, took])


def main() -> None:
    """Run the chosen parts one after another."""
    options = _options()
    parts = ALL if "all" in options.parts else options.parts
    started = time.monotonic()
    measured, speed = Measured(), Speed()
    with house.opened(options.dir, _plan(options), _say) as shared:
        head = f"{report.machine(shared)} {report.disk(shared)}"
        sections: list[str] = []
        for name in parts:
            speed.sample()
            sections.append(_part(name, shared, measured))
            speed.sample()
            text = _text(head, speed, sections, measured, time.monotonic() - started)
            if options.write:  # after every part: a later one that fails costs only itself
                report.write(RESULTS, text)
    print(text)


if __name__ == "__main__":
    main()
