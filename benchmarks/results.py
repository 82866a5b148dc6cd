"""RESULTS.md: a section for each part, with the run it comes from, and the verdicts on all.

A run replaces the sections and verdicts it has figures for and leaves the others as they are, so
that one part can be measured again when the machine is quiet.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

BEGIN: Final = "<!-- measured: written by `python -m benchmarks --write`, do not edit -->"
END: Final = "<!-- end of measured -->"
TARGETS: Final = "Targets"
_EMPTY: Final = f"# Benchmarks\n\n{BEGIN}\n{END}\n"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; every column but the first is set flush right."""
    rule = ["---", *["---:"] * (len(head) - 1)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, rule, *rows))


def keep(path: Path, head: str, verdicts: str, sections: Mapping[str, str]) -> None:
    """Write what a run has found into the file: `verdicts` a table, `sections` by their title."""
    text = path.read_text() if path.exists() else _EMPTY
    before, _, rest = text.partition(BEGIN)
    measured, _, after = rest.partition(END)
    known = _sections(measured)
    merged = {TARGETS: _merged(known.pop(TARGETS, ""), verdicts), **known, **sections}
    parts = [head, *(f"## {title}\n\n{body}" for title, body in merged.items() if body)]
    measured_now = "\n\n".join(parts)
    path.write_text(f"{before}{BEGIN}\n\n{measured_now}\n\n{END}{after}")


def _sections(text: str) -> dict[str, str]:
    """By title, in order; what stands before the first is left out."""
    found: dict[str, str] = {}
    for section in f"\n{text}".split("\n## ")[1:]:
        title, _, body = section.partition("\n")
        found[title] = body.strip()
    return found


def _merged(old: str, new: str) -> str:
    """Rows of `new` in the place of those of `old` with the same first cell, or after them all."""
    rows = {line.split("|")[1].strip(): line for line in [*old.splitlines(), *new.splitlines()]}
    return "\n".join(rows.values())
