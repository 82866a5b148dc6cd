"""`python -m benchmarks [PART …]`: measure, print the tables, and with --write keep them.

Parts: `transfers` (ours, conventional server and pgbench in turns), `peers` (the same without
ours), `calibrate` (the generator's ceiling), `journal` (the journal alone), `idle` (memory per
connection), `growth` (1,000 against 1,000,000 accounts, and the start with them), `stk` (M-Pesa
pushes in flight), `sse` (event streams of the trading network), `bots` (1,000 trading bots with
transfers beside them), `reads` (REST reads beside a FastAPI server), `storm` (transfers beside a
storm of logins), `crowd` (1,000 transfers in flight, by how quick the machine was), `pages`
(transfers with and without huge pages), `all`.
"""

import argparse
import sys
import time
from dataclasses import replace
from pathlib import Path

from benchmarks import (
    bots,
    calibrate,
    crowd,
    growth,
    house,
    idle,
    journal,
    pages,
    reads,
    report,
    results,
    sse,
    stk,
    storm,
)
from benchmarks.house import QUICK, House, Plan
from benchmarks.speed import Speed
from benchmarks.targets import Measured, verdicts
from benchmarks.transfers import Comparison

ALL = (
    *("calibrate", "transfers", "crowd", "journal", "idle", "growth"),
    *("stk", "sse", "bots", "reads", "storm", "pages"),
)
PARTS = (*ALL, "peers")
RESULTS = Path(__file__).parent / "RESULTS.md"


def _part(name: str, shared: House, measured: Measured) -> tuple[str, str]:
    """Title and tables of one part."""
    if name == "calibrate":
        return "Ceiling of the generator", report.ceilings(calibrate.measure(shared))
    if name in ("transfers", "peers"):
        comparison = Comparison(shared, with_ours=name == "transfers")
        measured.transfers = comparison.run()
        rows = report.transfers(measured.transfers)
        return "Transfers", f"{rows}\n\n### Pool sweep\n\n{report.pools(comparison.pools)}"
    if name == "crowd":
        measured.crowd = crowd.measure(shared)
        return "A crowd of 1,000", report.crowd(measured.crowd)
    if name == "journal":
        return "The journal alone", report.journal(journal.measure(shared))
    if name == "growth":
        measured.growth = growth.measure(shared)
        return "Growth and start", report.growth(measured.growth)
    if name == "stk":
        measured.stk = stk.measure(shared)
        return "M-Pesa pushes", report.stk(measured.stk)
    if name == "sse":
        measured.sse = sse.measure(shared)
        return "Event streams", report.sse(measured.sse)
    if name == "bots":
        measured.bots = bots.measure(shared)
        return "Trading bots", report.bots(measured.bots)
    if name == "reads":
        measured.reads = reads.measure(shared)
        return "REST reads", report.reads(measured.reads)
    if name == "storm":
        measured.storm = storm.measure(shared)
        return "A storm of logins", report.storm(measured.storm)
    if name == "pages":
        return "Huge pages", report.pages(pages.measure(shared))
    measured.idle = idle.measure(shared, with_ours=True)
    return "Idle connections", report.idle(measured.idle)


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


def _timed(name: str, shared: House, measured: Measured) -> tuple[str, str]:
    """Title and text of one part, with where its figures come from."""
    speed, began = Speed(), time.monotonic()
    speed.sample()
    title, tables = _part(name, shared, measured)
    speed.sample()
    took_min = (time.monotonic() - began) / 60
    command = " ".join(["python -m benchmarks", *sys.argv[1:]])
    source = f"`{command}`, commit {report.commit()}, {took_min:.1f} minutes. {speed}"
    return title, f"{tables}\n\n{source}"


def main() -> None:
    """Run the chosen parts one after another."""
    options = _options()
    parts = ALL if "all" in options.parts else options.parts
    measured = Measured()
    with house.opened(options.dir, _plan(options), _say) as shared:
        head = f"{report.machine(shared)} {report.disk(shared)}"
        sections: dict[str, str] = {}
        for name in parts:
            title, text = _timed(name, shared, measured)
            sections[title] = text
            if options.write:  # after every part: a later one that fails costs only itself
                results.keep(RESULTS, head, _verdicts(measured), sections)
    print("\n\n".join([head, _verdicts(measured), *sections.values()]))


def _verdicts(measured: Measured) -> str:
    found = verdicts(measured)
    return report.targets(found) if found else ""


if __name__ == "__main__":
    main()
